"""The addresses that Django brings, `/accounts/` and `/admin/`, by every role; and that no address is in no table."""

from collections.abc import Iterator
from copy import deepcopy

import pytest
from allauth.socialaccount.models import SocialAccount
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.tokens import default_token_generator
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from connections.models import (
    AccessRule,
    Attempt,
    CircuitBreaker,
    ConnectionRequest,
    PortalPolicy,
    Preset,
    ServiceRule,
    SetupTestRun,
    Team,
)
from portal.sign_on.models import DirectoryRole
from tests.views.test_url_map import ROLES, World, told, world

__all__ = ["world"]  # the fixture
pytestmark = [pytest.mark.django_db, pytest.mark.sql]
# As in tests/views/test_url_map.py; an A leads to the admin's log-in and back.
_ALL, _NONE, _POSTED = ("200 " * 8).strip(), ("405 " * 8).strip(), ("302 " * 8).strip()
_IN, _NOT_SO = "L L 200 200 200 200 200 200", "L L 405 405 405 405 405 405"
_NOTHING = "L L 404 404 404 404 404 404"
_LOST = ("404 " * 8).strip()
_AWAY = (_LOST, _NONE)
_OUT = "L L 302 302 302 302 302 302"


def _staff(code: int) -> str:
    return f"A A A A {code} A A {code}"


def _model(approver: int, superuser: int) -> str:
    return f"L L A A {approver} A A {superuser}"


_SEEN, _NOBODY, _SUPERUSER = _model(200, 200), _model(403, 403), _model(403, 200)
# route -> what each role gets by GET and by POST, without a form's fields
ACCOUNTS = {
    "login/": (_ALL, _ALL),
    "logout/": (_NOT_SO, _OUT),
    "password_change/": (_IN, _IN),
    "password_change/done/": (_IN, _NOT_SO),
    "password_reset/": (_ALL, _ALL),
    "password_reset/done/": (_ALL, _NONE),
    "reset/<uidb64>/<token>/": (_POSTED, _POSTED),  # the token leaves the address
    "reset/done/": (_ALL, _NONE),
    # Without a provider; with one see tests/sign_on.
    **dict.fromkeys(("oidc/login/", "oidc/callback/", "saml/login/", "saml/finish/", "saml/metadata/"), _AWAY),
    "saml/acs/": (_NONE, _LOST),
    "login/code/": (_POSTED, _POSTED),  # to the log-in, or on: nobody here is half-way
    "login/passkey/": (_NONE, _LOST),
    "second-factor/": (_IN, _NOT_SO),
    "second-factor/passkeys/options/": (_NOT_SO, _IN),
    **dict.fromkeys(("second-factor/app/", "second-factor/passkeys/add/"), (_IN, _IN)),
    "second-factor/recovery-codes/": (_OUT, _OUT),  # nobody here has any: to the overview
    "second-factor/<int:pk>/remove/": (_NOTHING, _NOTHING),
}
ADMIN = {
    "": (_staff(200), _staff(200)),
    "login/": ("200 200 200 200 302 200 200 302", _ALL),
    "logout/": ("A A 302 302 405 302 302 405", "A A 302 302 302 302 302 302"),
    "password_change/": (_staff(302), _staff(302)),  # to the portal's own
    "password_change/done/": (_staff(200), _staff(405)),
    "autocomplete/": (_staff(403), _staff(405)),
    "jsi18n/": (_staff(200), _staff(405)),
    "r/<path:content_type_id>/<path:object_id>/": (_staff(404), _staff(404)),
    "^(?P<app_label>auth|connections|sign_on|socialaccount|axes)/$": (_staff(200), _staff(200)),
    "(?P<url>.*)$": (_staff(404), _staff(404)),
    "auth/user/<id>/password/": (_SUPERUSER, _SUPERUSER),
}
_TO_CHANGE = _model(302, 302)
WINDOW = {  # to be looked into by all staff who may see everything, to be changed by nobody
    "": (_SEEN, _SEEN),
    "add/": (_NOBODY, _NOBODY),
    "<path:object_id>/history/": (_SEEN, _SEEN),
    "<path:object_id>/delete/": (_NOBODY, _NOBODY),
    "<path:object_id>/change/": (_SEEN, _NOBODY),
    "<path:object_id>/": (_TO_CHANGE, _TO_CHANGE),
}
# What belongs to no request is for who sees everything, and not for approvers.
OVERSEEN = {route: tuple(_SUPERUSER if one == _SEEN else one for one in codes) for route, codes in WINDOW.items()}
EDITED = dict.fromkeys(WINDOW, (_SUPERUSER, _SUPERUSER)) | {"<path:object_id>/": (_TO_CHANGE, _TO_CHANGE)}
_SAVED = (_SUPERUSER, _model(403, 302))  # no field is required
LINKS = {**EDITED, "add/": (_NOBODY, _NOBODY), "<path:object_id>/change/": (_SUPERUSER, _NOBODY)}
LOGS = EDITED | {"add/": (_NOBODY, _NOBODY), "<path:object_id>/change/": _SAVED}
POLICY = LOGS | {"": (_model(403, 302), _model(403, 302)), "<path:object_id>/delete/": (_NOBODY, _NOBODY)}
_WINDOWS = "event attempt connection handover setuptestrun notice connectionchange"
MODELS = {
    **{f"connections/{name}/": WINDOW for name in [*_WINDOWS.split(), "connectionrequest"]},
    **dict.fromkeys(("connections/servicerule/", "connections/preset/", "auth/group/", "auth/user/"), EDITED),
    "connections/accessrule/": EDITED,
    **dict.fromkeys(("connections/circuitbreaker/", "connections/catalogentry/"), OVERSEEN),
    **dict.fromkeys(("axes/accessattempt/", "axes/accesslog/", "axes/accessfailurelog/"), LOGS),
    "connections/team/": EDITED | {"<path:object_id>/change/": _SAVED},  # its group is for good
    "sign_on/directoryrole/": EDITED,
    "socialaccount/socialaccount/": LINKS,
    "connections/portalpolicy/": POLICY,
}
TABLE = {
    **{f"accounts/{route}": codes for route, codes in ACCOUNTS.items()},
    **{f"admin/{route}": codes for route, codes in ADMIN.items()},
    **{f"admin/{model}{route}": codes for model, table in MODELS.items() for route, codes in table.items()},
}


