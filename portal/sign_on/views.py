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
from django.contrib.auth.views import LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import reverse
from django.views.decorators.http import require_safe

from portal.sign_on.accounts import Refused
from portal.sign_on.oidc import UNREACHABLE, CompanyAdapter

log = logging.getLogger(__name__)


class LogIn(LoginView):
    """By a password here, and by the company's provider."""

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        # The password is the first step; django-allauth leads on to the second where there is one.
        user = form.get_user()
        begun = Login(user=user, redirect_url=self.get_success_url(), email_verification="none")
        answer: HttpResponse = perform_password_login(self.request, {"username": user.get_username()}, begun)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = "local" in self.request.GET or self.request.method == "POST"
        context: dict[str, Any] = super().get_context_data(**kwargs)
        doors = [
            (settings.OIDC_ISSUER, settings.OIDC_NAME, "openid_connect_login"),
            (settings.SAML_IS_ON, settings.SAML_NAME, "saml_login"),
        ]
        # The form is sent to the portal's own door, whichever one showed it.
        after = context["next"] or (resolve_url(self.next_page) if self.next_page else "")
        return context | {
            "next": after,
            "companies": [{"name": name, "url": reverse(view)} for is_on, name, view in doors if is_on],
            "with_password": settings.LOCAL_ACCOUNTS or settings.LDAP_IS_ON or asked,
            "administrators_alone": not (settings.LOCAL_ACCOUNTS or settings.LDAP_IS_ON),
        }


@login_not_required
@require_safe
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
