"""The addresses that only the demo has: who gets what there, where a click leads, and that the product has none."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.template.loader import get_template
from django.test import Client
from django.urls import URLPattern

from connections.demo import urls
from connections.demo.pages import LOG_INS
from tests.processes import ROOT
from tests.sign_on.second_factors import CODE_PAGE, code_of, is_in, type_code, with_app
from tests.views.test_redirects import ELSEWHERE
from tests.views.test_url_map import ROLES, World, told, world

__all__ = ["world"]  # the fixture
pytestmark = [pytest.mark.django_db, pytest.mark.sql]
LOG_IN = "/demo/log-in/"
_NOBODYS, _TO_LOG_IN = ("404 " * 8).strip(), ("302 " * 8).strip()
_IN, _NONE_THERE = "L L 200 200 200 200 200 200", "L L 404 404 404 404 404 404"
# route -> what each role gets by GET and by POST, without a form's fields, as in tests/views/test_url_map.py
TABLE = {
    "log-in/": (("405 " * 8).strip(), _TO_LOG_IN),  # nobody is logged in who was not chosen
    "mails/": (_IN, "L L 405 405 405 405 405 405"),
    "mails/<slug:name>/": (_NONE_THERE, "L L 405 405 405 405 405 405"),
    "mails/<slug:name>/html/": (_NONE_THERE, "L L 405 405 405 405 405 405"),
}


@pytest.fixture
def demo(settings: Any) -> None:
    """The demo's addresses beside the product's."""
    settings.ROOT_URLCONF = "connections.demo.urls"


def line(world: World, method: str, route: str) -> str:
    path = "/demo/" + route.replace("<slug:name>", "secret_key")
    return " ".join(told(world.clients[role], method, path)[0] for role in ROLES)


def test_every_address_is_listed() -> None:
    own = urls.urlpatterns[0].url_patterns
    assert {str(one.pattern) for one in own if isinstance(one, URLPattern)} == set(TABLE)


def test_who_gets_which_page(demo: None, world: World) -> None:
    found = {route: tuple(line(world, method, route) for method in ("get", "post")) for route in TABLE}
    assert found == TABLE


def test_the_product_has_none_of_them(world: World) -> None:
    """Whatever a client says of itself: nothing of a request decides which addresses there are."""
    for route in TABLE:
        assert {line(world, method, route) for method in ("get", "post")} == {_NOBODYS}, route
    said = {"Fivetran-Sandbox": "1", "X-Forwarded-For": "127.0.0.1", "X-Original-URL": LOG_IN, "Host": "localhost"}
    assert Client().post(LOG_IN, {"username": "admin"}, headers=said).status_code == 404
    page: Any = get_template("registration/login.html")
    assert page.origin.name == str(ROOT / "templates/registration/login.html")
    assert "demo" not in Client().get("/accounts/login/").content.decode()


def test_a_click_leads_to_no_other_site(demo: None, cast: dict[str, User]) -> None:
    for given in ELSEWHERE:
        answer = Client().post(LOG_IN, {"username": "approver", "next": given})
        assert answer["Location"] == LOG_INS["approver"].begins_at, given
    answer = Client().post(LOG_IN, {"username": "approver", "next": "/requests/?status=pending"})
    assert answer["Location"] == "/requests/?status=pending"


def test_a_click_opens_no_session_that_somebody_knew_before(demo: None, cast: dict[str, User]) -> None:
    client = Client()
    client.force_login(cast["requester"])
    before = client.session.session_key
    assert client.post(LOG_IN, {"username": "admin"})["Location"] == LOG_INS["admin"].begins_at
    assert client.session.session_key != before
    known = Client()
    known.cookies["sessionid"] = str(before)
    assert known.get("/")["Location"].startswith("/accounts/login/")


def test_a_click_stands_for_the_password_alone(demo: None, cast: dict[str, User]) -> None:
    secret, _ = with_app("requester")
    client = Client()
    answer = client.post(LOG_IN, {"username": "requester", "next": "/requests/?q=x"})
    assert answer["Location"] == CODE_PAGE
    assert not is_in(client)
    assert type_code(client, code_of(secret))["Location"] == "/requests/?q=x"
    assert is_in(client)


@pytest.mark.parametrize("who", ["changed", "inactive", "stranger", "sofia", "", "\0", "admin\0"])
def test_nobody_else_is_logged_in(demo: None, cast: dict[str, User], who: str) -> None:
    """Not who has another password by now, nor who left, nor anybody the demo does not offer."""
    User.objects.create_user("stranger", password="demo-portal", is_superuser=True)
    if who in ("changed", "inactive"):
        cast["admin"].is_active = who != "inactive"
        if who == "changed":
            cast["admin"].set_password("of-their-own-1")
        cast["admin"].save()
    client = Client()
    answer = client.post(LOG_IN, {"username": "admin" if who in ("changed", "inactive") else who})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/")
    assert "_auth_user_id" not in client.session
