"""Operators settle what needs a person, and pause and resume; nobody else can, nothing is settled without a reason."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from connections import catalog, permissions, worker
from connections.models import CircuitBreaker, ConnectionRequest, Heartbeat, IllegalTransition, Process, SetupTestsState
from connections.states import Status
from connections.worker import account
from connections.workflow import operations
from tests import factories, processes
from tests.sandbox_client import Fivetran

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


@pytest.fixture
def fivetran(transactional_db: None, groups: None, sandbox: processes.Sandbox) -> Fivetran:
    """The sandbox as this process's Fivetran."""
    account._known.clear()
    stand_in = Fivetran(sandbox.url)
    stand_in.settings(test_seconds=0)
    catalog.refresh_all()
    return stand_in


def stuck(**changes: Any) -> ConnectionRequest:
    """A request that needs an operator."""
    return factories.request_in(Status.ATTENTION, **changes)


def post(user: User, name: str, *args: Any, **data: str) -> Any:
    client = Client()
    client.force_login(user)
    return client.post(reverse(f"connections:{name}", args=args), data)


@pytest.fixture
def operator(groups: None) -> User:
    """Somebody of the group Operators."""
    return factories.person("operator")


def test_adopt_links_an_existing_connection_and_runs_its_tests(fivetran: Fivetran, operator: User) -> None:
    conn_request = stuck(group_id=catalog.destinations()[0].id)
    there = fivetran.seed(group_id=conn_request.group_id, service=conn_request.service, schema=conn_request.schema)
    answer = post(
        operator, "adopt", conn_request.pk, connection_id=f" {there['id']} ", decision_reason="Looked: it is ours"
    )
    assert answer.status_code == 302
    conn_request.refresh_from_db()
    assert (conn_request.state, conn_request.connection_id) == (Status.CREATED, there["id"])
    assert conn_request.connection.adopted and conn_request.connection.tests == SetupTestsState.DUE
    event = conn_request.events.first()
    assert event is not None and (event.by, event.reason) == (operator, "Looked: it is ours")
    worker.run("run_tests", conn_request.pk)
    conn_request.connection.refresh_from_db()
    assert conn_request.connection.tests == SetupTestsState.STORED


@pytest.mark.parametrize(
    ("other", "said"),
    [({"service": "postgres"}, "service"), ({"schema": "another"}, "schema"), ({"group_id": "elsewhere"}, "group_id")],
)
def test_what_does_not_fit_is_not_adopted(fivetran: Fivetran, operator: User, other: dict[str, str], said: str) -> None:
    conn_request = stuck()
    there = fivetran.seed(
        **{"group_id": conn_request.group_id, "service": conn_request.service, "schema": conn_request.schema, **other}
    )
    answer = post(operator, "adopt", conn_request.pk, connection_id=there["id"], decision_reason="It must be this one")
    assert f"Its {said} is" in answer.content.decode() and "It must be this one" in answer.content.decode()
    conn_request.refresh_from_db()
    assert conn_request.state is Status.ATTENTION


@pytest.mark.parametrize("connection_id", ["nobody_here", "../users", "a?b=c", "x" * 300, ""])
def test_an_id_that_is_none_is_an_error_on_the_field(fivetran: Fivetran, operator: User, connection_id: str) -> None:
    conn_request = stuck()
    answer = post(operator, "adopt", conn_request.pk, connection_id=connection_id, decision_reason="Because")
    assert answer.status_code == 200
    assert f'id="id_connection_id_{conn_request.pk}_error"' in answer.content.decode()
    conn_request.refresh_from_db()
    assert conn_request.state is Status.ATTENTION


def test_fivetran_away_is_said_and_nothing_is_lost(operator: User) -> None:
    conn_request = stuck()
    answer = post(operator, "adopt", conn_request.pk, connection_id="some_id", decision_reason="Typed with care")
    assert "gave no answer" in answer.content.decode() and "Typed with care" in answer.content.decode()


def test_one_connection_is_adopted_by_one_request(fivetran: Fivetran, operator: User) -> None:
    first = stuck()
    there = fivetran.seed(group_id=first.group_id, service=first.service, schema=first.schema)
    operations.adopt(by=operator, conn_request=first, connection_id=there["id"], reason="Ours")
    ConnectionRequest.objects.filter(pk=first.pk).update(deleted_at_fivetran_at=Now())
    second = stuck(config__schema=first.values["config.schema"], config__table=first.values["config.table"])
    with pytest.raises(operations.DoesNotFit, match="another request"):
        operations.adopt(by=operator, conn_request=second, connection_id=there["id"], reason="Ours")


def test_send_again_puts_it_into_the_queue_with_all_attempts(fivetran: Fivetran, operator: User) -> None:
    conn_request = stuck(group_id=catalog.destinations()[0].id)
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(attempts_used=5)
    assert post(operator, "send_again", conn_request.pk, decision_reason="Looked: not there").status_code == 302
    worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.state is Status.CREATED
    assert len(fivetran.connections()) == 1


def test_close_tells_the_requester_why(operator: User) -> None:
    conn_request = stuck()
    post(operator, "close", conn_request.pk, decision_reason="The source is gone")
    conn_request.refresh_from_db()
    assert (conn_request.state, conn_request.failure_message) == (Status.FAILED, "The source is gone")
    assert conn_request.notices.filter(kind="failed", recipient=conn_request.requester).exists()


