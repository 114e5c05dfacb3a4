"""Names that a form does not offer, posted to every address: they change nothing, whoever posts them.

Each form is sent as it is, and then with the name of every column that the portal and its people have. What the
database holds afterwards is compared, row by row.
"""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import models, transaction
from django.test import Client

from connections.models import ConnectionChange, ConnectionRequest, Handover
from connections.spec.fields import FIELDS
from connections.workflow.handover import CODES_AN_HOUR
from tests import catalogs
from tests.forms.test_batch import line, text
from tests.forms.test_request_form import COMPLETE
from tests.handover import mailed_code, page_of
from tests.views.test_url_map import OUTSIDE, POSTS, ROLES, World, address, world

__all__ = ["world"]  # the fixture
pytestmark = pytest.mark.django_db
PASSES = 6
PLANTED = "mass-assigned-7f3a"
TOKEN = str(uuid.UUID(int=7))
TABLES: list[type[models.Model]] = [
    *apps.get_app_config("connections").get_models(),
    User,
    Group,
    *([User.groups.through, User.user_permissions.through]),
]
Snapshot = dict[tuple[str, int, str], Any]


def planted(by: User, other: User) -> Iterator[dict[str, str]]:
    """Under the name of every column: what it might hold, in as many forms as there are passes."""
    found: dict[str, list[str]] = {"pk": ["1", "424242"], "id": ["1", "424242"], "next": ["//evil.example"]}
    for column in [column for table in TABLES for column in table._meta.concrete_fields]:
        found.setdefault(column.name, []).extend(_values(column, by, other))
        found.setdefault(column.attname, found[column.name])
    found["status"] = ["approved", "created", "draft", "pending", "sending", "withdrawn"]
    for number in range(PASSES):
        yield {name: values[number % len(values)] for name, values in found.items()}


def _values(column: "models.Field[Any, Any]", by: User, other: User) -> list[str]:
    if column.choices:
        return [str(value) for value, _label in column.flatchoices]
    match column:
        case models.ForeignKey() if column.related_model is User:
            return [str(other.pk), str(by.pk), other.username]
        case models.BooleanField():
            return ["on", "true", "1"]
        case models.DateTimeField():
            return ["2001-02-03T04:05:06Z"]
        case models.UUIDField():
            return [str(uuid.UUID(int=424242))]
        case models.JSONField():
            return [f'{{"{PLANTED}": 1}}', f'["{PLANTED}"]']
        case models.IntegerField() | models.ForeignKey() | models.OneToOneField():
            return ["424242", "1", "0"]
        case _:
            return [PLANTED]


def snapshot() -> Snapshot:
    """What every row holds, by table and place; numbers of rows are left to the place, for sequences go on."""
    found: Snapshot = {}
    for table in TABLES:
        numbers = {column.attname for column in table._meta.concrete_fields if column.primary_key or column.is_relation}
        numbers |= {"duration_ms"}  # of a call: a stopwatch is never twice the same
        people = {c.attname for c in table._meta.concrete_fields if c.related_model in (User, Group)}
        for place, row in enumerate(table._default_manager.order_by("pk").values()):
            for name, value in row.items():
                known = name not in numbers or name in people
                found[table.__name__, place, name] = value if known else value is not None
    return found


REQUEST_FORM = {one.name for one in FIELDS} | {
    "reason",
    "source_owner",
    "action",
    "form_token",
    "keep",
    "preset",
    "team",
}
OFFERED: dict[str, set[str]] = {
    **dict.fromkeys(("new", "clone"), REQUEST_FORM),
    **dict.fromkeys(("edit", "autosave", "discard_draft"), REQUEST_FORM | {"version", "edited", "origin", "user"}),
    **dict.fromkeys(("approve", "change_approve"), {"digest"}),
    **dict.fromkeys(("reject", "request_changes"), {"decision_reason", "digest"}),
    "change_reject": {"decision_reason"},
    "change_new": {"kind", "reason", "version"},
    "approve_trust": {"kind", "hash", "shown"},
    "batch_new": {"table", "action", "form_token", "checked", "file"},
    "reassign": {"kind", "to", "reason"},
    "adopt_one": {"owner", "reason"},
    **dict.fromkeys(("adopt", "send_again", "close", "pause"), {"decision_reason", "connection_id"}),
    "handover_code": {"code"},
    "password_reset": {"email"},
    **dict.fromkeys(("handover_give", "handover_pass_on"), {"to"}),
}


def send(client: Client, path: str, form: dict[str, Any]) -> tuple[int, Snapshot]:
    """The status of the answer and what is stored after it; nothing of it stays."""
    mark = transaction.savepoint()
    code = client.post(path, form).status_code
    after = snapshot()
    transaction.savepoint_rollback(mark)
    return code, after


_LOOKED_AT: tuple[Any, ...] = ((ConnectionRequest, "pending"), (ConnectionChange, "change"))