def routes(resolver: URLResolver, before: str = "") -> Iterator[str]:
    """Every route below `resolver`."""
    for one in resolver.url_patterns:
        route = before + str(one.pattern)
        if isinstance(one, URLPattern):
            yield route
        else:
            yield from routes(one, route)


def row_of(route: str) -> str:
    """The number of the first row that the admin's page is about."""
    _admin, app, model, *_rest = route.split("/")
    rows = apps.get_model(app, model)._default_manager.order_by("pk")
    rows = rows.exclude(request=None) if model == "event" else rows  # the others are for whoever reads the record
    return str(rows.values_list("pk", flat=True)[0])


@pytest.fixture
def addresses(world: World, cast: dict[str, User]) -> dict[str, str]:
    """Route -> an address of it, about a row that exists."""
    conn_request = ConnectionRequest.objects.earliest("pk")
    Attempt.objects.create(request=conn_request, call=Attempt.Call.CREATE)
    SetupTestRun.objects.create(connection=conn_request.connection)
    ServiceRule.objects.create(service="s3")
    AccessRule.objects.create(name="Finance")
    Preset.objects.create(name="Hourly")
    Team.objects.create(group=Group.objects.create(name="Sales"))
    for single in (CircuitBreaker, PortalPolicy):
        single.objects.get_or_create(pk=1)
    AccessAttempt.objects.create(username="x", failures_since_start=1)
    for log in (AccessLog, AccessFailureLog):
        log.objects.create(username="x")
    user = cast["requester"]
    DirectoryRole.objects.create(directory_group="x")
    SocialAccount.objects.create(user=user, provider="company", uid="x")
    found = {}
    for route in routes(get_resolver()):
        path = f"/{route}"
        if route.startswith("admin/r/"):
            path = "/admin/r/1/1/"
        elif "<path:object_id>" in route or "<id>" in route:
            path = path.replace("<path:object_id>", row_of(route)).replace("<id>", row_of(route))
        path = path.replace("<int:pk>", "999999999") if route.startswith("accounts/") else path
        path = path.replace("<uidb64>", urlsafe_base64_encode(force_bytes(user.pk)))
        path = path.replace("<token>", default_token_generator.make_token(user))
        path = path.replace("^(?P<app_label>auth|connections|sign_on|socialaccount|axes)/$", "connections/")
        found[route] = path.replace("(?P<url>.*)$", "nothing/")
    return found