@pytest.mark.parametrize("name", ["adopt", "send_again", "close"])
@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_nothing_happens(operator: User, name: str, reason: str) -> None:
    conn_request = stuck()
    answer = post(operator, name, conn_request.pk, decision_reason=reason, connection_id="kept_id")
    assert f'id="id_decision_reason_{conn_request.pk}_error"' in answer.content.decode()
    assert "kept_id" in answer.content.decode()
    assert "it stays with the request" in answer.content.decode()
    assert "what to change" not in answer.content.decode()
    conn_request.refresh_from_db()
    assert conn_request.state is Status.ATTENTION
    with pytest.raises(IllegalTransition):
        operations.close(by=operator, conn_request=conn_request, reason=reason)


def test_in_an_emergency_one_click_pauses_without_a_reason(operator: User) -> None:
    assert post(operator, "pause").status_code == 302
    assert CircuitBreaker.objects.exclude(paused_at=None).get().paused_reason == ""
    client = Client()
    client.force_login(operator)
    page = client.get(reverse("connections:operations")).content.decode()
    assert "Paused by" in page and "Resume" in page
    assert "Nothing is sent until somebody resumes." in page and "sent as they are approved" not in page


@pytest.mark.parametrize("name", ["pause", "close"])
def test_what_is_wrong_is_listed_on_top_and_linked(operator: User, name: str) -> None:
    args = [] if name == "pause" else [stuck().pk]
    page = post(operator, name, *args, decision_reason="x" * 2001).content.decode()
    slug = args[0] if args else "pause"
    assert f'href="#id_decision_reason_{slug}">Reason: ' in page
    assert f'id="id_decision_reason_{slug}_error"' in page
    assert "x" * 2001 in page
    assert not CircuitBreaker.objects.exclude(paused_at=None).exists()


@pytest.mark.parametrize("role", ["requester", "approver", "auditor", "staff"])
def test_nobody_else_operates(groups: None, role: str) -> None:
    conn_request, user = stuck(), factories.person(role)
    for name, args in (
        ("adopt", [conn_request.pk]),
        ("send_again", [conn_request.pk]),
        ("close", [conn_request.pk]),
        ("pause", []),
        ("resume", []),
    ):
        assert post(user, name, *args, decision_reason="x", connection_id="x").status_code == 403
    client = Client()
    client.force_login(user)
    looks = client.get(reverse("connections:operations"))
    assert looks.status_code == (200 if role == "auditor" else 403)  # an auditor sees the page without its forms
    assert 'action="/operations/' not in looks.content.decode()
    with pytest.raises(permissions.Denied):
        operations.send_again(by=user, conn_request=conn_request, reason="x")


def test_pause_stops_the_sending_and_resume_lets_it_go_on(fivetran: Fivetran, operator: User) -> None:
    conn_request = factories.approved(group_id=catalog.destinations()[0].id)
    post(operator, "pause", decision_reason="Warehouse maintenance")
    worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.status == Status.APPROVED and worker.sweep()["submit"] == []
    client = Client()
    client.force_login(operator)
    assert "Warehouse maintenance" in client.get(reverse("connections:operations")).content.decode()
    post(operator, "resume")
    assert worker.sweep()["submit"] == [conn_request.pk]
    worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert conn_request.status == Status.CREATED


def test_every_way_out_can_be_pressed_without_opening_anything(operator: User) -> None:
    stuck()
    client = Client()
    client.force_login(operator)
    page = client.get(reverse("connections:operations")).content.decode()
    page = page[page.index("<main") :]
    for name in ("Adopt", "Send again", "Close", "Pause sending"):
        before = page[: page.index(f">{name}</button>")]
        assert before.count("<details open>") == before.count("<details"), name


def test_the_page_says_what_waits_and_who_is_silent(operator: User) -> None:
    client = Client()
    client.force_login(operator)
    page = client.get(reverse("connections:operations")).content.decode()
    assert "never heard of" in page and "Nothing needs a person" in page
    factories.approved()
    ConnectionRequest.objects.update(approved_at=Now() - timedelta(hours=1), next_try_at=Now() + timedelta(minutes=1))
    page = client.get(reverse("connections:operations")).content.decode()
    assert "1 hour ago" in page and "waits long" not in page, "it is told to wait"
    ConnectionRequest.objects.update(next_try_at=Now() - timedelta(hours=1))
    worker.note_alive()
    Heartbeat.objects.filter(process=Process.SCHEDULER).update(at=Now() - timedelta(hours=1))
    CircuitBreaker.objects.update_or_create(
        pk=1, defaults={"reason": "rate_limited", "not_before": Now() + timedelta(minutes=5)}
    )
    page = client.get(reverse("connections:operations")).content.decode()
    assert "waits long" in page and "Fivetran asked us to wait" in page and page.count("silent") == 1
    Heartbeat.objects.filter(process=Process.SCHEDULER).update(at=Now() + timedelta(hours=1))
    assert client.get(reverse("connections:operations")).content.decode().count("silent") == 1
