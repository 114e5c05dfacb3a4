"""The form with the largest set of settings (37, as Fivetran's SFTP has), and the change of the service to it."""

from collections.abc import Callable
from typing import Any

from tests.bench.form import _offer, _same_fields
from tests.bench.pages import cookie_of, in_process
from tests.bench.readings import Reading, Site, compare

TIMES = 20
SERVICE = "sftp"
_TEXTS = (
    "host user tunnel_host tunnel_user prefix pattern archive_pattern extraction_pattern delimiter escape_char "
    "quote_char line_separator null_sequence selected_range signer_public_key"
)
_NUMBERS = "port tunnel_port skip_before skip_after"
_FLAGS = (
    "empty_header is_keypair is_single_table_mode quote_character_enabled sync_nested_files use_pgp_encryption_options"
)
_CHOICES = "append_file_option compression file_handling file_type json_delivery_mode on_error file_mapping_method"
_SECRETS = "password pgp_pass_phrase pgp_secret_key"


def beside_django(site: Site) -> list[Reading]:
    """The form beside Django's own rendering of the same fields, the whole page, and the fragment of a switch."""
    from django.template import engines

    from connections.forms import Purpose, RequestForm

    _offer()
    _tell()
    form = RequestForm.from_post({"service": SERVICE, "config__port": "x"}, Purpose.KEEP)
    assert len(form.config.fields) >= 30 and form.errors
    engine = engines["django"]
    crispy = engine.from_string("{% load crispy_forms_tags %}{% crispy form form.helper %}")
    plain = engine.from_string("{{ form }}")
    _same_fields(form, crispy.render({"form": form}), plain.render({"form": form}))
    cookie = cookie_of("requester")
    page = in_process(f"/requests/new/?service={SERVICE}&group_id=group_01", cookie)
    switch = in_process(f"/requests/new/config/?service={SERVICE}&group_id=group_01&config__host=db", cookie)
    fields = f"{len(form.fields)} fields"
    return [
        _beside(site, f"the form, {fields}", lambda: crispy.render({"form": form}), plain, form, 1.6),
        # 60 ms and 150 ms where Django needs 15 ms for these fields: a busy or slow machine slows both alike.
        _beside(site, "the form's page", page, plain, form, 4.0),
        _beside(site, "a service switch", switch, plain, form, 10.0),
    ]


def _beside(site: Site, what: str, ours: Callable[[], object], plain: Any, form: Any, bar: float) -> Reading:
    found = compare(ours, lambda: plain.render({"form": form}), rounds=site.rounds, times=TIMES)
    return Reading(
        f"{what} / {{{{ form }}}}", found.ratio, "x", bar, f"{found.ours:.1f} ms, Django {found.yardstick:.1f} ms"
    )


def _tell() -> None:
    """Metadata of that size, as Fivetran's answer has it."""
    from django.db.models.functions import Now

    from connections.models import CatalogEntry, Kind

    file = {name: {"type": "string"} for name in ("archive_pattern", "file_pattern", "selected_range", "table_name")}
    properties: dict[str, Any] = {
        **{name: {"type": "string", "description": _words(name)} for name in _TEXTS.split()},
        **{name: {"type": "integer", "example": 22, "description": _words(name)} for name in _NUMBERS.split()},
        **{name: {"type": "boolean", "description": _words(name)} for name in _FLAGS.split()},
        **{name: {"enum": ["one", "two", "three"], "description": _words(name)} for name in _CHOICES.split()},
        **{name: {"type": "string", "format": "password"} for name in _SECRETS.split()},
        "connection_method": {"enum": ["SSH_TUNNEL", "DIRECT"]},
        "files": {"type": "array", "items": {"type": "object", "properties": file}},
    }
    assert len(properties) == 37
    config = {"required": ["schema", "table_group_name"], "properties": properties}
    CatalogEntry.objects.update_or_create(
        kind=Kind.SERVICE,
        fivetran_id=SERVICE,
        defaults={"name": "SFTP", "data": {}, "detail": {"config": config}, "detail_at": Now()},
    )


def _words(name: str) -> str:
    return (
        f"You can specify the <strong>{name}</strong> here. Fivetran generally tries to infer it, see [guide](/docs)."
    )
