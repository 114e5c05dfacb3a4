"""The log-in page, and the way to the company's provider and back."""

import logging
from json import JSONDecodeError
from typing import Any, cast

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base import ProviderException
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, PasswordResetDoneView
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.views.decorators.http import require_safe

from portal.fetch_metadata import by_a_click
from portal.sign_on.accounts import Refused
from portal.sign_on.doors import companies, password_ended
from portal.sign_on.oidc import UNREACHABLE, CompanyAdapter

log = logging.getLogger(__name__)
_NOT_ALLOWED = "Your account is not allowed to open that page. Log in with another one, or go"
_LOGGED_IN = "You are logged in already. Log in with another account, or go"


class LogIn(LoginView):
    """By a password here, and by the company's provider."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        # The password is the first step; django-allauth leads on to the second where there is one.
        user = form.get_user()
        begun = Login(user=user, redirect_url=self.get_success_url(), email_verification="none")
        answer: HttpResponse = perform_password_login(self.request, {"username": user.get_username()}, begun)
        return answer

    def get_form(self, form_class: Any = None) -> AuthenticationForm:
        form = super().get_form(form_class)
        if ended := password_ended():
            form.error_messages = form.error_messages | {
                "invalid_login": f"{form.error_messages['invalid_login']} {ended}"
            }
        if companies() and not self._asked_for_password():
            form.fields["username"].widget.attrs.pop("autofocus", None)  # the button is before the form
        return form

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        # The form is sent to the portal's own door, whichever one showed it.
        after = context["next"] or (resolve_url(self.next_page) if self.next_page else "")
        for_all = settings.LOCAL_ACCOUNTS or settings.LDAP_IS_ON
        return context | {
            "next": after,
            "logged_in": (_NOT_ALLOWED if after else _LOGGED_IN) if self.request.user.is_authenticated else "",
            "companies": companies(),
            "with_password": for_all or self._asked_for_password(),
            "administrators_alone": not for_all,
        }

    def _asked_for_password(self) -> bool:
        return "local" in self.request.GET or self.request.method == "POST"


class PasswordResetDone(PasswordResetDoneView):
    """Who has no password here gets no mail, and reads why."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        return context | {"password_ended": password_ended()}


@login_not_required
@require_safe
@by_a_click
def begin(request: HttpRequest) -> HttpResponseBase:
    """To the provider, which leads back to `finish`."""
    provider = _provider(request)
    try:
        return cast(HttpResponseBase, provider.redirect_from_request(request))
    except ImmediateHttpResponse as refused:
        return cast(HttpResponseBase, refused.response)
    except (ProviderException, AttributeError, KeyError, TypeError, ValueError, *UNREACHABLE) as error:
        return _failed(request, provider, error)


@login_not_required
@require_safe
def finish(request: HttpRequest) -> HttpResponseBase:
    """With the provider's answer: whoever it names is logged in, or told why not."""
    provider = _provider(request)
    try:
        view = OAuth2CallbackView.adapter_view(CompanyAdapter(request))
        return cast(HttpResponseBase, view(request))
    except (Refused, AttributeError, KeyError, TypeError, ValueError, *UNREACHABLE) as error:
        return _failed(request, provider, error)


def _provider(request: HttpRequest) -> Any:
    if not settings.OIDC_ISSUER:
        raise Http404
    return CompanyAdapter(request).get_provider()


def _failed(request: HttpRequest, provider: Any, error: Exception) -> HttpResponseBase:
    if isinstance(error, AttributeError | KeyError | TypeError | ValueError) and not isinstance(error, JSONDecodeError):
        log.exception("the provider's answer was of another shape than expected, or this is an error of the portal")
    try:
        get_adapter().on_authentication_error(request, provider, exception=error)
    except ImmediateHttpResponse as refused:
        return cast(HttpResponseBase, refused.response)
    raise AssertionError("unreachable: the adapter always answers")
