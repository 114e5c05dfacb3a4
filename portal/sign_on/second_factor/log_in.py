"""Between the right password and the session: the code, or the passkey. Until then nobody is logged in."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.stages import LoginStage, LoginStageController
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from portal import throttle
from portal.sign_on import second_factor
from portal.sign_on.local_accounts import has_local_password
from portal.sign_on.record import Topic, not_let_in, put_on_record
from portal.sign_on.second_factor import codes, passkeys
from portal.sign_on.second_factor.encryption import Unreadable
from portal.sign_on.second_factor.forms import Code

_TOO_MANY = (
    "Too many wrong codes were typed for this account. Wait a quarter of an hour, then type one. If it was not you, "
    "somebody has your password: change it."
)
_UNREADABLE = (
    "Your second factor cannot be read: the portal’s secret key was changed. Log in with a passkey if you have one, or "
    "ask an administrator to remove the second factor, then set it up anew."
)
_NOT_ACCEPTED = "That passkey was not accepted. Try again, or use a code."


class CodeStage(LoginStage):
    """Named in the adapter's stages: django-allauth keeps who is half-way through, for ACCOUNT_LOGIN_TIMEOUT."""

    key = "second_factor"
    urlname = "log_in_code"

    def handle(self) -> tuple[HttpResponseBase | None, bool]:
        # People of the company's provider were asked there.
        by_password = "sociallogin" not in (self.login.signal_kwargs or {})
        if not (by_password and has_local_password(self.login.user) and second_factor.is_set_up(self.login.user)):
            return None, True
        # Neither a session of somebody else, nor one that somebody else may know, goes half-way.
        if self.request.user.is_authenticated:
            logout(self.request)
        else:
            self.request.session.cycle_key()
        self.state["password"] = self.login.user.get_session_auth_hash()
        return redirect(self.urlname), True


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponseBase:
    """The page that asks for the code or the passkey."""
    stage = _stage_of(request)
    if stage is None:
        return redirect(settings.LOGIN_REDIRECT_URL if request.user.is_authenticated else "login")
    user: User = stage.login.user
    if request.method != "POST":
        return _page(request, user)
    if (closed := throttle.closed_to(request, user)) is not None:
        not_let_in("password", "too many wrong passwords or codes from this address", user=user)
        return closed
    if "credential" in request.POST:
        return _by_passkey(request, stage)
    return _by_code(request, stage)


@login_not_required
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """What the browser needs for a passkey of the person who is half-way."""
    stage = _stage_of(request)
    if stage is None:
        raise Http404
    from portal.sign_on.second_factor import webauthn  # see passkeys.py

    return JsonResponse(webauthn.begin_log_in(request, stage.login.user))


def _by_passkey(request: HttpRequest, stage: LoginStage) -> HttpResponseBase:
    from portal.sign_on.second_factor import webauthn  # see passkeys.py

    try:
        passkey = webauthn.check(request, stage.login.user, request.POST["credential"])
    except passkeys.NotAccepted:
        not_let_in("password", "the passkey was not accepted", user=stage.login.user)
        return _page(request, stage.login.user, words=_NOT_ACCEPTED, status=403)
    return _let_in(request, stage, passkey)


def _by_code(request: HttpRequest, stage: LoginStage) -> HttpResponseBase:
    user: User = stage.login.user
    form = _form(user, request.POST)
    try:
        if form.is_valid():
            return _let_in(request, stage, form.factor)
    except Unreadable:
        codes.log.error("the second factor of user %s was encrypted by another SECRET_KEY", user.pk)
        not_let_in("password", "the second factor cannot be read", user=user)
        return _page(request, user, words=_UNREADABLE, status=403)
    except codes.TooManyWrong:
        not_let_in("password", "too many wrong codes for this account", user=user)
        return _page(request, user, words=_TOO_MANY, status=429)
    throttle.count_wrong(request, user)  # the page that says so is the middleware's
    return _page(request, user, form)


def _let_in(request: HttpRequest, stage: LoginStage, factor: Authenticator) -> HttpResponseBase:
    factor.record_usage()
    user: User = stage.login.user
    record_authentication(request, user, method="mfa", id=factor.pk, type=factor.type)
    if factor.type == Authenticator.Type.RECOVERY_CODES:
        left = second_factor.unused_codes(factor)
        put_on_record(user, f"Logged in by a recovery code; {left} are left.", topic=Topic.SECOND_FACTOR, tell=[user])
    answer: HttpResponseBase = stage.exit()
    return answer


def _stage_of(request: HttpRequest) -> LoginStage | None:
    """Where somebody is half-way, whose password is still the one that was typed."""
    if request.user.is_authenticated:
        return None
    stage = LoginStageController.enter(request, CodeStage.key)
    user = stage.login.user if stage else None
    if user is None or not user.is_active or stage.state.get("password") != user.get_session_auth_hash():
        return None
    return stage


def _form(user: User, data: Any = None) -> Code:
    return Code(user, data, has_app=Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def _page(
    request: HttpRequest, user: User, form: Code | None = None, *, words: str = "", status: int = 200
) -> HttpResponse:
    has_passkey, possible = bool(passkeys.passkeys_of(user)), passkeys.are_possible(request)
    context = {
        "form": form or _form(user),
        "words": words,
        "with_passkey": has_passkey and possible,
        "without_name": has_passkey and not possible,
        "by_name": passkeys.place_with_name(request, reverse("login")),
    }
    return render(request, "sign_on/second_factor/log_in.html", context, status=status)
