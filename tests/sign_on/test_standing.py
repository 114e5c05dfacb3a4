"""A role that was taken away decides nothing more, whatever page, session or door is still open."""

import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.core import mail
from django.test import Client
from django.utils import timezone

from connections import permissions, workflow
from connections.models import ChangeKind, ConnectionChange, ConnectionRequest
from connections.spec import trust_candidates
from connections.states import ChangeStatus, Status
from connections.workflow import batches
from portal.sign_on.models import DirectoryLook, DirectoryRole
from tests import factories
from tests.sign_on.providers import Mock
from tests.sign_on.saml import SamlProvider, role
from tests.views.test_admin import confirm, fresh
from tests.views.test_trust import CERTIFICATE, created

pytestmark = pytest.mark.sql
Verb = Callable[[User], Any]
MIA: dict[str, Any] = {
    "email": "mia.meyer@example.com",
    "email_verified": True,
    "preferred_username": "mia.meyer",
    "groups": ["data-approvers"],
}


def verbs(cast: dict[str, Any]) -> dict[str, tuple[Verb, Callable[[], bool]]]:
    """Each verb that decides, and whether nothing was decided."""
    request, table = factories.submitted(cast["requester"]), filed(cast["requester"])
    row = ConnectionRequest.objects.get(batch_row__batch=table)
    live, asked = created(cast, CERTIFICATE), factories.request_in(Status.CREATED, by=cast["requester2"])
    change = workflow.ask_for_change(by=cast["requester2"], conn_request=asked, kind=ChangeKind.PAUSE, reason="Quiet")
    [one] = trust_candidates.candidates(CERTIFICATE)
    given: dict[str, Any] = {"conn_request": request}
    trust: dict[str, Any] = {"conn_request": live, "kind": one.kind, "hash": one.hash, "shown": one.digest}
    decisions = {row.pk: batches.Decision(row.digest, approve=True)}

    def is_pending(row: ConnectionRequest) -> Callable[[], bool]:
        return lambda: ConnectionRequest.objects.get(pk=row.pk).state is Status.PENDING

    def change_waits() -> bool:
        return ConnectionChange.objects.get(pk=change.pk).state is ChangeStatus.PENDING

    return {
        "approve": (lambda by: workflow.approve(by=by, **given, digest=request.digest), is_pending(request)),
        "reject": (lambda by: workflow.reject(by=by, **given, reason="No"), is_pending(request)),
        "request_changes": (lambda by: workflow.request_changes(by=by, **given, reason="No"), is_pending(request)),
        "batch": (lambda by: batches.decide_batch(by=by, batch=table, decisions=decisions), is_pending(row)),
        "approve_change": (
            lambda by: workflow.approve_change(by=by, change=change, digest=change.digest),
            change_waits,
        ),
        "reject_change": (lambda by: workflow.reject_change(by=by, change=change, reason="No"), change_waits),
        "trust": (lambda by: workflow.approve_trust(by=by, **trust), lambda: not live.trusts.exists()),
    }


def filed(by: User) -> Any:
    return batches.file_batch(by=by, filings=[factories.filing(config__schema="in_a_table")], token=uuid.uuid4())


NAMES = ("approve", "reject", "request_changes", "batch", "approve_change", "reject_change", "trust")


def known_at_provider(user: User, ago: timedelta = timedelta()) -> User:
    SocialAccount.objects.create(user=user, provider="company", uid=f"u-{user.pk}")
    DirectoryLook.objects.create(user=user, provider="company", at=timezone.now() - ago)
    return user


@pytest.mark.parametrize("name", NAMES)
def test_an_approver_decides(cast: dict[str, Any], settings: Any, name: str) -> None:
    settings.OIDC_ISSUER = "https://login.example.com"
    verb, untouched = verbs(cast)[name]
    verb(known_at_provider(factories.person("approver", "ann"), timedelta(minutes=59)))
    assert not untouched()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lost", ["group", "account"])
def test_a_role_lost_since_the_page_was_read_decides_nothing(cast: dict[str, Any], name: str, lost: str) -> None:
    verb, untouched = verbs(cast)[name]
    by = factories.person("approver", "ann")
    assert permissions.is_approver(by)  # Django keeps that with the object, as within one request
    if lost == "group":
        by.groups.clear()
    else:
        User.objects.filter(pk=by.pk).update(is_active=False)
    with pytest.raises(permissions.Denied):
        verb(by)
    assert untouched()


@pytest.mark.parametrize("name", NAMES)
def test_who_was_long_not_at_the_provider_decides_nothing(cast: dict[str, Any], settings: Any, name: str) -> None:
    settings.OIDC_ISSUER = "https://login.example.com"
    verb, untouched = verbs(cast)[name]
    by = known_at_provider(factories.person("approver", "ann"), timedelta(minutes=61))
    with pytest.raises(permissions.Denied, match="log in again"):
        verb(by)
    assert untouched()


def test_local_administrators_decide_while_the_provider_is_away(cast: dict[str, Any], settings: Any) -> None:
    settings.OIDC_ISSUER, settings.LOCAL_ADMINISTRATORS = "https://login.example.com", ["ann"]
    verb, untouched = verbs(cast)["approve"]
    verb(known_at_provider(factories.person("approver", "ann"), timedelta(days=9)))
    assert not untouched()


