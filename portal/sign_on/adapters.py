"""Where django-allauth asks what the portal wants: no sign-up, one account a person, roles from the directory."""

import logging
import re
from typing import Any
from urllib.parse import urlencode

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.providers.base.constants import AuthError
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from portal.logs import one_line
from portal.middleware import client_address
from portal.sign_on import roles, words
from portal.sign_on.accounts import Refused, account_of
from portal.sign_on.outgoing import Bounded
from portal.sign_on.record import not_let_in, of_local_log_in

log = logging.getLogger(__name__)


class LocalAccounts(DefaultAccountAdapter):
    """Accounts with a password here."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: Any) -> None:
        user.door = self._door(request, user)
        # One name for every door: a session says by it where the person is looked up.
        user.backend = "django.contrib.auth.backends.ModelBackend"
        super().login(request, user)

    def _door(self, request: HttpRequest, user: Any) -> dict[str, Any]:
        """How the person came in: by which provider or password, and with which second factor."""
        found = {"door": "ldap" if "ldap" in getattr(user, "backend", "") else "password"}
        for step in get_authentication_records(request, user):
            found |= {"door": step["provider"]} if "provider" in step else {}
            found |= {"factor": step["type"]} if step["method"] == "mfa" else {}
        emergency = found["door"] == "password" and not settings.LOCAL_ACCOUNTS
        return {**found, "while_local_accounts_are_off": True} if emergency else {**found}

    def get_login_stages(self) -> list[str]:
        return ["portal.sign_on.second_factor.log_in.CodeStage"]

    def post_login(self, request: HttpRequest, user: Any, **how: Any) -> HttpResponse:
        by_password = "sociallogin" not in (how.get("signal_kwargs") or {})
        if by_password and not settings.LOCAL_ACCOUNTS and user.has_usable_password():
            of_local_log_in(user, client_address(request))
        answer: HttpResponse = super().post_login(request, user, **how)
        return answer

    def is_safe_url(self, url: str) -> bool:
        return url_has_allowed_host_and_scheme(url, {self.request.get_host()}, require_https=self.request.is_secure())

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return str(settings.LOGIN_REDIRECT_URL)

    def add_message(self, *_arguments: Any, **_more: Any) -> None:
        pass  # "Successfully signed in as …": one sees that

    def send_notification_mail(self, *_arguments: Any, **_more: Any) -> None:
        pass

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        not_let_in("password", "the account is not active", user=user)
        return refusal(request, "Your account here is closed. Ask an administrator.", status=403)


class CompanyAccounts(DefaultSocialAccountAdapter):
    """People of the company's provider."""

    def get_requests_session(self) -> requests.Session:
        return Bounded(settings.OIDC_CA_BUNDLE)

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[Any]:
        # Those of the environment alone: allauth would ask the database at each log-in for one that nobody can enter.
        from allauth.socialaccount.adapter import _build_apps_from_settings

        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        # Who it is, is known by now and no form follows; allauth's own ways to an account are not taken.
        try:
            if getattr(sociallogin, "nonce", None) != sociallogin.state.get("nonce"):
                raise Refused(words.BROKEN, "the token is of another log-in (claim nonce)")
            user = account_of(sociallogin.person)
        except Refused as refused:
            person = sociallogin.person
            log.warning("nobody was logged in by %s: %s", person.provider, refused.why)
            not_let_in(person.provider, refused.on_record, user=refused.user, name=person.known_as)
            wanted = str(sociallogin.state.get("next") or "")
            raise ImmediateHttpResponse(refusal(request, str(refused), status=403, wanted=wanted)) from None
        if sociallogin.groups is None:  # not the same as none: as a rule the provider was not told to send them
            log.info("%s named no groups of user %s: its answer lacks the claim", sociallogin.person.provider, user.pk)
        roles.apply(user, roles.named_groups(sociallogin.groups), sociallogin.person.provider)
        sociallogin.user = user
        sociallogin.account.user = user

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, extra_context: Any = None
    ) -> None:
        said = {name: one_line(request.GET.get(name, ""))[:300] for name in ("error", "error_description")}
        stale = "state_id" in (extra_context or {}) and "state" not in (extra_context or {})
        log.warning(
            "nobody was logged in by %s: %s %s %s",
            provider.app.provider_id,
            "the answer belongs to no log-in" if stale else one_line(describe(exception))[:300] if exception else error,
            said["error"],
            said["error_description"],
        )
        not_let_in(provider.app.provider_id, why_in_short(stale, exception, said["error"]))
        wanted = str(((extra_context or {}).get("state") or {}).get("next") or request.GET.get("next", ""))
        status, told = 403, words.REFUSED if said["error"] else words.BROKEN
        if isinstance(exception, Refused):
            told = str(exception)
        elif isinstance(exception, requests.RequestException) and exception.response is None:
            status, told = 503, words.AWAY
        elif error == AuthError.CANCELLED or said["error"] == "access_denied":
            told = words.CANCELLED
        elif stale:
            told = words.STALE
        raise ImmediateHttpResponse(refusal(request, told, status=status, wanted=wanted))


def why_in_short(stale: bool, exception: BaseException | None, said: str) -> str:
    """For the record: nothing of what somebody may have written into the address."""
    if isinstance(exception, Refused):
        return exception.on_record
    if said:
        return "the provider turned the person away, or the person turned back"
    if stale:
        return "the answer belongs to no log-in"
    return f"the answer could not be used: {type(exception).__name__}" if exception else "the answer could not be used"


def describe(error: BaseException) -> str:
    """The error in a line, for operators."""
    if isinstance(error, Refused):
        return error.why
    # The whole answer of the token's address may stand in it, with tokens.
    said = re.findall(r'"(error(?:_description)?)":\s*"([^"]{1,200})"', str(error))
    text = " ".join(f"{name}: {value}" for name, value in said) if said else str(error).partition(": b")[0]
    return f"{type(error).__name__}: {text}"


def refusal(request: HttpRequest, told: str, *, status: int, wanted: str = "") -> HttpResponse:
    """The page for somebody who was not logged in, and who wanted to open `wanted`; the log-in page judges it."""
    query = f"?{urlencode({'next': wanted})}" if wanted else ""
    context = {"words": told, "log_in": f"{reverse('login')}{query}"}
    return render(request, "sign_on/refused.html", context, status=status)
