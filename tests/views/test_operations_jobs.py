"""Operators see each kind of background work, pause one alone, and have tried again what used up its tries."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from connections import notifications, worker
from connections.models import CircuitBreaker, Connection, Notice, NoticeKind, SetupTestsState
from connections.queue import circuit_breaker
from connections.queue.job import Needs
from connections.queue.retry import MAX_ATTEMPTS
from connections.states import Status
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
BOARD = "/operations/"


@pytest.fixture
def operator(groups: None) -> User:
    """Somebody of the group Operators."""
    return factories.person("operator")


def post(user: User, name: str, *args: Any) -> Any:
    client = Client()
    client.force_login(user)
    return client.post(reverse(f"connections:{name}", args=args), follow=True)


def page(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.get(BOARD).content.decode()


@pytest.mark.parametrize("job", [job for job in worker.JOBS if job.can_pause], ids=lambda job: job.name)
def test_each_kind_is_listed_and_paused_alone(operator: User, job: Any) -> None:
    assert f'data-job="{job.name}"' in page(operator)
    assert "Work of this kind is paused." in post(operator, "pause_kind", job.name).content.decode()
    assert not circuit_breaker.allows(Needs.NOTHING, job.name)
    others = {other.name for other in worker.JOBS} - {job.name}
    assert all(circuit_breaker.allows(Needs.NOTHING, other) for other in others)
    post(operator, "pause_kind", job.name)  # twice is once
    assert CircuitBreaker.objects.get().paused_jobs == [job.name]
    assert "Work of this kind goes on." in post(operator, "resume_kind", job.name).content.decode()
    assert CircuitBreaker.objects.get().paused_jobs == []


def test_what_is_paused_is_neither_enqueued_nor_done(operator: User) -> None:
    conn_request = factories.approved()
    post(operator, "pause_kind", "submit")
    assert worker.sweep()["submit"] == []
    worker.run("submit", conn_request.pk)
    conn_request.refresh_from_db()
    assert (conn_request.state, conn_request.attempts_used) == (Status.APPROVED, 0)
    sent = len(mail.outbox)
    post(operator, "pause_kind", "notify")
    worker.run("notify")
    assert len(mail.outbox) == sent
    post(operator, "resume_kind", "notify")
    worker.run("notify")
    assert len(mail.outbox) > sent
    assert worker.sweep()["submit"] == []
    post(operator, "resume_kind", "submit")
    assert worker.sweep()["submit"] == [conn_request.pk]


@pytest.mark.parametrize("name", ["sweep", "probe", "no_such_kind"])
def test_what_brings_the_rest_back_is_not_paused(operator: User, name: str) -> None:
    assert "There is no such kind of work." in post(operator, "pause_kind", name).content.decode()
    assert CircuitBreaker.objects.get_or_create(pk=1)[0].paused_jobs == []


def test_a_mail_that_was_given_up_is_sent_when_an_operator_says_so(operator: User) -> None:
    conn_request = factories.submitted()
    Notice.objects.update(tries=notifications.TRIES, error="SMTPServerDisconnected")
    assert notifications.send_due() == 0
    shown = page(operator)
    assert "SMTPServerDisconnected" in shown and f"#{conn_request.pk} {conn_request.service_name}" in shown
    for notice in Notice.objects.filter(kind=NoticeKind.SUBMITTED):
        assert "It is tried again." in post(operator, "try_again", "notify", notice.pk).content.decode()
    assert notifications.send_due() > 0
    assert "SMTPServerDisconnected" not in page(operator)


def test_a_mail_whose_last_try_may_be_going_on_is_not_sent_beside_it(operator: User) -> None:
    factories.submitted()
    Notice.objects.update(tries=notifications.TRIES, next_try_at=Now() + notifications.LEASE)
    assert not notifications.gave_up().exists()
    post(operator, "try_again", "notify", Notice.objects.all()[0].pk)
    assert set(Notice.objects.values_list("tries", flat=True)) == {notifications.TRIES}


def test_setup_tests_that_were_given_up_are_due_again(operator: User) -> None:
    conn_request = factories.request_in(Status.CREATED)
    tests = Connection.objects.filter(request=conn_request)
    tests.update(tests=SetupTestsState.STORED, tests_attempts=MAX_ATTEMPTS, tests_note="No clear answer <b>")
    assert "No clear answer &lt;b&gt;" in page(operator)
    post(operator, "try_again", "run_tests", tests.get().pk)
    assert (tests.get().tests, tests.get().tests_attempts) == (SetupTestsState.DUE, 0)
    assert worker.sweep()["run_tests"] == [conn_request.pk]
    gone = post(operator, "try_again", "run_tests", tests.get().pk)
    assert "It is not in the list any more." in gone.content.decode()


@pytest.mark.parametrize("role", ["requester", "approver", "auditor"])
def test_nobody_else_does(groups: None, role: str) -> None:
    other = factories.person(role)
    notice = Notice.objects.create(request=factories.submitted(), kind="created", recipient=other, tries=5)
    for name, args in (("pause_kind", ["submit"]), ("resume_kind", ["submit"]), ("try_again", ["notify", notice.pk])):
        assert post(other, name, *args).status_code == 403
    assert CircuitBreaker.objects.get_or_create(pk=1)[0].paused_jobs == []
    assert Notice.objects.get(pk=notice.pk).tries == 5
