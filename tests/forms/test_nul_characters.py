"""A NUL in an address or a form is nobody's: PostgreSQL has no text that holds it, so it must not get that far."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from connections import workflow
from connections.models import ChangeKind
from connections.states import Status
from tests import factories
from tests.handover import handed_over, page_of, proved

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
NUL = "a\0b"


def test_no_address_with_a_nul_is_an_error(cast: dict[str, Any], as_user: Callable[..., Client]) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    handover = handed_over(cast["requester"], "olga@elsewhere.example")
    paths = ["/operations/adopt/?q=a%00b", "/operations/adopt/a%00b/", "/requests/?q=a%00b", "/requests/?status=a%00b"]
    paths += ["/handover/a%00b/", "/handover/return/?state=a%00b", f"/requests/{conn_request.pk}/status/?seen=a%00b"]
    paths += [f"/requests/{conn_request.pk}/changes/new/?kind=a%00b", "/requests/new/?service=a%00b&group_id=a%00b"]
    paths += ["/requests/new/?from_connection=a%00b", "/requests/new/?preset=a%00b", "/requests/export.csv?q=a%00b"]
    paths += [page_of(handover), f"/requests/{conn_request.pk}/connection.sh"]
    for role in ("admin", "requester"):
        client = as_user(role, raise_request_exception=False)
        codes = {path: client.get(path).status_code for path in paths}
        assert not [path for path, code in codes.items() if code >= 500], codes


def test_no_form_with_a_nul_is_an_error(cast: dict[str, Any], as_user: Callable[..., Client]) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    pending = factories.submitted(cast["requester"])
    change = workflow.ask_for_change(by=cast["requester"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="x")
    handover = handed_over(cast["requester"], "olga@elsewhere.example")
    keys = ("reason", "decision_reason", "digest", "to", "code", "confirmed", "kind", "hash", "shown", "owner")
    form = dict.fromkeys((*keys, "connection_id", "service", "group_id", "sync_frequency", "table"), NUL)
    paths = [f"/requests/{pending.pk}/{verb}/" for verb in ("approve", "reject", "request-changes", "edit", "clone")]
    paths += [f"/changes/{change.pk}/{verb}/" for verb in ("approve", "reject", "withdraw")]
    paths += [f"/requests/{conn_request.pk}/{what}/" for what in ("trust", "changes/new", "run-tests")]
    paths += [f"/requests/{handover.request_id}/handover/pass-on/", "/operations/pause/", "/requests/new/"]
    paths += ["/requests/batch/", "/operations/adopt/a_b/", "/accounts/login/"]
    for role in ("admin", "requester"):
        client = as_user(role, raise_request_exception=False)
        codes = {path: client.post(path, form).status_code for path in paths}
        codes |= {f"{path} schedule": client.post(path, form | {"kind": "delete"}).status_code for path in paths[-8:]}
        assert not [path for path, code in codes.items() if code >= 500], codes
    owner = proved(handover)
    owner.raise_request_exception = False
    for part in ("pass-on/", "code/", "send-code/"):
        assert owner.post(page_of(handover, part), form).status_code < 500, part
