"""What the form says of a request, as if it was submitted now, sorted by the checks that tell it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS

from connections import catalog, permissions
from connections.catalog.metadata import Config, parse
from connections.forms import Purpose, RequestForm, presets
from connections.forms.config_controls import Separator
from connections.forms.strangers import words_of_path
from connections.models import ConnectionRequest
from connections.spec import payloads
from connections.spec.dry_run import Check
from connections.spec.fields import NAMING

_NETWORKING = ("networking_method", "private_link_id", "proxy_agent_id", "hybrid_deployment_agent_id")
_PLACES: dict[str, Check] = {
    "service": Check.SERVICE,
    "group_id": Check.DESTINATION,
    **dict.fromkeys(NAMING, Check.NAME),
    **dict.fromkeys(_NETWORKING, Check.NETWORKING),
}
# What Fivetran's metadata says of a setting that is not for everybody: whether a new connection may have it, in words.
_STATUSES = {
    "sunset": (False, "is being retired, so a new connection cannot set it"),
    "deprecated": (True, "is deprecated"),
    "private_preview": (True, "is in private preview, and not for every account"),
    "development": (True, "is still in development"),
}

Words = dict[Check, list[str]]


@dataclass
class Judgement:
    """`body` is what would be sent; what is in `errors` a submission would be refused for."""

    body: dict[str, Any]
    digest: str
    config: Config = field(default_factory=Config)  # as the service's metadata has it
    is_live: bool = False  # whether Fivetran has just told that metadata
    errors: Words = field(default_factory=dict)
    doubts: Words = field(default_factory=dict)

    def add(self, found: Words, path: str, words: str) -> None:
        check = _PLACES.get(path) or (Check.CONFIG if payloads.is_of_service(path) else Check.REQUEST)
        said = found.setdefault(check, [])
        if words not in said:
            said.append(words)


def asked_values(conn_request: ConnectionRequest) -> dict[str, Any]:
    """path -> value of what is asked for: a draft's with what its preset imposes now, else what was submitted."""
    if conn_request.payload:
        return dict(conn_request.values)
    return {**conn_request.values, **presets.imposed_values(conn_request.preset)}


def asked_body(conn_request: ConnectionRequest) -> dict[str, Any]:
    return conn_request.payload or payloads.build_body(asked_values(conn_request))


def judged(conn_request: ConnectionRequest, metadata: Mapping[str, Any], *, is_live: bool = False) -> Judgement:
    """By `metadata`, the service's; empty where it is not known."""
    may_ask = permissions.may_ask(conn_request.requester)
    form = RequestForm.from_values(asked_values(conn_request), Purpose.SUBMIT, metadata, may_ask)
    body = conn_request.payload or payloads.build_body(form.values())
    told = catalog.service_config_of(dict(metadata))
    config = parse(told, str(body.get("service") or ""))
    found = Judgement(body, conn_request.digest or payloads.digest(body), config, is_live)
    for name, errors in form.errors.items():
        # What belongs to no field is about lists and secrets of the service.
        whole = name == NON_FIELD_ERRORS
        path = "config." if whole else name.replace("__", ".")
        for words in map(str, errors):
            found.add(found.errors, path, words if whole else _labelled(form, name, words))
    for path, words in doubts_of(form):
        found.add(found.doubts, path, words)
    for path, allowed, words in statuses(told, payloads.config_of(body)):
        found.add(found.doubts if allowed else found.errors, path, words)
    return found


def _labelled(form: RequestForm, name: str, words: str) -> str:
    label = form.plain_label(name) if name in form.fields else words_of_path(name.replace("__", "."))
    return f"{label}: {words[:1].lower()}{words[1:]}"


def doubts_of(form: RequestForm) -> Iterator[tuple[str, str]]:
    """(path, words) of what is sent although Fivetran may refuse it."""
    for path, words in form.verdict.warned.items():
        yield path, _labelled(form, path.replace(".", "__"), words)
    for name, made in form.fields.items():
        path, warning = name.replace("__", "."), getattr(made, "warning", "")
        if warning and not isinstance(made, Separator) and form.data.get(name) and not form.why_hidden(path):
            yield path, f"{form.plain_label(name)} is “{str(form.data[name])[:80]}”. {warning}"
    for path in form.without_control if form.config.known else ():
        yield path, f"{words_of_path(path)}: Fivetran does not list this setting for this service."


def statuses(told: Any, config: Mapping[str, Any], path: str = "config") -> Iterator[tuple[str, bool, str]]:
    """(path, whether a new connection may have it, words) of each setting in `config` that is not for everybody."""
    named = told.get("properties") if isinstance(told, Mapping) else None
    for key, value in config.items():
        spec = named.get(key) if isinstance(named, Mapping) else None
        if not isinstance(spec, Mapping):
            continue
        status = "deprecated" if spec.get("deprecated") is True else str(spec.get("fieldStatus") or "").lower()
        if status in _STATUSES:
            allowed, words = _STATUSES[status]
            yield f"{path}.{key}", allowed, f"{words_of_path(f'{path}.{key}')} {words}."
        if isinstance(value, Mapping):
            yield from statuses(spec, value, f"{path}.{key}")
