"""Presets: what a request begins with, what the server enforces, who decides; and copies of live connections."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from connections import permissions, workflow
from connections.models import Notice, Preset
from connections.permissions import Denied
from connections.spec import payloads
from connections.states import Status
from tests import catalogs, factories
from tests.forms.test_request_form import COMPLETE, NEW, page, stored, value_of
from tests.views.test_filing import banner, hidden

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def client(as_user: Any) -> Client:
    """The requester, in front of a form that knows what Fivetran offers."""
    catalogs.offered()
    return as_user("requester")


def make(**columns: Any) -> Preset:
    """A preset for sheets, hourly, trusting nothing."""
    given: dict[str, Any] = {
        "name": "Sheets, hourly",
        "description": "For reports",
        "service": "google_sheets",
        "group_id": "projected_sickle",
        "values": {"sync_frequency": 60, "data_delay_sensitivity": "HIGH"},
        "fixed": ["service", "sync_frequency"],
        "hidden": ["group_id", "trust_certificates"],
    }
    return Preset.objects.create(**given | columns)


def filled(preset: Preset, **more: str) -> dict[str, str]:
    """What a browser posts of a form that was opened with `preset`."""
    return {**COMPLETE, "preset": str(preset.pk), **more}


# --- what it begins with ---------------------------------------------------------------------------------------------
def test_presets_are_offered_at_home_and_on_the_blank_form(client: Client) -> None:
    shown, gone = make(), make(name="Old one", active=False)
    for address in ("/", NEW):
        text = page(client.get(address))
        assert f"?preset={shown.pk}" in text and f"?preset={gone.pk}" not in text
    assert "presets-heading" not in page(client.get(f"{NEW}?preset={shown.pk}"))


def test_a_preset_begins_the_form_and_says_what_it_decides(client: Client) -> None:
    text = page(client.get(f"{NEW}?preset={make().pk}&reason=Report"))
    assert value_of(text, "data_delay_sensitivity") == "HIGH" and value_of(text, "reason") == "Report"
    assert re.search(r'<input type="hidden"\s+name="service"\s+id="id_service"\s+value="google_sheets"', text)
    assert "Every hour" in text and text.count("Decided by the preset.") == 2
    assert "config__schema" in text and "Trust certificates" not in text


def test_what_the_preset_says_is_nothing_unusual(client: Client) -> None:
    closed = r'<details class="form-group-closed"\s+id="group_{}"( open)?>'
    text = page(client.get(f"{NEW}?preset={make().pk}"))
    assert "New request: Sheets, hourly" in text and "Every hour, day and night." in text
    assert [re.search(closed.format(key), text)[1] for key in ("advanced",)] == [None]  # type: ignore[index]
    text = page(client.get(f"{NEW}?preset={make(name='Other').pk}&data_delay_sensitivity=LOW"))
    assert re.search(closed.format("advanced"), text)[1] == " open"  # type: ignore[index]


def test_a_link_cannot_change_what_the_preset_decides(client: Client) -> None:
    text = page(client.get(f"{NEW}?preset={make().pk}&sync_frequency=5&group_id=projected_sickle"))
    assert "decides these, whatever the link says: Sync frequency" in banner(text)
    assert re.search(r'name="sync_frequency"[^>]*value="60"', text)


@pytest.mark.parametrize("number", ["999", "x", "-1", "9" * 40, "١"])
def test_a_preset_that_is_none_gives_the_whole_form(client: Client, number: str) -> None:
    assert "no longer offered" in banner(page(client.get(f"{NEW}?preset={number}")))


# --- what is enforced ------------------------------------------------------------------------------------------------
def test_what_is_posted_against_a_preset_does_not_count(client: Client) -> None:
    preset = make()
    against = {"service": "s3", "sync_frequency": "5", "group_id": "decent_dropsy", "trust_certificates": "on"}
    assert client.post(NEW, filled(preset, **against)).status_code == 302
    body = stored().payload
    assert stored().preset == preset and body is not None
    assert (body["service"], body["sync_frequency"], body["group_id"]) == ("google_sheets", 60, "projected_sickle")
    assert body["trust_certificates"] is False and body["data_delay_sensitivity"] == "NORMAL"


def test_an_edit_does_not_get_rid_of_it(client: Client) -> None:
    preset = make()
    client.post(NEW, filled(preset))
    text = page(client.get(f"/requests/{stored().pk}/edit/"))
    changed = {**COMPLETE, "sync_frequency": "1", "preset": "", "version": hidden(text, "version"), "reason": "Other"}
    assert client.post(f"/requests/{stored().pk}/edit/", changed).status_code == 302
    assert stored().preset == preset and stored().payload["sync_frequency"] == 60 and stored().reason == "Other"  # type: ignore[index]


def test_a_draft_keeps_its_preset_whatever_is_posted_later(client: Client) -> None:
    preset, other = make(), make(name="Every minute", values={"sync_frequency": 1})
    draft = filled(preset, form_token="6f9e2a0e-3d56-4b6f-9d25-0e0f3f1f0c11", action="draft")
    client.post(NEW, draft)
    client.post(NEW, {**draft, "preset": str(other.pk), "action": "submit"})
    assert stored().state is Status.PENDING
    assert stored().preset == preset and stored().payload["sync_frequency"] == 60  # type: ignore[index]


def test_a_preset_that_went_meanwhile_stores_nothing_and_loses_nothing(client: Client) -> None:
    preset = make(active=False)
    text = page(client.post(NEW, filled(preset)))
    assert "no longer offered" in banner(text) and value_of(text, "reason") == COMPLETE["reason"]
    assert hidden(text, "preset") == ""
    assert not preset.requests.exists()


def test_fragments_are_drawn_with_it(client: Client) -> None:
    preset = make()
    text = page(client.post("/requests/new/review/", filled(preset, sync_frequency="5")))
    assert "every hour" in text and f"preset={preset.pk}" in text


def test_a_copy_has_the_same_preset_while_it_is_offered(client: Client) -> None:
    preset = make()
    client.post(NEW, filled(preset))
    text = page(client.get(f"/requests/{stored().pk}/clone/"))
    assert hidden(text, "preset") == str(preset.pk)
    Preset.objects.update(active=False)
    assert hidden(page(client.get(f"/requests/{stored().pk}/clone/")), "preset") == ""


# --- who decides -----------------------------------------------------------------------------------------------------
@pytest.fixture
def finance(cast: dict[str, User]) -> Group:
    """A group of one approver, not the demo's."""
    group = Group.objects.create(name="Finance approvers")
    member = factories.person("approver", "fiona")
    member.groups.add(group)
    return group


