"""Mail that is gathered: the first at once, what follows within a minute in one, and nothing of what was taken back."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db.models.functions import Now

from connections import notifications, workflow
from connections.models import ChangeKind, ConnectionRequest, Notice, NoticeKind
from connections.states import Status
from connections.workflow import batches
from tests import factories
from tests.forms.test_batch import filed
from tests.workflow.test_requests import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_limits(settings: Any) -> None:
    """Several people may do together what one may not."""
    settings.OPEN_REQUESTS = settings.SUBMISSIONS_PER_MINUTE = 0


def a_minute_later() -> None:
    """As if everything that was written had been written a minute earlier."""
    Notice.objects.exclude(sent_at=None).update(sent_at=Now() - notifications.GATHER)
    Notice.objects.filter(sent_at=None).update(next_try_at=Now())


def subjects() -> list[str]:
    """Of the mails that went out."""
    return [message.subject.removeprefix("[Connections] ") for message in mail.outbox]


def test_a_single_submission_is_mailed_at_once() -> None:
    conn_request = factories.submitted()
    assert notifications.send_due() == 1
    assert subjects() == [f"A request waits for approval: request #{conn_request.pk}"]


def test_many_submissions_are_two_mails_to_each_approver() -> None:
    approvers = [factories.person("approver") for _ in range(2)]
    by = factories.person()
    first = factories.submitted(by)
    notifications.send_due()
    rows = [factories.submitted(by) for _ in range(119)]
    for _ in range(30):
        notifications.send_due()
    assert len(mail.outbox) == 2
    a_minute_later()
    assert notifications.send_due() == 2
    assert len(mail.outbox) == 4 and subjects()[2:] == ["119 requests wait for approval"] * 2
    body = str(mail.outbox[-1].body)
    assert "http://localhost/approvals/" in body.split() and "and 99 more" in body
    assert f"Request #{rows[0].pk}, asked for by {by}" in body and f"#{first.pk}," not in body
    assert {message.to[0] for message in mail.outbox} == {person.email for person in approvers}
    assert not Notice.objects.filter(sent_at=None).exists()
    a_minute_later()
    assert notifications.send_due() == 0


def test_what_waits_for_a_mail_server_is_one_mail() -> None:
    factories.person("approver")
    for _ in range(3):
        factories.submitted()
    assert notifications.send_due() == 1
    assert subjects() == ["3 requests wait for approval"]


def test_of_one_request_edited_again_and_again_the_last_is_told() -> None:
    conn_request = factories.submitted()
    notifications.send_due()
    for _ in range(5):
        workflow.submit(by=conn_request.requester, filing=factories.filing(), conn_request=conn_request)
    notifications.send_due()
    a_minute_later()
    notifications.send_due()
    assert subjects() == [f"A request waits for approval: request #{conn_request.pk}"] * 2


def test_a_change_asked_for_and_withdrawn_61_times_is_one_mail() -> None:
    conn_request = factories.request_in(Status.CREATED)
    factories.person("approver")
    Notice.objects.all().delete()

    def ask() -> Any:
        return workflow.ask_for_change(
            by=conn_request.requester, conn_request=conn_request, kind=ChangeKind.PAUSE, reason="Month's end"
        )

    for number in range(61):
        change = ask()
        if number == 0:
            assert notifications.send_due() == len(approvers := set(Notice.objects.values_list("recipient", flat=True)))
        workflow.withdraw_change(by=conn_request.requester, change=change)
        notifications.send_due()
    a_minute_later()
    assert notifications.send_due() == 0 and len(mail.outbox) == len(approvers)
    assert set(Notice.objects.values_list("error", flat=True)) == {"", notifications.NO_LONGER_DUE}
    last = ask()
    a_minute_later()
    notifications.send_due()
    assert f"/changes/{last.pk}/" in str(mail.outbox[-1].body)


def test_a_request_taken_back_before_its_mail_is_not_told() -> None:
    conn_request = factories.submitted()
    workflow.withdraw(by=conn_request.requester, conn_request=conn_request)
    assert notifications.send_due() == 0 and not mail.outbox
    assert Notice.objects.get().error == notifications.NO_LONGER_DUE
    factories.submitted(conn_request.requester)
    assert notifications.send_due() == 1  # nothing was told, so nothing has to wait


def test_a_batch_in_a_gathered_mail_counts_its_rows() -> None:
    by = factories.person()
    batch = filed(by, 3)
    conn_request = factories.submitted(by)
    assert notifications.send_due() == 1
    assert subjects() == ["4 requests wait for approval"]
    body = str(mail.outbox[0].body)
    assert f"Batch #{batch.pk}, asked for by {by}" in body and f"Request #{conn_request.pk}, asked for by {by}" in body


@pytest.mark.parametrize("alone", [True, False])
def test_a_mail_about_a_batch_counts_what_its_reader_may_see(*, alone: bool) -> None:
    by, approver, elsewhere = factories.person(), factories.person("approver"), factories.person("approver")
    factories.rule("projected_sickle", ask=[by], approve=[approver])
    factories.rule("other_place", ask=[by], approve=[elsewhere])
    filings = [factories.filing(), factories.filing(), *[factories.filing(group_id="other_place") for _ in range(3)]]
    batch = batches.file_batch(by=by, filings=filings, token=uuid.uuid4())
    if not alone:
        factories.submitted(by)
        factories.submitted(by, group_id="other_place")
    notifications.send_due()
    told = {message.to[0]: message.subject for message in mail.outbox}
    for person, counted in ((approver, 2), (elsewhere, 3)):
        one = f"batch #{batch.pk} of {counted} requests"
        assert (one if alone else f"{counted + 1} requests wait for approval") in told[person.email]


def test_kinds_and_people_do_not_wait_for_each_other() -> None:
    approver, operator = factories.person("approver"), factories.person("operator")
    conn_request = factories.submitted()
    notifications.send_due()
    for kind, person in ((NoticeKind.ATTENTION, operator), (NoticeKind.TRUST_NEEDED, approver)):
        notifications.notify(conn_request, kind, person)
    workflow.approve(by=approver, conn_request=conn_request, digest=conn_request.digest)
    assert notifications.send_due() == 3  # the requester's mail too


def test_the_requester_reads_each_decision_at_once() -> None:
    by, approver = factories.person(), factories.person("approver")
    for _ in range(3):
        conn_request = factories.submitted(by)
        workflow.reject(by=approver, conn_request=conn_request, reason="No budget")
        notifications.send_due()
    assert sum(message.to == [by.email] for message in mail.outbox) == 3


def test_a_mail_that_fails_is_tried_again_whole(settings: Any) -> None:
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, "nowhere.EmailBackend"
    factories.person("approver")
    for _ in range(3):
        factories.submitted()
    assert notifications.send_due() == 0
    assert set(Notice.objects.values_list("tries", "error")) == {(1, "ModuleNotFoundError")}
    settings.EMAIL_BACKEND = working
    Notice.objects.update(next_try_at=Now() - timedelta(seconds=1))
    assert notifications.send_due() == 1 and subjects() == ["3 requests wait for approval"]


@pytest.mark.django_db(transaction=True)
def test_claims_at_once_take_each_notice_once(groups: None) -> None:
    people: list[User] = [factories.person("approver") for _ in range(3)]
    for _ in range(4):
        factories.submitted()
    due = Notice.objects.filter(sent_at=None, next_try_at__lte=Now())
    leaders = [due.filter(recipient=person).earliest("pk") for person in people]

    def claim(leader: Notice) -> list[int]:
        Notice.objects.filter(pk=leader.pk).update(next_try_at=Now() + notifications.LEASE)
        return [notice.pk for notice in notifications.claim_others(due, leader)]

    claimed = [pk for taken in at_once(*[lambda each=each: claim(each) for each in leaders * 2]) for pk in taken]
    assert len(claimed) == len(set(claimed)) == 9
    assert ConnectionRequest.objects.count() == 4