@pytest.mark.parametrize("link", ["a password beside it", "deleted", "of a provider that is off"])
def test_an_account_of_the_company_decides_by_its_word_alone(cast: dict[str, Any], settings: Any, link: str) -> None:
    settings.OIDC_ISSUER = "https://login.example.com"
    verb, untouched = verbs(cast)["approve"]
    by = known_at_provider(factories.person("approver", "ann"), timedelta(minutes=61))
    if link == "a password beside it":  # as `manage.py changepassword` sets one
        by.set_password("a-Password-of-mine")
        by.save()
    elif link == "deleted":
        SocialAccount.objects.all().delete()
    else:
        SocialAccount.objects.update(provider="saml")
    with pytest.raises(permissions.Denied, match="log in again"):
        verb(by)
    assert untouched()


# --- ways to keep a role ---------------------------------------------------------------------------------------------


def approve_in(client: Client, cast: dict[str, Any]) -> Any:
    """The answer to Approve on a request's page, and the request."""
    conn_request = factories.submitted(cast["requester"], config__schema=f"s{uuid.uuid4().hex[:8]}")
    answer = client.post(f"/requests/{conn_request.pk}/approve/", {"digest": conn_request.digest}, follow=True)
    conn_request.refresh_from_db()
    return answer, conn_request.state is Status.APPROVED


def test_another_session_does_not_keep_the_role(
    provider: Mock, log_in: Callable[..., Any], cast: dict[str, Any]
) -> None:
    role("data-approvers", "Approvers")
    provider.has("s-mia", **MIA)
    desk, telephone = Client(), Client()
    log_in(desk, "s-mia")
    assert approve_in(desk, cast)[1]
    provider.has("s-mia", **{**MIA, "groups": []})
    log_in(telephone, "s-mia")
    assert not approve_in(desk, cast)[1] and desk.get("/approvals/").status_code == 403


def test_a_session_kept_alive_by_clicks_does_not_keep_the_role(
    provider: Mock, log_in: Callable[..., Any], cast: dict[str, Any]
) -> None:
    role("data-approvers", "Approvers")
    provider.has("s-mia", **MIA)
    client, began = Client(), time.time()
    log_in(client, "s-mia")
    provider.has("s-mia", **{**MIA, "groups": []})
    for minutes in (20, 40, 59):
        with time_machine.travel(began + minutes * 60):
            assert client.get("/approvals/").status_code == 200
    with time_machine.travel(began + 61 * 60):
        assert client.get("/approvals/").status_code == 302  # to the log-in
        assert not approve_in(client, cast)[1]


def test_a_long_session_that_gets_the_role_later_does_not_keep_it(
    provider: Mock, log_in: Callable[..., Any], cast: dict[str, Any]
) -> None:
    """Begun without the role the session lasts ten hours; another log-in gave the role, and the directory took it."""
    role("data-approvers", "Approvers")
    provider.has("s-mia", **{**MIA, "groups": []})
    desk, began = Client(), time.time()
    log_in(desk, "s-mia")
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    provider.has("s-mia", **{**MIA, "groups": []})
    assert approve_in(desk, cast)[1]
    with time_machine.travel(began + 50 * 60):
        desk.get("/")
    with time_machine.travel(began + 70 * 60):
        answer, approved = approve_in(desk, cast)
        assert not approved and answer.redirect_chain[0][0].startswith("/accounts/login/")
    log_in(desk, "s-mia")
    assert desk.get("/approvals/").status_code == 403


def test_a_password_is_no_second_door(provider: Mock, log_in: Callable[..., Any], cast: dict[str, Any]) -> None:
    role("data-approvers", "Approvers")
    local = User.objects.create_user("mia", MIA["email"], "local-password")
    local.groups.add(Group.objects.get(name="Approvers"))
    provider.has("s-mia", **MIA)
    log_in(Client(), "s-mia")
    client = Client()
    client.post("/accounts/login/", {"username": "mia", "password": "local-password"})
    assert "_auth_user_id" not in client.session
    mail.outbox.clear()
    client.post("/accounts/password_reset/", {"email": MIA["email"]})
    assert not mail.outbox


@pytest.mark.parametrize("is_old", [False, True])
def test_the_admin_decides_as_little(saml: SamlProvider, cast: dict[str, Any], is_old: bool, settings: Any) -> None:
    settings.SAML_OWNS_ADDRESSES = True  # the cast has passwords
    role("data-approvers", "Approvers")
    DirectoryRole.objects.create(directory_group="data-approvers", gives_staff=True)
    saml.has("mia", subject="s-mia", attributes={"uid": "mia", "mail": "mia@example.com", "groups": ["data-approvers"]})
    client = Client()
    saml.log_in(client, "mia")
    conn_request = factories.submitted(cast["requester"])
    if is_old:
        DirectoryLook.objects.update(at=timezone.now() - timedelta(minutes=61))
    answer = confirm(client, "approve", conn_request)
    assert ("asked about you too long ago" in answer.content.decode()) == is_old
    assert fresh(conn_request).state is (Status.PENDING if is_old else Status.APPROVED)
    saml.log_in(client, "mia")
    confirm(client, "approve", conn_request)
    assert fresh(conn_request).state is Status.APPROVED