@pytest.fixture
def forms(world: World, cast: dict[str, User]) -> dict[str, dict[str, Any]]:
    """What is posted where, so that it does what the address is for."""
    catalogs.offered()
    pending, change = (table.objects.get(pk=world.rows[kind][0]) for table, kind in _LOOKED_AT)
    batch = ConnectionRequest.objects.filter(batch_row__isnull=False)
    Handover.objects.update(
        code_sent_at=None, codes_sent=0
    )  # the first code has proved the owner, and a second may be asked for
    Client().post(page_of(Handover.objects.get(address=OUTSIDE), "send-code/"))
    Handover.objects.update(codes_sent=CODES_AN_HOUR)  # the last one of this hour, however long the test takes
    me = str(cast["requester"].pk)
    whole = {**COMPLETE, "action": "submit", "form_token": TOKEN}
    table = text(line(9001), line(9002))
    checked = hashlib.sha256(table.encode()).hexdigest()
    given: dict[str, dict[str, Any]] = {name: dict(form) for name, (_kind, form, _codes) in POSTS.items()}
    given |= {
        **dict.fromkeys(("new", "clone", "edit"), whole),
        "autosave": {**COMPLETE, "form_token": TOKEN, "user": me},
        "approve": {"digest": pending.digest},
        "change_approve": {"digest": change.digest},
        "batch_new": {"table": table, "checked": checked, "action": "submit", "form_token": TOKEN},
        "batch_decide": {"approve": [conn_request.pk for conn_request in batch]}
        | {f"digest_{conn_request.pk}": conn_request.digest for conn_request in batch},
        "handover_code": {"code": mailed_code(OUTSIDE)},
        "handover_give": {"to": "anna@example.com"},
        "adopt_one": {"owner": "requester2", "reason": "x"},
    }
    return given


# Who gets something done there; of the others every address is tried once with all names.
DOES: dict[str, str] = {
    **dict.fromkeys(("approve", "reject", "request_changes", "change_approve", "change_reject"), "approver"),
    **dict.fromkeys(("batch_decide", "approve_trust", "refresh_catalog", "handover_pass_on"), "approver"),
    **dict.fromkeys(("handover_revoke", "run_tests", "pause", "resume", "send_again", "close"), "operator"),
    **dict.fromkeys(("adopt", "adopt_one", "hand_back"), "operator"),
    **dict.fromkeys(("pause_kind", "resume_kind", "try_again", "reassign"), "operator"),
    **dict.fromkeys(("handover_code", "handover_send_code"), "nobody"),
    **dict.fromkeys(("handover_give", "handover_card", "handover"), "source owner"),
}
# Without Fivetran, without something to trust, or because it is all over in a moment: nothing is stored there.
STORES_NOTHING = {"config_fields", "review", "webhook", "handover", "adopt", "adopt_one", "resume", "resume_kind"}
STORES_NOTHING |= {"refresh_catalog", "approve_trust", "handover_send_code", "discard_draft"}
STORES_NOTHING |= {"reassign", "share_draft", "stop_sharing"}  # of nobody, with no team, of what is not shared
STORES_NOTHING |= {"password_change", "password_reset"}  # without what they ask for


def test_what_a_form_does_not_offer_changes_nothing(
    world: World, cast: dict[str, User], forms: dict[str, dict[str, Any]]
) -> None:
    before = snapshot()
    for name, (kind, _form, _codes) in POSTS.items():
        role = DOES.get(name, "requester")
        path, client, form = address(world, name, kind), world.clients[role], forms[name]
        first, second = send(client, path, form), send(client, path, form)
        assert (first[1] != before) is (name not in STORES_NOTHING), f"{name} is tried with a form that does something"
        moving = {key for key in first[1].keys() | second[1].keys() if first[1].get(key) != second[1].get(key)}
        for extra in planted(cast.get(role, cast["requester"]), cast["auditor"]):
            added = {key: value for key, value in extra.items() if key not in form and key not in OFFERED.get(name, ())}
            assert {"status", "requester_id", "is_superuser", "payload"} <= added.keys()
            code, after = send(client, path, form | added)
            assert code == first[0] and after.keys() == first[1].keys(), f"{name}: a row more, or another answer"
            changed = {key for key in after.keys() - moving if after[key] != first[1][key]}
            changed |= {key for key in moving if (after[key] is None) is not (first[1][key] is None)}
            changed |= {key for key in moving if PLANTED in str(after[key])}
            assert not changed, name


def test_whoever_may_not_changes_nothing_with_any_name(
    world: World, cast: dict[str, User], forms: dict[str, dict[str, Any]]
) -> None:
    """A right is not something that can be posted: every row stays as it is."""
    extra, before = next(planted(cast["requester"], cast["auditor"])), snapshot()
    for name, (kind, _form, codes) in POSTS.items():
        for role, code in zip(ROLES, codes.split(), strict=True):
            if code in {"L", "403", "404"}:
                _code, after = send(world.clients[role], address(world, name, kind), extra | forms[name])
                assert after == before, (name, role)