def test_only_the_presets_group_is_told_sees_it_in_the_inbox_and_decides(
    cast: dict[str, User], finance: Group, as_user: Any
) -> None:
    preset, fiona = make(approvers=finance), User.objects.get(username="fiona")
    filing = factories.filing()
    conn_request = workflow.submit(by=cast["requester"], filing=type(filing)(**{**filing.__dict__, "preset": preset}))
    assert [notice.recipient for notice in Notice.objects.all()] == [fiona]
    for outsider in (cast["approver"], cast["admin"]):
        with pytest.raises(Denied, match="Only approvers in the group “Finance approvers” can decide"):
            permissions.check_can_decide(outsider, conn_request)
        assert not permissions.waiting_for(outsider).exists()
    answer = as_user("approver").post(f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest})
    assert answer.status_code == 403 and "Finance approvers" in answer.content.decode()
    assert "Finance approvers" in page(as_user("approver").get(f"/requests/{conn_request.pk}/"))
    assert list(permissions.waiting_for(fiona)) == [conn_request]
    workflow.approve(by=fiona, conn_request=conn_request, digest=conn_request.digest)
    assert conn_request.state is Status.APPROVED


def test_members_need_the_right_to_approve_too(cast: dict[str, User], finance: Group) -> None:
    cast["auditor"].groups.add(finance)
    preset = make(approvers=finance)
    assert list(permissions.approvers_for(cast["requester"], preset)) == [User.objects.get(username="fiona")]
    conn_request = factories.submitted(cast["requester"])
    assert not permissions.can_decide(cast["auditor"], conn_request)


def test_an_empty_group_stops_the_submission_and_says_why(client: Client, finance: Group) -> None:
    finance.user_set.clear()
    text = page(client.post(NEW, filled(make(approvers=finance))))
    assert "Nobody in the group “Finance approvers”" in banner(text)
    assert value_of(text, "reason") == COMPLETE["reason"]


