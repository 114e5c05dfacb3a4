"""The migrations of rights, teams and the record are taken back from a database that was in use, and made again."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from connections import worker, workflow
from connections.models import About, AccessRule, ConnectionRequest, Event, EventKind, Team
from tests import factories
from tests.record import findings
from tests.upgrade.test_before_rights import kept, log_in

pytestmark = pytest.mark.sql
BEFORE = ("connections", "0034_account_mails")
BEYOND = (EventKind.EDITED, EventKind.SHARED, EventKind.EXPORTED, EventKind.LOGGED_IN)  # unknown to that version


def live_on() -> None:
    """What a day with the new version leaves in every new table and column."""
    people = [User.objects.get(username=name) for name in ("requester", "approver")]
    group = Group.objects.create(name="Sales")
    Team.objects.create(group=group)
    people[0].groups.add(group)
    requester = User.objects.get(pk=people[0].pk)
    draft = factories.draft(requester)
    workflow.share_draft(by=requester, conn_request=draft)
    workflow.save_draft(by=requester, conn_request=draft, filing=factories.filing(reason="Ours"))
    rule = AccessRule.objects.create(name="Finance")
    rule.destinations.create(group_id="amber_harbor")
    rule.groups.create(group=Group.objects.get(name="Approvers"), may_request=True, may_approve=True)
    workflow.record_export(by=requester, about=draft, form="tf")
    log_in("auditor").get("/requests/export.csv")
    Event.objects.record(EventKind.LOG_IN_REFUSED, by=None, about=About("page", "/"), typed_name="nobody")
    worker.run("seal")
    assert set(BEYOND) <= set(Event.objects.values_list("kind", flat=True))


def test_the_way_back_keeps_what_the_version_before_can_read(upgraded: str) -> None:
    requests = set(ConnectionRequest.objects.values_list("pk", flat=True))
    events = set(Event.objects.exclude(request=None).exclude(kind__in=BEYOND).values_list("pk", flat=True))
    live_on()
    call_command("migrate", *BEFORE, verbosity=0)
    apps = MigrationExecutor(connection).loader.project_state(BEFORE).apps
    former = apps.get_model("connections", "Event").objects
    assert requests < set(apps.get_model("connections", "ConnectionRequest").objects.values_list("pk", flat=True))
    assert events <= set(former.values_list("pk", flat=True))
    assert not former.filter(request=None).exists() and not former.filter(kind__in=BEYOND).exists()
    with pytest.raises(DatabaseError), transaction.atomic():
        former.update(reason="another")
    call_command("migrate", verbosity=0)
    worker.run("seal")
    assert findings() == []
    with pytest.raises(DatabaseError), transaction.atomic():
        Event.objects.all().delete()
    requester = User.objects.get(username="requester")
    filed = factories.submitted(requester, group_id="amber_harbor", schema="after_the_way_back")
    page = log_in("requester").get("/requests/", {"q": filed.schema}).content.decode()
    assert f"/requests/{filed.pk}/" in page and kept("attention")
