"""A session id that somebody else may know opens nothing: not after the code, not after a log-in."""

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from connections.demo.management.commands.seed_demo import PASSWORD
from tests.handover import handed_over, mailed_code, page_of, proved

pytestmark = pytest.mark.django_db
OUTSIDE = "olga@elsewhere.example"
ASKED = "Is it you?"


def with_session(key: str) -> Client:
    """A browser with the cookie of this session."""
    client = Client()
    client.cookies["sessionid"] = key
    return client


@pytest.fixture
def planted() -> str:
    """The id of a session that a stranger made, and put into the cookies of somebody else's browser."""
    session = SessionStore()
    session["made"] = "by a stranger"
    session.save()
    return str(session.session_key)


def test_the_code_opens_nothing_for_who_knew_the_session_before(planted: str) -> None:
    row = handed_over(source_owner=OUTSIDE)
    owner, stranger = with_session(planted), with_session(planted)
    owner.post(page_of(row, "send-code/"))
    assert owner.post(page_of(row, "code/"), {"code": "000 000 00"}).status_code == 200
    assert owner.cookies["sessionid"].value == planted, "a wrong code is no proof"
    assert owner.post(page_of(row, "code/"), {"code": mailed_code(OUTSIDE)}).status_code == 302
    assert owner.cookies["sessionid"].value != planted
    assert ASKED not in owner.get(page_of(row)).content.decode()
    assert ASKED in stranger.get(page_of(row)).content.decode()
    assert not Session.objects.filter(session_key=planted).exists()


def test_a_second_code_changes_the_session_once_more_and_keeps_the_first_proof() -> None:
    first, second = handed_over(source_owner=OUTSIDE), handed_over(source_owner=OUTSIDE)
    owner = proved(first)
    before = owner.cookies["sessionid"].value
    owner.post(page_of(second, "send-code/"))
    owner.post(page_of(second, "code/"), {"code": mailed_code(OUTSIDE)})
    assert owner.cookies["sessionid"].value != before
    for row in (first, second):
        assert ASKED not in owner.get(page_of(row)).content.decode()
        assert ASKED in with_session(before).get(page_of(row)).content.decode()


@pytest.mark.parametrize("path", ["/accounts/login/", "/admin/login/"])
def test_a_log_in_opens_nothing_for_who_knew_the_session_before(cast: dict[str, User], planted: str, path: str) -> None:
    person, stranger = with_session(planted), with_session(planted)
    assert person.post(path, {"username": "admin", "password": PASSWORD}).status_code == 302
    assert person.cookies["sessionid"].value != planted
    assert person.get("/requests/").status_code == 200
    assert stranger.get("/requests/").status_code == 302
    assert not Session.objects.filter(session_key=planted).exists()


def test_another_person_at_the_same_browser_takes_over_nothing_of_the_session(cast: dict[str, User]) -> None:
    """Not the proof that the one before had entered either: it was for another person."""
    row = handed_over(source_owner=OUTSIDE)
    browser = proved(row)
    browser.force_login(cast["requester"])
    before = browser.cookies["sessionid"].value
    assert browser.post("/accounts/login/", {"username": "admin", "password": PASSWORD}).status_code == 302
    assert ASKED in browser.get(page_of(row)).content.decode()
    assert with_session(before).get("/requests/").status_code == 302


def test_the_log_out_ends_the_session_for_every_copy_of_its_cookie(cast: dict[str, User]) -> None:
    row = handed_over(source_owner=OUTSIDE)
    browser = proved(row)
    browser.force_login(cast["requester"])
    copy = with_session(browser.cookies["sessionid"].value)
    assert copy.get("/requests/").status_code == 200
    browser.post("/accounts/logout/")
    assert copy.get("/requests/").status_code == 302
    assert ASKED in copy.get(page_of(row)).content.decode()


def test_the_link_of_a_password_reset_opens_once_and_logs_nobody_in(cast: dict[str, User]) -> None:
    user = cast["requester"]
    link = f"/accounts/reset/{urlsafe_base64_encode(force_bytes(user.pk))}/{default_token_generator.make_token(user)}/"
    person, new = Client(), "a-brand-new-portal-word"
    form = person.get(link)["Location"]
    answer = person.post(form, {"new_password1": new, "new_password2": new})
    assert answer["Location"] == "/accounts/reset/done/"
    assert person.get("/requests/").status_code == 302
    assert 'name="new_password1"' not in Client().get(link, follow=True).content.decode()
