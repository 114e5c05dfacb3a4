"""The pages on which people set up, look at and remove their second factor."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from io import BytesIO
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import localdate
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portal import sessions
from portal.logs import one_line
from portal.sign_on import second_factor
from portal.sign_on.local_accounts import has_local_password
from portal.sign_on.record import Topic, put_on_record
from portal.sign_on.second_factor import codes, passkeys
from portal.sign_on.second_factor.encryption import Unreadable
from portal.sign_on.second_factor.forms import App, Passkey, WithPassword

_APP, _RECOVERY = Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES
_NOT_MADE = "The passkey was not made. Try again; if it goes on, use an authenticator app instead."
_ENOUGH = f"You have {passkeys.MOST} passkeys, which is the most. Remove one that you no longer use."
_LAST = "It is your last one, and your company wants everybody in your group to have one. Add another one first."
_WHY = "With a second factor a stolen password alone opens nothing."
_FIRST = "Set one up, then the portal is open to you. It takes a minute."
_ASKED_THERE = "You log in with your company, which asks you for a second factor itself."
_NOT_ASKED = "You log in with the password of your company’s directory, beside which nothing else is asked for."
View = Callable[..., HttpResponse]
_pages = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True)
class State:
    """Whether the second factor is set up, as the overview says it."""

    tone: str
    tag: str
    words: str


def _for_local_passwords(view: View) -> View:
    """Everybody else is told who asks them."""

    @wraps(view)
    def shown(request: HttpRequest, *arguments: Any, **more: Any) -> HttpResponse:
        if not has_local_password(request.user):
            is_of_ldap = (
                settings.LDAP_IS_ON and SocialAccount.objects.filter(user=request.user, provider="ldap").exists()
            )
            return _page(request, "not_here", words=_NOT_ASKED if is_of_ldap else _ASKED_THERE)
        return view(request, *arguments, **more)

    return shown


@require_safe
@_for_local_passwords
def overview(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    app = Authenticator.objects.filter(user=user, type=_APP).first()
    found = passkeys.passkeys_of(user)
    recovery = Authenticator.objects.filter(user=user, type=_RECOVERY).first()
    return _page(
        request,
        "overview",
        app=app,
        app_is_readable=app is None or _is_readable(app),
        passkeys=[(one, one.data["name"]) for one in found],
        is_set_up=bool(app or found),
        state=_state(request, user, is_set_up=bool(app or found)),
        codes_left=second_factor.unused_codes(recovery) if recovery else 0,
    )


def _state(request: HttpRequest, user: User, *, is_set_up: bool) -> State:
    if is_set_up:
        return State("success", "On", "Besides your password the log-in asks for a code or a passkey.")
    if not request.session.get(second_factor.OWED):
        is_demanded = second_factor.is_demanded(user)  # since this session began
        return State("warning", "Needed", _WHY) if is_demanded else State("info", "Off", _WHY)
    if second_factor.was_removed(user):
        return State("warning", "Needed", f"An administrator removed your second factor. {_FIRST}")
    return State("warning", "Needed", f"Your company wants you to have a second factor. {_FIRST}")


@_pages
@_for_local_passwords
def set_up_app(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    if Authenticator.objects.filter(user=user, type=_APP).exists():
        return redirect("second_factor")
    form = App(request, request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            User.objects.select_for_update().get(pk=user.pk)  # in two windows at once: one of them
            if not Authenticator.objects.filter(user=user, type=_APP).exists():
                TOTP.activate(user, form.secret)
                codes.begin_with(user, form.step)
                _added(request, user, "Set up an authenticator app as a second factor.")
        codes.forget_offered_secret(request)
        return _after_adding(user)
    address = get_adapter().build_totp_url(user, form.secret)
    in_fours = " ".join(form.secret[start : start + 4] for start in range(0, len(form.secret), 4))
    return _page(request, "app", form=form, picture=_picture(address), secret=in_fours, address=address)


@_pages
@_for_local_passwords
def add_passkey(request: HttpRequest) -> HttpResponse:
    from portal.sign_on.second_factor import webauthn  # see passkeys.py

    user = _person(request)
    form = Passkey(request, request.POST or None)
    is_full = len(passkeys.passkeys_of(user)) >= passkeys.MOST
    words = _ENOUGH if is_full else ""
    if not is_full and form.is_valid():
        try:
            with transaction.atomic():
                webauthn.add(request, user, form.cleaned_data["credential"], form.cleaned_data["name"])
                _added(request, user, "Added a passkey as a second factor.")
            return _after_adding(user)
        except passkeys.NotAccepted:
            words = _NOT_MADE
    possible = passkeys.are_possible(request)
    return _page(
        request,
        "passkey",
        form=form,
        words=words,
        possible=possible and not is_full,
        without_name=not possible,
        by_name=passkeys.place_with_name(request, request.path),
    )


@require_POST
@_for_local_passwords
def passkey_options(request: HttpRequest) -> HttpResponse:
    from portal.sign_on.second_factor import webauthn  # see passkeys.py

    return JsonResponse(webauthn.begin_adding(request, _person(request)))


@_pages
@_for_local_passwords
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    user = _person(request)
    factor = get_object_or_404(second_factor.main_factors(user), pk=pk)
    what = f"the passkey {factor.data['name']}" if factor.type == Authenticator.Type.WEBAUTHN else "the app"
    if not second_factor.may_remove(user, factor):
        return _page(request, "remove", what=what, words=_LAST, form=None, status=403)
    form = WithPassword(request, request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            if not second_factor.remove(factor):
                return _page(request, "remove", what=what, words=_LAST, form=None, status=403)
            sessions.end_all_of(user.pk, keep=request.session.session_key)
            put_on_record(user, f"Removed a second factor: {what}.", topic=Topic.SECOND_FACTOR, tell=[user])
        return redirect("second_factor")
    return _page(request, "remove", what=what, words="", form=form)


@_pages
@_for_local_passwords
def recovery_codes(request: HttpRequest) -> HttpResponse:
    user = _person(request)
    if not second_factor.is_set_up(user):
        return redirect("second_factor")
    form = WithPassword(request, request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            Authenticator.objects.filter(user=user, type=_RECOVERY).delete()
            RecoveryCodes.activate(user)
            sessions.end_all_of(user.pk, keep=request.session.session_key)
            put_on_record(user, "Made new recovery codes.", topic=Topic.SECOND_FACTOR, tell=[user])
        return redirect("second_factor_codes")
    shown = _codes_shown_once(user) if request.method == "GET" else []
    onwards = request.session.pop(second_factor.WANTED, reverse("second_factor")) if shown else ""
    return _page(request, "codes", form=form, codes=shown, download=_as_file(user, shown), onwards=onwards)


def _as_file(user: User, shown: list[str]) -> str:
    head = f"Recovery codes of {one_line(user.get_username())} at {settings.PUBLIC_URL}, made on {localdate()}."
    text = "\n".join([head, "Each works once, in place of the app or the passkey.", "", *shown, ""])
    return f"data:text/plain;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"


def _codes_shown_once(user: User) -> list[str]:
    stored = Authenticator.objects.filter(user=user, type=_RECOVERY).first()
    if stored is None or RecoveryCodes(stored).did_view or not _is_readable(stored):
        return []
    RecoveryCodes(stored).mark_as_viewed()
    found: list[str] = RecoveryCodes(stored).get_unused_codes()
    return [f"{code[:4]} {code[4:]}" for code in found]


def _added(request: HttpRequest, user: User, words: str) -> None:
    RecoveryCodes.activate(user)  # with the first factor; later ones leave them as they are
    second_factor.settle(request, user)
    sessions.end_all_of(user.pk, keep=request.session.session_key)
    put_on_record(user, words, topic=Topic.SECOND_FACTOR, tell=[user])


def _after_adding(user: User) -> HttpResponse:
    fresh = Authenticator.objects.filter(user=user, type=_RECOVERY, data__viewed_at__isnull=True).exists()
    return redirect("second_factor_codes" if fresh else "second_factor")


def _is_readable(stored: Authenticator) -> bool:
    try:
        get_adapter().decrypt(stored.data["secret" if stored.type == _APP else "seed"])
    except Unreadable:
        return False
    return True


def _picture(address: str) -> str:
    import qrcode  # type: ignore[import-untyped]  # 4 MB, for who sets up an app
    from qrcode.image.svg import SvgPathFillImage  # type: ignore[import-untyped]

    drawn = BytesIO()
    qrcode.make(address, image_factory=SvgPathFillImage).save(drawn)
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}"


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  # the log-in is asked for before any view
    return request.user


def _page(request: HttpRequest, name: str, *, status: int = 200, **context: Any) -> HttpResponse:
    context["owed"] = bool(request.session.get(second_factor.OWED))
    return render(request, f"sign_on/second_factor/{name}.html", context, status=status)
