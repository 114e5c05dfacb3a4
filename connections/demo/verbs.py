"""The steps of a story: what people and workers do, by the product's own verbs, and what happens at the sandbox."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db.models.functions import Now

from connections import catalog, worker, workflow
from connections.demo import sandbox_control
from connections.demo.asked import Ask
from connections.fivetran import configured
from connections.forms import RequestForm
from connections.models import Attempt, ChangeKind, Connection, ConnectionRequest, Handover, Preset
from connections.queue import rate_budget
from connections.worker.create import Claim, claim_row, commit_sending
from connections.workflow import Filing

# Services that need nothing from the source owner here: their setup tests pass while they are created.
_NO_SECRET = frozenset({"google_sheets", "fivetran_log", "google_drive", "gcs", "webhooks"})
# What a Connect Card may ask for; it takes of this what its service has.
_ASKED = ("password", "api_key", "client_id", "client_secret", "api_token", "api_access_token", "token_key", "pats")
_CREDENTIALS = dict.fromkeys((*_ASKED, "token_secret", "role_arn", "secret_key"), "entered-at-fivetran")
_CARD = {**_CREDENTIALS, "auth.authorized": "on"}
_KEYS = uuid.UUID("5f0c1a52-7d3e-4c1b-9a55-2f5f0f1d7a10")  # of the forms that were filled: always the same ones


def key_of(*words: object) -> uuid.UUID:
    return uuid.uuid5(_KEYS, " ".join(map(str, words)))


class Verbs:
    def __init__(self, people: Mapping[str, User]) -> None:
        self.people = people
        self.presets = {preset.name: preset for preset in Preset.objects.all()}

    # --- people ------------------------------------------------------------------------------------------------------
    def filing(self, ask: Ask) -> Filing:
        """The filled form. Raises ValueError where the form would refuse it."""
        by_card = ask.service not in _NO_SECRET and ask.life != "certificate"
        keys = catalog.naming_keys(ask.service) or ("schema",)
        names = dict(zip((f"config.{key}" for key in keys), ask.name.split("."), strict=True))
        own = {"service": ask.service, "group_id": ask.group, "reason": ask.reason, "source_owner": ask.owner}
        preset = self.presets.get(ask.preset)
        begun = preset.begins_with if preset else {}
        form = RequestForm.from_values({**begun, "use_connect_card": by_card, **own, **names, **ask.values})
        if not form.is_valid() or form.missing:
            raise ValueError(f"{ask.name}: {dict(form.errors)} {list(form.missing)}")
        return Filing(
            values=form.values(),
            service_name=form.name_of("service"),
            group_name=form.name_of("group_id"),
            idempotency_key=key_of(ask.life, ask.group, ask.name),
            preset=preset,
        )

    def submit(self, ask: Ask) -> ConnectionRequest:
        return workflow.submit(by=self.people[ask.by], filing=self.filing(ask))

    def approver_of(self, ask: Ask) -> User:
        return self.people["admin" if ask.by == "approver" else "approver"]

    def approve(self, ask: Ask, conn_request: ConnectionRequest) -> None:
        workflow.approve(by=self.approver_of(ask), conn_request=conn_request, digest=conn_request.digest)

    def change(self, ask: Ask, conn_request: ConnectionRequest, kind: ChangeKind, reason: str, **values: Any) -> None:
        """Ask for a change, have it approved, and tell Fivetran."""
        by = self.people[ask.by]
        change = workflow.ask_for_change(by=by, conn_request=conn_request, kind=kind, reason=reason, values=values)
        workflow.approve_change(by=self.approver_of(ask), change=change, digest=change.digest)
        worker.run("apply_change", change.pk)

    # --- workers -----------------------------------------------------------------------------------------------------
    def create(self, conn_request: ConnectionRequest) -> None:
        worker.run("submit", conn_request.pk)
        conn_request.refresh_from_db()

    def send(self, conn_request: ConnectionRequest) -> tuple[Claim, Attempt]:
        """Up to the moment at which the call begins."""
        permit = rate_budget.acquire()
        claim = claim_row(conn_request.pk, uuid.uuid4())
        committed = commit_sending(claim, permit) if claim else None
        if claim is None or committed is None:
            raise RuntimeError(f"{conn_request} was not sent")
        conn_request.refresh_from_db()
        return claim, committed[0]

    def look(self, conn_request: ConnectionRequest) -> None:
        """Read the connection from Fivetran."""
        Connection.objects.filter(request=conn_request).update(check_due_at=Now())
        worker.run("check", conn_request.pk)

    def run_tests(self, conn_request: ConnectionRequest) -> None:
        worker.run("run_tests", conn_request.pk)

    # --- the source owner --------------------------------------------------------------------------------------------
    def open_link(self, conn_request: ConnectionRequest) -> str:
        """The owner opens the link and a Connect Card; returns its address."""
        handover = Handover.objects.get(request=conn_request)
        workflow.note_opened(by=self._owner(handover), handover=handover)
        return workflow.issue_card(by=self._owner(handover), handover=handover)

    def hand_over(self, conn_request: ConnectionRequest) -> None:
        """The owner enters the credentials and comes back; the portal looks, and runs the tests."""
        sandbox_control.fill_card(self.open_link(conn_request), _CARD)
        handover = Handover.objects.get(request=conn_request)
        workflow.returned(by=self._owner(handover), handover=handover)
        self.look(conn_request)
        self.run_tests(conn_request)

    def _owner(self, handover: Handover) -> User:
        assert handover.owner is not None  # noqa: S101  (an owner without an account never opens the link here)
        return self.people[handover.owner.username]

    # --- Fivetran ----------------------------------------------------------------------------------------------------
    def sync(self, conn_request: ConnectionRequest) -> None:
        """A sync ends well; the portal sees it when it looks next."""
        sandbox_control.tell("POST", f"connections/{conn_request.connection_id}/sync")

    def change_outside(self, conn_request: ConnectionRequest, **fields: Any) -> None:
        """Somebody changes it in Fivetran's dashboard, and the portal sees it."""
        configured.client().update_connection(str(conn_request.connection_id), fields)
        self.look(conn_request)
