"""Rows as the version before the upgrade left them, written with the models of its last migration."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from connections.models import known_account
from connections.spec import payloads
from connections.states import DECIDED, Status
from tests import factories
from tests.sandbox_client import Fivetran

LOOKED_AT = (Status.SENDING, Status.UNKNOWN, Status.CREATED, Status.FAILED, Status.ATTENTION)


@dataclass
class OldRows:
    """Writes them; `requests` are their numbers by what was wanted of them."""

    apps: Any
    cast: dict[str, User]
    group: str
    fivetran: Fivetran
    now: datetime = field(default_factory=timezone.now)
    requests: dict[str, int] = field(default_factory=dict)

    def model(self, name: str) -> Any:
        """A model of that time."""
        return self.apps.get_model("connections", name)

    def write(self) -> None:
        """Requests in every status, what belongs to those that are created, a batch, and a pause."""
        for status in Status:
            self.request(status, status.value)
        self.request(Status.CREATED, "gone", gone_at=self.ago(days=1))
        self.request(Status.FAILED, "forbidden", failure_code="Forbidden", failure_message="The key may not do this")
        self.request(Status.CREATED, "handed over")
        self.request(Status.CREATED, "changing")
        self.connections()
        self.notices()
        self.batch()
        self.model("ApiGate").objects.create(
            pk=1,
            reason="rate_limited",
            closed_since=self.ago(minutes=9),
            not_before=self.ago(minutes=8),
            unclear_in_a_row=1,
            rate_limit=1000,
            rate_remaining=900,
            rate_read_at=self.ago(minutes=8),
            paused_by_id=self.cast["operator"].pk,
            paused_at=self.ago(minutes=7),
            paused_reason="The upgrade",
        )

    def ago(self, **parts: float) -> datetime:
        """That long before the upgrade."""
        return self.now - timedelta(**parts)

    def request(self, status: Status, name: str, **more: Any) -> None:
        """One request, with the events of its way."""
        values = factories.values(
            group_id=self.group, config__schema=f"old_{name.replace(' ', '_')}", config__table="t"
        )
        asked = payloads.Asked(values)
        row = self.model("ConnectionRequest").objects.create(
            status=status.value,
            status_since=self.ago(minutes=10),
            version=4,
            requester_id=self.cast["requester"].pk,
            form_token=uuid.uuid4(),
            reason=values["reason"],
            values=values,
            service="google_sheets",
            service_name="Google Sheets",
            group_id=self.group,
            group_name="Warehouse",
            schema=asked.name,
            search=f"{asked.name} google_sheets requester".lower(),
            **({"payload": asked.body, "digest": asked.digest} if status is not Status.DRAFT else {}),
            **({"submitted_at": self.ago(hours=1)} if status is not Status.DRAFT else {}),
            **self.worked(status, name, asked),
            **more,
        )
        self.requests[name] = row.pk
        self.model("Event").objects.create(
            request=row, kind="moved", source="", target=status.value, actor="requester", version=4, at=row.status_since
        )

    def worked(self, status: Status, name: str, asked: payloads.Asked) -> dict[str, Any]:
        """What approver and worker wrote."""
        columns: dict[str, Any] = {}
        if status in DECIDED:
            columns |= {
                "decided_by_id": self.cast["approver"].pk,
                "decided_at": self.ago(minutes=20),
                "approved_by_id": self.cast["approver"].pk,
                "approved_at": self.ago(minutes=20),
                "approved_digest": asked.digest,
                "approved_account": known_account(),
            }
        if status is Status.APPROVED:
            columns |= {"next_try_at": self.ago(minutes=5)}
        if status in (Status.CLAIMED, Status.SENDING):
            columns |= {"token": uuid.uuid4(), "lease_until": self.ago(minutes=5), "attempts_used": 1}
        if status in LOOKED_AT:
            columns |= {"first_sent_at": self.ago(minutes=12), "sent_at": self.ago(minutes=12), "attempts_used": 1}
        if status is Status.SENDING:
            columns |= {"deadline_at": self.ago(minutes=5)}
        if status is Status.UNKNOWN:
            columns |= {"unknown_at": self.ago(minutes=10), "lookups": 2, "next_lookup_at": self.ago(minutes=5)}
        if name == "failed":
            columns |= {"failure_code": "InvalidInput", "failure_message": "Invalid value for 'config.schema'"}
        if status is Status.CREATED:
            columns |= {"connection_id": self.at_fivetran(name, asked.name)}
        return columns

    def at_fivetran(self, name: str, schema: str) -> str:
        """The connection's id; all but the deleted one are there."""
        if name == "gone":
            return "long_gone"
        return str(self.fivetran.seed(group_id=self.group, service="google_sheets", schema=schema)["id"])

    def connections(self) -> None:
        """Of the created requests: a run of the tests each, a hand-over, something trusted, two changes."""
        handed_over, changing = self.requests["handed over"], self.requests["changing"]
        for name in ("created", "gone", "handed over", "changing"):
            state = "incomplete" if name == "handed over" else "connected"
            connection = self.model("Connection").objects.create(
                request_id=self.requests[name], setup_state=state, tests="stored", seen_at=self.ago(minutes=10)
            )
            run = self.model("SetupTestRun").objects.create(connection=connection, setup_state=state)
            self.model("SetupTest").objects.create(run=run, position=1, title="Connecting", status="PASSED")
        self.model("Handover").objects.create(
            request_id=handed_over, address="owner@example.com", told_at=self.ago(days=30), mails=1
        )
        self.model("Trust").objects.create(
            request_id=changing,
            requester_id=self.cast["requester"].pk,
            kind="fingerprint",
            hash="SHA256:abc",
            proof="an approved proof",
            shown="0" * 64,
            approved_by_id=self.cast["approver"].pk,
            state="sent",
            ended_at=self.ago(minutes=9),
        )
        body = payloads.pause_body(paused=True)
        asked = {"kind": "pause", "requester_id": self.cast["requester"].pk, "reason": "Holidays", "body": body}
        asked |= {"digest": payloads.digest(body), "before": {"paused": False}}
        changes = self.model("ConnectionChange").objects
        changes.create(request_id=self.requests["created"], status="pending", **asked)
        changes.create(
            request_id=changing,
            status="approved",
            approved_by_id=self.cast["approver"].pk,
            approved_at=self.ago(minutes=9),
            approved_digest=asked["digest"],
            approved_account=known_account(),
            next_try_at=self.ago(minutes=9),
            **asked,
        )

    def notices(self) -> None:
        """Two that are due: one of a request, one of a change; and one that was sent."""
        change = self.model("ConnectionChange").objects.get(status="pending")
        notices, due = self.model("Notice").objects, {"next_try_at": self.ago(minutes=5), "version": 4}
        notices.create(request_id=self.requests["failed"], kind="failed", recipient_id=self.by("requester"), **due)
        notices.create(
            request_id=change.request_id,
            kind="change_submitted",
            recipient_id=self.by("approver"),
            occasion=change.pk,
            **due,
        )
        notices.create(
            request_id=self.requests["handed over"],
            kind="handover",
            address="owner@example.com",
            occasion=1,
            sent_at=self.ago(days=30),
        )

    def by(self, name: str) -> int:
        """The number of somebody of the cast."""
        return int(self.cast[name].pk)

    def batch(self) -> None:
        """A table of which two rows became requests."""
        batch = self.model("Batch").objects.create(requester_id=self.by("requester"), form_token=uuid.uuid4())
        for number, name in enumerate(("pending", "approved"), start=1):
            self.model("BatchRow").objects.create(batch=batch, request_id=self.requests[name], number=number)
