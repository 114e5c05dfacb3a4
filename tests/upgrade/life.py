"""`python -m tests.upgrade.life`: what the portal of this checkout has under way, in the database at DATABASE_URL.

It is run in an earlier checkout by tests/upgrade/dumps.py. All goes the real way, by the people's verbs, the worker's
jobs, and that checkout's own sandbox.
"""

import os
import uuid
from typing import Any

import tests.environment  # noqa: F401  (before Django reads its settings)
from tests import processes

GROUP = "amber_harbor"
SERVICES = ("google_sheets", "postgres", "s3")  # whose metadata are kept: all would make the dumps large
PEOPLE = ("requester", "approver", "operator", "auditor", "superuser", "leaver")


def main() -> None:
    import django

    with processes.sandbox() as sandbox:
        os.environ["FIVETRAN_BASE_URL"] = sandbox.url
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        Life(sandbox).live()
        print(sandbox.url)


class Life:
    """Each method leaves rows of one kind; `cast` are people without any real name, address or password."""

    def __init__(self, sandbox: processes.Sandbox) -> None:
        from connections import catalog
        from connections.models import CatalogEntry, Kind
        from tests import factories
        from tests.sandbox_client import Fivetran

        self.fivetran = Fivetran(sandbox.url)
        self.fivetran.settings(test_seconds=0)
        catalog.refresh_all()
        CatalogEntry.objects.filter(kind=Kind.SERVICE).exclude(fivetran_id__in=SERVICES).delete()
        roles = {name: "requester" if name == "leaver" else name for name in PEOPLE}
        self.cast = {name: factories.person(role, name) for name, role in roles.items()}
        self.by = {"by": self.cast["requester"], "approver": self.cast["approver"]}

    def live(self) -> None:
        from connections.states import Status

        self.created("tested", "created", config__schema="kept_created")
        self.told()
        for status in Status:
            if status is not Status.CREATED:
                self.request(status, status.value)
        self.handed_over()
        self.trusted()
        self.changed()
        self.batch()
        self.preset()
        self.dry_run()
        self.left()
        self.mapped()

    def request(self, status: Any, name: str, **more: Any) -> Any:
        from tests import factories

        columns = {"group_id": GROUP, "config__schema": f"kept_{name}", **self.by, **more}
        return factories.request_in(status, **columns)

    def created(self, *names: str, **more: Any) -> Any:
        """A connection that this checkout's worker has made at its sandbox, with its setup tests."""
        from connections import worker
        from connections.states import Status

        conn_request = self.request(Status.APPROVED, names[0], **more)
        worker.run("submit", conn_request.pk)
        conn_request.refresh_from_db()
        if conn_request.state is not Status.CREATED:
            raise SystemExit(f"{names} is {conn_request.state}")
        return conn_request

    def told(self) -> None:
        """The mails until now are sent; those of everything below are due."""
        from connections import notifications

        notifications.send_due()

    def handed_over(self) -> None:
        """A connection that waits for its source owner, who has no account."""
        card = {"use_connect_card": True, "connect_card_config__redirect_uri": "http://localhost/handover/return/"}
        self.created("handover", source_owner="owner@example.com", **card)

    def trusted(self) -> None:
        """An approved fingerprint that Fivetran was not told yet."""
        from connections import workflow
        from connections.models import Connection
        from connections.spec import trust_candidates

        conn_request = self.created("trust", config__schema="finger_kept")
        [run] = Connection.objects.get(request=conn_request).runs.all()
        [one] = [one for test in run.setup_tests.all() for one in trust_candidates.candidates(test.details)]
        approver = self.cast["approver"]
        workflow.approve_trust(by=approver, conn_request=conn_request, kind=one.kind, hash=one.hash, shown=one.digest)

    def changed(self) -> None:
        """A pause that waits for an approver, one that waits for the worker, and one that was made."""
        from connections import worker, workflow
        from connections.models import ChangeKind

        for name, decided, made in (("asked", False, False), ("allowed", True, False), ("paused", True, True)):
            conn_request = self.created(name)
            change = workflow.ask_for_change(
                by=self.cast["requester"], conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's end"
            )
            if decided:
                workflow.approve_change(by=self.cast["approver"], change=change, digest=change.digest)
            if made:
                worker.run("apply_change", change.pk)

    def batch(self) -> None:
        from connections.workflow import batches
        from tests import factories

        rows = [factories.filing(group_id=GROUP, config__schema=f"kept_row_{number}") for number in (1, 2)]
        batches.file_batch(by=self.cast["requester"], filings=rows, token=uuid.uuid4())

    def preset(self) -> None:
        """One that fixes the schedule, and a request that was filed with it."""
        from dataclasses import replace

        from connections import workflow
        from connections.models import Preset
        from tests import factories

        columns: dict[str, Any] = {"service": "google_sheets", "group_id": GROUP, "values": {"sync_frequency": 60}}
        preset = Preset.objects.create(name="Sheets, hourly", fixed=["service", "sync_frequency"], **columns)
        filing = factories.filing(group_id=GROUP, config__schema="kept_preset", sync_frequency=60)
        workflow.submit(by=self.cast["requester"], filing=replace(filing, preset=preset))

    def dry_run(self) -> None:
        from connections import worker, workflow
        from connections.models import ConnectionRequest

        conn_request = ConnectionRequest.objects.get(schema="kept_pending.orders")
        workflow.ask_for_dry_run(by=self.cast["requester"], conn_request=conn_request)
        worker.run("dry_run", conn_request.pk)

    def left(self) -> None:
        """What somebody asked for who has left the company since."""
        from tests import factories

        leaver = self.cast["leaver"]
        factories.submitted(leaver, group_id=GROUP, config__schema="kept_leaver")
        leaver.is_active = False
        leaver.save(update_fields=["is_active"])

    def mapped(self) -> None:
        """An auditor by the company's directory."""
        from django.contrib.auth.models import Group

        from portal.sign_on.models import DirectoryGrant, DirectoryRole

        given: dict[str, Any] = {"provider": "company", "group": Group.objects.get(name="Auditors")}
        DirectoryRole.objects.create(directory_group="portal-auditors", **given)
        DirectoryGrant.objects.create(user=self.cast["auditor"], **given)


if __name__ == "__main__":
    main()
