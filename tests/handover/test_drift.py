"""What a source owner changes at Fivetran while entering the credentials is no drift until they are there."""

from typing import Any

from django.contrib.auth.models import User
from django.db.models.functions import Now

from connections import worker
from connections.models import Connection, ConnectionRequest, EventKind
from tests.handover import kinds, logged_in
from tests.handover.test_card_and_return import GIVEN, begun, fill, olga, open_card
from tests.sandbox_client import Fivetran
from tests.worker.test_poll_connections import patch

__all__ = ["olga"]


def test_what_is_entered_counts_as_drift_only_once_the_hand_over_is_done(
    fivetran: Fivetran, approve: Any, olga: User
) -> None:
    row = begun(approve)
    client = logged_in(olga)

    def looked() -> Connection:
        Connection.objects.update(check_due_at=Now())
        worker.run("check", row.request_id)
        worker.run("observe")
        return Connection.objects.get()

    payload = row.request.payload or {}
    ConnectionRequest.objects.update(payload=payload | {"config": payload["config"] | {"sheet_id": "approved"}})
    card = open_card(client, row)
    patch(fivetran, row.request, config={"sheet_id": "another-sheet"}, paused=True)  # saved, and nothing tested yet
    assert (looked().drift, looked().setup_state) == ([], "incomplete")
    assert EventKind.DRIFT_FOUND not in kinds(row)
    assert (
        "Different at Fivetran"
        not in logged_in(row.request.requester).get(f"/requests/{row.request_id}/").content.decode()
    )
    fill(card, **GIVEN)
    assert [one["field"] for one in looked().drift] == ["paused", "config.sheet_id"]
    assert kinds(row).count(EventKind.DRIFT_FOUND) == 1
