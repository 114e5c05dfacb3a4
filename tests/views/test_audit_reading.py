"""What auditors and operators read beside the events: access rules, the policy, who holds which right, the mails."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from connections import worker
from connections.models import (
    AccessDestination,
    AccessGroup,
    AccessRule,
    AccessService,
    CatalogEntry,
    Event,
    EventKind,
    Kind,
    Notice,
    NoticeKind,
    PortalPolicy,
    Preset,
    ServiceRule,
)
from connections.notifications import NO_LONGER_DUE, TRIES
from connections.views.audit.policy import in_words
from portal.sign_on.models import DirectoryRole
from tests import factories
from tests.record import write
from tests.teams import team

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
Browser = Callable[[str], Client]


def read(client: Client, path: str, **filters: str) -> str:
    answer = client.get(path, filters)
    assert answer.status_code == 200
    return answer.content.decode()


def rule(
    name: str, *, ask: str, approve: str = "Approvers", group_id: str = "vault", active: bool = True
) -> AccessRule:
    made = AccessRule.objects.create(name=name, active=active)
    AccessDestination.objects.create(rule=made, group_id=group_id, name="Vault")
    for group, column in ((ask, "may_request"), (approve, "may_approve")):
        AccessGroup.objects.create(rule=made, group=Group.objects.get_or_create(name=group)[0], **{column: True})
    return made


# --- access rules ----------------------------------------------------------------------------------------------------
def test_a_rule_says_whom_it_lets_in_and_shuts_out(cast: dict[str, User], as_user: Browser) -> None:
    rule("Vault for finance", ask="Finance")
    cast["requester"].groups.add(Group.objects.get(name="Finance"))
    page = read(as_user("auditor"), "/audit/access-rules/")
    asking = page.partition("Who may ask for connections into")[2].partition("Who may approve")[0]
    may, _, shut = asking.partition("Shut out by this rule")
    assert "Mara Lindqvist" in may and "Jonas Weber" not in may
    assert all(name in shut for name in ("Jonas Weber", "Tomasz Nowak")) and "Finance" in page
    assert "Vault (no longer at Fivetran)" in page
    CatalogEntry.objects.create(kind=Kind.GROUP, fivetran_id="vault", name="The vault", data={})
    assert "The vault" in read(as_user("auditor"), "/audit/access-rules/")


def test_a_second_rule_says_who_would_be_shut_out_without_it(cast: dict[str, User], as_user: Browser) -> None:
    rule("First", ask="Finance")
    second = rule("Second", ask="Marketing")
    AccessService.objects.create(rule=second, service="google_sheets")
    cast["requester"].groups.add(Group.objects.get(name="Finance"))
    cast["requester2"].groups.add(Group.objects.get(name="Marketing"))
    page = read(as_user("auditor"), "/audit/access-rules/").partition(">Second<")[2]
    assert "Jonas Weber" in page.partition("Would be shut out without it")[2].partition("Who may approve")[0]
    assert "google_sheets" in page


def test_a_rule_that_is_off_does_nothing_and_one_that_shuts_everybody_out_is_said(
    cast: dict[str, User], as_user: Browser
) -> None:
    made = rule("Vault for finance", ask="Finance", active=False)
    page = read(as_user("auditor"), "/audit/access-rules/")
    assert "Off: it counts for nothing" in page and "Shut out by this rule" not in page
    AccessRule.objects.filter(pk=made.pk).update(active=True)
    page = read(as_user("operator"), "/audit/access-rules/")
    assert "Nobody may ask for connections into “Vault”" in page


def test_only_who_may_change_the_rules_is_led_there(cast: dict[str, User], as_user: Browser) -> None:
    made = rule("Vault for finance", ask="Finance")
    change = f"/admin/connections/accessrule/{made.pk}/change/"
    assert "/admin/connections" not in read(as_user("auditor"), "/audit/access-rules/")
    assert "/admin/connections" not in read(as_user("operator"), "/audit/access-rules/")
    admin = as_user("admin")
    assert change in read(admin, "/audit/access-rules/") and admin.get(change).status_code == 200


def test_what_is_open_or_closed_without_a_rule_is_said(cast: dict[str, User], as_user: Browser) -> None:
    assert "that no rule names is open" in read(as_user("auditor"), "/audit/access-rules/")
    PortalPolicy.objects.create(pk=1, closed_without_rule=True)
    assert "that no rule names is closed" in read(as_user("auditor"), "/audit/access-rules/")


# --- policy ----------------------------------------------------------------------------------------------------------
def test_every_setting_is_told_with_who_changed_it_last(cast: dict[str, User], as_user: Browser) -> None:
    columns = {field.name for field in PortalPolicy._meta.concrete_fields} - {"id", "changed_at"}
    assert set(in_words(PortalPolicy())) == columns
    policy = PortalPolicy.objects.create(pk=1, naming_template="{team}_", erase_after_days=90)
    changed = [{"field": "naming_template", "before": "", "after": "{team}_"}]
    Event.objects.record(EventKind.POLICY_CHANGED, by=cast["admin"], about=policy, detail={"changed": changed})
    page = read(as_user("auditor"), "/audit/policy/")
    assert "erased after 90 days" in page
    row = page.partition("How names begin")[2].partition("</tr>")[0]
    assert "{team}_" in row and "admin" in row and 'href="/audit/?person=admin"' in row
    assert 'href="/audit/' not in read(as_user("operator"), "/audit/policy/").partition("<table")[2]


def test_what_was_erased_is_said_to_be_and_not_never_to_have_been_changed(
    cast: dict[str, User], as_user: Browser
) -> None:
    # Without events of their own.
    [policy] = PortalPolicy.objects.bulk_create([PortalPolicy(pk=1, naming_template="{team}_", erase_after_days=30)])
    [service] = ServiceRule.objects.bulk_create([ServiceRule(service="email", stance="denied")])
    assert "older changes were" not in read(as_user("auditor"), "/audit/policy/")
    old = timezone.now() - timedelta(days=40)
    changed = {"changed": [{"field": "naming_template", "before": "", "after": "{team}_"}]}
    for kind, about in ((EventKind.POLICY_CHANGED, policy), (EventKind.RULE_CHANGED, service)):
        row = {"about_kind": about._meta.model_name, "about_id": str(about.pk)}
        write(1, kind=kind, at=old, by=cast["admin"], detail=changed, **row)
    Event.objects.record(
        EventKind.POLICY_CHANGED, by=cast["admin"], about=policy, detail={"changed": [{"field": "naming_help"}]}
    )
    worker.run("seal")
    worker.run("erase")
    page = read(as_user("auditor"), "/audit/policy/")
    row_of = {
        words: page.partition(words)[2].partition("</tr>")[0] for words in ("How names begin", "Said beside", "email")
    }
    assert "not on record: older changes were erased by the retention rule" in row_of["How names begin"]
    assert 'href="/audit/?person=admin"' in row_of["Said beside"]
    assert "erased by the retention rule" in row_of["email"] and "nobody who" not in row_of["email"]


def test_services_and_presets_are_told(cast: dict[str, User], as_user: Browser) -> None:
    ServiceRule.objects.create(service="email", stance="denied", note="Use SFTP")
    approvers = Group.objects.get(name="Approvers")
    Preset.objects.create(name="Payments", service="stripe", fixed=["service"], approvers=approvers, active=False)
    page = read(as_user("auditor"), "/audit/policy/")
    for words in ("Denied", "Use SFTP", "not offered by Fivetran", "Payments", "members of “Approvers”", "no longer"):
        assert words in page, words


# --- people ----------------------------------------------------------------------------------------------------------
def test_who_holds_which_right_and_is_in_which_team(cast: dict[str, User], as_user: Browser) -> None:
    finance = team(cast["requester"])
    gone = factories.person(username="gone-away")
    gone.groups.add(Group.objects.get(name="Approvers"), finance.group)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    rule("Vault for finance", ask=finance.group.name)
    DirectoryRole.objects.create(directory_group="cn=finance", group=finance.group)
    page = read(as_user("auditor"), "/audit/people/")
    deciding = page.partition("Decide on requests and changes")[2].partition("</tr>")[0]
    assert "approver" in deciding and "gone-away" not in page
    teams = page.partition("Teams</h2>")[2].partition("Groups</h2>")[0]
    assert finance.group.name in teams and 'href="/audit/?person=requester"' in teams
    assert "lets ask by the rule “Vault for finance”" in page and "cn=finance" in page
    User.objects.filter(pk=cast["requester"].pk).update(is_active=False)
    assert "nobody: an operator hands its requests over" in read(as_user("operator"), "/audit/people/")


# --- mails -----------------------------------------------------------------------------------------------------------
def test_each_mail_says_to_whom_and_what_became_of_it(cast: dict[str, User], as_user: Browser) -> None:
    conn_request = factories.submitted(cast["requester"])
    Notice.objects.all().delete()
    states: dict[str, dict[str, Any]] = {
        "sent": {"sent_at": conn_request.created_at},
        "waiting": {"tries": 1, "error": "TimeoutError"},
        "failed": {"tries": TRIES, "error": "SMTPException"},
        "dropped": {"sent_at": conn_request.created_at, "error": NO_LONGER_DUE},
    }
    for number, columns in enumerate(states.values()):
        Notice.objects.create(
            request=conn_request, kind=NoticeKind.APPROVED, address=f"to{number}@example.com", version=number, **columns
        )
    Notice.objects.create(
        request=conn_request,
        kind=NoticeKind.CREATED,
        recipient=cast["requester"],
        sent_at=conn_request.created_at,
        error="no address",
    )
    client = as_user("auditor")
    page = read(client, "/audit/mails/")
    assert all(f"to{number}@example.com" in page for number in range(4))
    assert "Tried 1 time." in page and "TimeoutError" in page
    for number, state in enumerate(states):
        page = read(client, "/audit/mails/", state=state)
        assert [n for n in range(4) if f"to{n}@example.com" in page] == [number], state
    assert "no address" in read(client, "/audit/mails/", state="failed")
    assert "to1@example.com" in read(client, "/audit/mails/", to="TO1@example.com")
    assert "No mail fits." in read(client, "/audit/mails/", to="nobody")
    unusable = client.get("/audit/mails/", {"cursor": "x"})
    assert unusable.status_code == 400 and 'href="/audit/mails/">Clear' in unusable.content.decode()


def test_no_mail_tells_of_a_draft(cast: dict[str, User], as_user: Browser) -> None:
    draft = factories.draft(cast["requester"], schema="private_thought")
    Notice.objects.create(request=draft, kind=NoticeKind.REASSIGNED, recipient=cast["requester"])
    Notice.objects.create(kind=NoticeKind.PASSWORD_RESET, recipient=cast["requester"])
    for role in ("auditor", "operator", "admin"):
        page = read(as_user(role), "/audit/mails/")
        assert f"/requests/{draft.pk}/" not in page and "Reset your password" in page, role


# --- all of them -----------------------------------------------------------------------------------------------------
def test_the_parts_lead_to_each_other_and_operators_to_those_that_are_theirs(
    cast: dict[str, User], as_user: Browser
) -> None:
    own = ["/audit/mails/", "/audit/access-rules/", "/audit/policy/", "/audit/people/"]
    events = ["/audit/", "/audit/?kind=logged_in", "/audit/?kind=log_in_refused", "/audit/?kind=exported"]
    for path in (*own, "/audit/"):
        page = read(as_user("auditor"), path)
        assert all(f'href="{other}"' in page for other in (*own, *events)), path
        assert page.count('aria-current="page"') == 2, path  # of the navigation and of the parts
    assert 'href="/audit/access-rules/"' in read(as_user("operator"), "/operations/")
    for path in own:
        assert not any(f'href="{other}"' in read(as_user("operator"), path) for other in events), path


def test_names_from_outside_are_only_text(cast: dict[str, User], as_user: Browser) -> None:
    bad = "<script>alert(1)</script>"
    rule(bad, ask=bad, group_id=bad)
    team(cast["requester"], name=f"{bad}2")
    ServiceRule.objects.create(service="x", note=bad)
    Preset.objects.create(name=bad, service=bad)
    DirectoryRole.objects.create(directory_group=bad, gives_staff=True)
    for path in ("access-rules", "policy", "people"):
        assert "<script>alert" not in read(as_user("auditor"), f"/audit/{path}/"), path
