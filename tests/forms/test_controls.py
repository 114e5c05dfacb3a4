"""Single controls that stand in a setting or a condition, each tried by what it prevents."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings as site
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from connections import permissions, workflow
from connections.demo.management.commands.seed_demo import PASSWORD
from connections.models import ChangeKind, Connection, ConnectionRequest
from connections.permissions import Denied
from connections.states import Status
from tests import factories
from tests.forms.test_batch import filed
from tests.handover import handed_over
from tests.portal.test_settings import PRODUCTION, settings_of

AsUser = Callable[..., Client]
pytestmark = pytest.mark.django_db


# --- cookies ---------------------------------------------------------------------------------------------------------
def test_no_script_and_no_other_site_has_the_sessions_cookie(cast: dict[str, User]) -> None:
    client = Client()
    client.post("/accounts/login/", {"username": "requester", "password": PASSWORD})
    for name, script_reads in (("sessionid", False), ("csrftoken", True)):
        cookie = client.cookies[name]
        assert bool(cookie["httponly"]) is not script_reads
        assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")


def test_behind_https_both_cookies_are_for_https_alone() -> None:
    secure = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_INCLUDE_SUBDOMAINS")
    assert settings_of(PRODUCTION, *secure) == dict.fromkeys(secure, True)


def test_http_leads_to_https_but_for_the_two_questions_about_health(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    answer = client.get("/requests/?status=pending")
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/requests/?status=pending")
    assert client.post("/accounts/login/").status_code == 301
    assert {client.get(path).status_code for path in ("/healthz", "/readyz")} == {200}
    assert {client.get(path).status_code for path in ("/healthz/x", "/requests/healthz")} == {301}


# --- passwords -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("weak", "says"),
    [
        ("a7Kq-xz", "too short"),
        ("password123", "too common"),
        ("73951864207", "entirely numeric"),
        ("requester2", "too similar to the username"),
    ],
)
def test_a_password_that_is_soon_guessed_is_not_taken(as_user: AsUser, weak: str, says: str) -> None:
    form = {"old_password": PASSWORD, "new_password1": weak, "new_password2": weak}
    answer = as_user("requester2").post("/accounts/password_change/", form)
    assert says in answer.content.decode()
    assert User.objects.get(username="requester2").check_password(PASSWORD)


def test_the_link_of_a_password_reset_lasts_an_hour(cast: dict[str, User]) -> None:
    user, now = cast["requester"], timezone.now()
    with time_machine.travel(now, tick=False):
        token = default_token_generator.make_token(user)
    link = f"/accounts/reset/{urlsafe_base64_encode(force_bytes(user.pk))}/{token}/"
    for minutes, opens in ((59, True), (61, False)):
        with time_machine.travel(now + timedelta(minutes=minutes), tick=False):
            assert ('name="new_password1"' in Client().get(link, follow=True).content.decode()) is opens


def test_who_guessed_too_often_waits_the_whole_quarter_of_an_hour(cast: dict[str, User]) -> None:
    form, now = {"username": "requester", "password": "wrong"}, timezone.now()
    with time_machine.travel(now, tick=False):
        for _ in range(5):
            Client().post("/accounts/login/", form)
    with time_machine.travel(now + timedelta(minutes=14), tick=False):
        assert Client().post("/accounts/login/", form | {"password": PASSWORD}).status_code == 429


# --- limits ----------------------------------------------------------------------------------------------------------
def test_what_one_request_may_hold_is_small() -> None:
    """The other test sends one byte more than the setting, whatever it is."""
    assert site.DATA_UPLOAD_MAX_MEMORY_SIZE <= 2 * 1024 * 1024
    assert site.DATA_UPLOAD_MAX_NUMBER_FIELDS <= 1_000 and site.DATA_UPLOAD_MAX_NUMBER_FILES <= 100


# --- deactivated people ----------------------------------------------------------------------------------------------
def test_whoever_is_deactivated_may_nothing_of_their_own() -> None:
    """Their sessions end with the next request: this holds for the request that is under way."""
    person = factories.person()
    pending, created = factories.submitted(person), factories.request_in(Status.CREATED, person)
    pausing = factories.request_in(Status.CREATED, person)
    change = workflow.ask_for_change(by=person, conn_request=pausing, kind=ChangeKind.PAUSE, reason="x")
    handover = handed_over(person, person.username)
    batch = filed(person)
    Connection.objects.filter(request=created).update(tests="done")
    attempts: dict[str, Callable[[], object]] = {
        "file": lambda: permissions.check_can_file(person),
        "edit": lambda: permissions.check_can_edit(person, pending),
        "withdraw": lambda: permissions.check_can_withdraw(person, pending),
        "clone": lambda: permissions.check_can_clone(person, pending),
        "copy": lambda: permissions.check_can_copy_live(person, str(created.connection_id)),
        "test": lambda: permissions.check_can_rerun_tests(person, ConnectionRequest.objects.get(pk=created.pk)),
        "change": lambda: permissions.check_can_ask_for_change(person, created),
        "withdraw the change": lambda: permissions.check_can_withdraw_change(person, change),
        "own": lambda: permissions.check_is_source_owner(person, handover),
        "pass on": lambda: permissions.check_can_pass_on(person, handover),
        "revoke": lambda: permissions.check_can_revoke(person, handover),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except Denied as denied:
            pytest.fail(f"before, they may {name}: {denied}")
    person.is_active = False
    for name, attempt in attempts.items():
        with pytest.raises(Denied), transaction.atomic():
            attempt()
            pytest.fail(name)
    assert not permissions.visible_to(person).exists()
    assert not permissions.changes_visible_to(person).exists()
    assert not permissions.batches_visible_to(person).filter(pk=batch.pk).exists()
    assert not permissions.oversees(person, created)