def line(world: World, method: str, path: str) -> str:
    """What each role gets there. An A is led to the admin's log-in. A log-out ends nothing for the next question."""
    codes = []
    for role in ROLES:
        client = Client()
        client.cookies = deepcopy(world.clients[role].cookies)
        code, answer, _body = told(client, method, path)
        codes.append("A" if answer.get("Location", "").startswith("/admin/login/?next=") else code)
    return " ".join(codes)


def test_no_address_of_the_whole_map_is_left_out() -> None:
    """Those of the product stand in tests/views/test_url_map.py, by their names."""
    product = {str(one.pattern) for one in get_resolver("connections.urls").url_patterns}
    assert set(routes(get_resolver())) == product | set(TABLE), "say in TABLE for whom the new address is"


@pytest.mark.parametrize("part", ["accounts", "admin"])
def test_who_gets_which_page_of_django(world: World, addresses: dict[str, str], part: str) -> None:
    mine = {route: codes for route, codes in TABLE.items() if route.startswith(f"{part}/")}
    found = {route: tuple(line(world, method, addresses[route]) for method in ("get", "post")) for route in mine}
    assert found == mine


MAY = ("view", "add", "change", "delete")


@pytest.mark.parametrize("right", MAY)
def test_whoever_holds_one_right_of_a_model_gets_its_pages(addresses: dict[str, str], right: str) -> None:
    """By GET and by an empty POST: what the right is for; for the rest a refusal or a redirect, and never an error."""
    staff = User.objects.create(username="staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename__startswith=f"{right}_"))
    client = Client()
    client.force_login(staff)
    found: dict[str, dict[str, int]] = {}
    for model, table in MODELS.items():
        for route in table:
            answers = [client.get(addresses[f"admin/{model}{route}"]), client.post(addresses[f"admin/{model}{route}"])]
            assert {answer.status_code for answer in answers} <= {200, 302, 403, 404}, (model, route)
            found.setdefault(model, {})[route] = answers[0].status_code
    for model in ("accessrule", "preset", "servicerule", "team"):
        codes = found[f"connections/{model}/"]
        reads = right in ("view", "change")
        assert codes["<path:object_id>/change/"] == (200 if reads else 403), model
        assert codes["add/"] == (200 if right == "add" else 403), model
        assert codes["<path:object_id>/delete/"] == (200 if right == "delete" else 403), model


def test_who_may_only_look_at_a_rule_reads_all_of_it(world: World) -> None:
    rule = AccessRule.objects.create(name="Finance")
    rule.destinations.create(group_id="finance", name="Finance warehouse")
    rule.groups.create(group=Group.objects.create(name="Sales"), may_request=True)
    staff = User.objects.create(username="staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_accessrule"))
    client = Client()
    client.force_login(staff)
    page = client.get(f"/admin/connections/accessrule/{rule.pk}/change/").content.decode()
    assert all(words in page for words in ("Finance warehouse", "every one", "Sales", "nobody"))
    assert "<select" not in page and 'name="_save"' not in page
