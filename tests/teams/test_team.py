"""Which team a request is filed for, who may never approve it, and teams that end."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from connections.models import ConnectionRequest, Team, Writer
from tests import factories
from tests.teams import fresh, team

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def test_a_request_is_filed_for_the_only_team_of_its_requester() -> None:
    alone, member = factories.person(), factories.person()
    finance = team(member)
    assert factories.submitted(alone).team_id is None
    assert factories.submitted(member).team == finance == factories.draft(member).team


def test_in_several_teams_it_is_filed_for_none_unless_one_is_chosen() -> None:
    member = factories.person()
    team(member), team(member, name="Sales")
    assert factories.submitted(member).team is None


def test_a_group_becomes_a_team_with_the_right_and_loses_it_again() -> None:
    member = factories.person()
    finance = team(member)
    assert fresh(member).has_perm("connections.work_in_team")
    finance.delete()
    assert not fresh(member).has_perm("connections.work_in_team")


def test_the_requests_of_a_team_that_is_no_more_stay_with_their_requesters() -> None:
    member = factories.person()
    finance, conn_request = team(member), factories.submitted(member)
    finance.delete()
    conn_request.refresh_from_db()
    assert conn_request.team is None and conn_request.requester == member


@pytest.mark.parametrize("way", ["writer first", "approver first"])
def test_the_database_lets_no_writer_approve(way: str) -> None:
    approver = factories.person("approver")
    conn_request = factories.approved(approver=approver)
    row = ConnectionRequest.objects.filter(pk=conn_request.pk)
    if way == "approver first":
        with pytest.raises(IntegrityError, match="approvers_never_write"), transaction.atomic():
            Writer.objects.create(request=conn_request, person=approver)
        return
    writer = factories.person("approver")
    Writer.objects.create(request=conn_request, person=writer)
    with pytest.raises(IntegrityError, match="writers_never_approve"), transaction.atomic():
        row.update(approved_by=writer)


def test_filing_takes_no_statement_more_for_teams() -> None:
    alone, member = factories.person(), factories.person()
    factories.person("approver")
    team(member)
    numbers = []
    for person in (alone, member):
        with CaptureQueriesContext(connection) as captured:
            factories.submitted(fresh(person))
        numbers.append(len(captured))
    assert numbers[0] == numbers[1]


# --- the admin -------------------------------------------------------------------------------------------------------
def test_an_administrator_marks_a_group_as_a_team(as_user: Any, cast: dict[str, User]) -> None:
    admin: Client = as_user("admin")
    group = Group.objects.create(name="Finance")
    answer = admin.post("/admin/connections/team/add/", {"group": group.pk}, follow=True).content.decode()
    assert Team.objects.get().group == group
    assert "Nobody with an active account is in the team “Finance”" in answer
    again = admin.post("/admin/connections/team/add/", {"group": group.pk})  # not among the choices any more
    assert again.status_code == 200 and Team.objects.count() == 1


def test_a_group_that_is_a_team_is_not_deleted_under_its_requests(as_user: Any, cast: dict[str, User]) -> None:
    finance = team(cast["requester"])
    factories.submitted(cast["requester"])
    page = as_user("admin").post(f"/admin/auth/group/{finance.group_id}/delete/", {"post": "yes"}).content.decode()
    assert "cannot be deleted while it is needed" in page and Group.objects.filter(pk=finance.group_id).exists()


def test_the_end_of_a_team_is_told_in_words(as_user: Any, cast: dict[str, User]) -> None:
    finance = team(cast["requester"])
    admin: Client = as_user("admin")
    page = admin.post(f"/admin/connections/team/{finance.pk}/delete/", {"post": "yes"}, follow=True).content.decode()
    assert "The group “Finance” is no team any more" in page
    assert not fresh(cast["requester"]).has_perm("connections.work_in_team")


def test_the_list_names_teams_without_anybody(as_user: Any, cast: dict[str, User]) -> None:
    team(cast["requester"])
    team(factories.person(is_active=False), name="Left")
    factories.submitted(cast["requester"])
    page = as_user("admin").get("/admin/connections/team/").content.decode()
    assert "nobody: only an operator can hand its requests over" in page and '<td class="field-requests">1</td>' in page


def test_a_renamed_group_is_the_same_team(cast: dict[str, User]) -> None:
    finance, conn_request = team(cast["requester"]), factories.submitted(cast["requester"])
    Group.objects.filter(pk=finance.group_id).update(name="Treasury")
    conn_request.refresh_from_db()
    assert str(conn_request.team) == "Treasury"