def test_everybody_else_decides_as_before(cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    assert permissions.can_decide(cast["approver"], conn_request) and permissions.can_decide(
        cast["admin"], conn_request
    )
    assert list(permissions.waiting_for(cast["approver"])) == [conn_request]
    assert not permissions.waiting_for(cast["requester2"]).exists()


# --- links -----------------------------------------------------------------------------------------------------------
def link_of(text: str) -> dict[str, str]:
    """The query of the address that the page offers."""
    found = re.search(r'id="prefilled-link"[^>]*>([^<]*)<', text)
    assert found
    query = urlsplit(found[1].replace("&amp;", "&")).query
    return {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}


def test_the_link_holds_what_differs_and_opens_the_same_form(client: Client) -> None:
    typed = {
        "service": "google_sheets",
        "sync_frequency": "15",
        "paused": "true",
        "config__schema": "a_b",
        "reason": "x & y",
    }
    link = link_of(page(client.get(NEW, typed)))
    assert link == typed
    again = page(client.get(NEW, link))
    assert link_of(again) == typed and value_of(again, "reason") == "x & y"


def test_the_link_names_the_preset_and_not_what_it_decides(client: Client) -> None:
    preset = make()
    link = link_of(page(client.get(f"{NEW}?preset={preset.pk}&reason=Report")))
    assert link == {"preset": str(preset.pk), "reason": "Report"}


def test_the_link_holds_what_differs_from_the_preset(client: Client) -> None:
    """Fivetran's defaults among it, and what was emptied or no longer applies: the preset would fill it again."""
    catalogs.tell("google_sheets", {"sheet_id": {"type": "string"}})
    values = {"sync_frequency": 1440, "daily_sync_time": "05:00", "trust_certificates": True, "config.sheet_id": "s1"}
    preset = make(values=values, fixed=["service"], hidden=[])
    chosen = {"sync_frequency": "360", "trust_certificates": "", "config__sheet_id": "", "daily_sync_time": "05:00"}
    link = link_of(page(client.post(NEW, filled(preset, **chosen, action="fields"))))
    changed = {"sync_frequency": "360", "trust_certificates": "false", "config__sheet_id": "", "daily_sync_time": ""}
    assert changed.items() <= link.items()
    again = page(client.get(NEW, link))
    assert value_of(again, "sync_frequency") == "360" and value_of(again, "config__sheet_id") == ""
    assert not re.search(r'name="trust_certificates"[^>]*\schecked', again)
    assert "There is a problem" not in again and link_of(again) == link


# --- a live connection -----------------------------------------------------------------------------------------------
def test_a_description_becomes_values_without_secrets_names_or_masks() -> None:
    data = {
        "id": "abc",
        "service": "postgres",
        "schema": "crm",
        "group_id": "g",
        "paused": True,
        "sync_frequency": 60,
        "daily_sync_time": None,
        "config": {
            "schema_prefix": "crm",
            "host": "db",
            "password": "******",
            "user": "******",
            "list": [{"a": "******"}],
            "tunnel": {"port": 22, "private_key": "k"},
            "aws_credentials": {"bucket_name": "b", "secret_key": "k", "home_folder": "******"},
            "credentials": ["k"],
            "secret_pairs": {"value": "k"},
        },
    }
    assert payloads.described(data) == {
        "service": "postgres",
        "group_id": "g",
        "sync_frequency": 60,
        "config.host": "db",
        "config.tunnel.port": 22,
        "config.aws_credentials.bucket_name": "b",
    }


def test_who_may_copy_a_live_connection(cast: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    for name in ("requester", "approver", "operator", "admin"):
        permissions.check_can_copy_live(cast[name], str(conn_request.connection_id))
    for name in ("requester2", "auditor"):
        with pytest.raises(Denied):
            permissions.check_can_copy_live(cast[name], str(conn_request.connection_id))
    with pytest.raises(Denied):
        permissions.check_can_copy_live(cast["requester"], "unknown_one")


def test_a_live_connection_fills_the_form(sandbox: Any, as_user: Any) -> None:
    from connections import catalog
    from connections.fivetran import configured

    catalog.refresh_all()
    group = catalog.destinations()[0].id
    body = {
        "service": "google_sheets",
        "group_id": group,
        "sync_frequency": 15,
        "run_setup_tests": False,
        "config": {"schema": "live", "table": "one", "sheet_id": "sheet-1"},
    }
    made = configured.client().create_connection(body).data["id"]
    text = page(as_user("operator").get(f"{NEW}?from_connection={made}"))
    assert (value_of(text, "service"), value_of(text, "sync_frequency")) == ("google_sheets", "15")
    assert value_of(text, "config__schema") == "" and "******" not in text
    assert "no connection with this id" in banner(page(as_user("operator").get(f"{NEW}?from_connection=nothing_here")))
    assert as_user("requester2").get(f"{NEW}?from_connection={made}").status_code == 403


def test_fivetran_away_leaves_the_form(as_user: Any) -> None:
    catalogs.offered()
    text = page(as_user("operator").get(f"{NEW}?from_connection=some_id"))
    assert "Fivetran does not answer" in banner(text) and 'name="reason"' in text


# --- made in the admin -----------------------------------------------------------------------------------------------
ADD = "/admin/connections/preset/add/"
GOOD = {
    "name": "Sheets",
    "service": "google_sheets",
    "group_id": "projected_sickle",
    "values": '{"sync_frequency": 60}',
    "fixed": "service\nsync_frequency",
    "hidden": "group_id",
    "position": "1",
    "active": "on",
}
REFUSED = [
    ("values", "[1]", "Enter a JSON object"),
    ("values", '{"sync_frequency": 7}', "sync_frequency: Choose one of"),
    ("values", '{"nonsense": 1}', "There is no field nonsense"),
    ("values", '{"config.password": "x"}', "Leave out config.password"),
    ("values", '{"service": "s3"}', "has a field of its own"),
    pytest.param("values", '{"config.host": "%s"}' % ("x" * 65_536), "This is too much for one request", id="large"),
    ("values", '{"daily_sync_time": "05:00"}', "This applies only when syncing daily"),
    ("fixed", "config.schema", "a name of its own"),
    ("hidden", "reason", "a reason of its own"),
    ("fixed", "nonsense", "no such field"),
    ("fixed", "config.host", "fix the service too"),
    ("service", "nonsense", "Choose one of"),
]


@pytest.fixture
def admin(as_user: Any) -> Client:
    """The administrator, beside a catalog."""
    catalogs.offered()
    return as_user("admin")


def test_an_administrator_makes_one(admin: Client) -> None:
    assert admin.post(ADD, GOOD).status_code == 302
    preset = Preset.objects.get()
    assert preset.imposed == ["service", "sync_frequency", "group_id"]
    assert preset.begins_with == {"service": "google_sheets", "group_id": "projected_sickle", "sync_frequency": 60}
    assert "sync_frequency" in page(admin.get(f"/admin/connections/preset/{preset.pk}/change/"))


@pytest.mark.parametrize(("name", "text", "words"), REFUSED)
def test_what_the_form_would_refuse_is_no_preset(admin: Client, name: str, text: str, words: str) -> None:
    shown = page(admin.post(ADD, {**GOOD, name: text}))
    assert words in re.sub(r"&#x27;|&quot;", "'", shown) and not Preset.objects.exists()


def test_what_is_hidden_needs_a_value(admin: Client) -> None:
    assert "give it a value first" in page(admin.post(ADD, {**GOOD, "group_id": ""}))


def test_a_request_becomes_a_preset(admin: Client, cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"], sync_frequency=15)
    chosen = {"action": "make_preset", "_selected_action": [conn_request.pk], "index": "0"}
    answer = admin.post("/admin/connections/connectionrequest/", chosen)
    text = page(admin.get(answer["Location"]))
    assert (
        "&quot;sync_frequency&quot;: 15" in text
        and "Weekly sales report" not in text
        and conn_request.schema not in text
    )
    two = {**chosen, "_selected_action": [conn_request.pk, factories.submitted(cast["requester"]).pk]}
    assert (
        "Select one request" in admin.post("/admin/connections/connectionrequest/", two, follow=True).content.decode()
    )


def test_a_group_without_approvers_is_said_at_once(admin: Client) -> None:
    group = Group.objects.create(name="Nobody yet")
    text = admin.post(ADD, {**GOOD, "approvers": str(group.pk)}, follow=True).content.decode()
    assert "Nobody in the group “Nobody yet” may approve yet" in text


def test_presets_are_made_by_those_who_may(as_user: Any) -> None:
    assert as_user("approver").get(ADD).status_code == 403


def test_a_preset_in_use_cannot_be_deleted(admin: Client, as_user: Any) -> None:
    preset = make()
    as_user("requester").post(NEW, filled(preset))
    admin.post(f"/admin/connections/preset/{preset.pk}/delete/", {"post": "yes"})
    assert Preset.objects.filter(pk=preset.pk).exists()
