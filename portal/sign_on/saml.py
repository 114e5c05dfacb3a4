"""The company's SAML 2.0 provider (log-in that begins here; redirect there, POST back), by django-allauth."""

from typing import Any

from allauth.socialaccount.providers.saml.provider import SAMLProvider
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse

from portal import sessions

PROVIDER_ID = "saml"


class CompanySaml(SAMLProvider):
    """Named in SOCIALACCOUNT_PROVIDERS. Nothing of python3-saml is imported before somebody logs in by it."""

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        return reverse("saml_login")

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        # Without the process: to join an account by an address is nobody's to ask for.
        return {**super().get_redirect_from_request_kwargs(request), "process": "login"}

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponseRedirect:
        """Raises Away and Refused."""
        from portal.sign_on.saml_answer import ask

        address, number = ask()
        self.stash_redirect_state(request, process, next_url, data, state_id=number, **kwargs)
        return HttpResponseRedirect(address)

    def stash_redirect_state(self, request: HttpRequest, *arguments: Any, **more: Any) -> str:
        sessions.hold_briefly(request.session)
        return str(super().stash_redirect_state(request, *arguments, **more))

    def extract_uid(self, data: Any) -> str:
        return str(data.person.uid)

    def extract_extra_data(self, data: Any) -> dict[str, Any]:
        return {}  # it would be stored; names and groups are read where they are needed, and are old tomorrow

    def extract_common_fields(self, data: Any) -> dict[str, Any]:
        return {}

    def extract_email_addresses(self, data: Any) -> list[Any]:
        return []  # the account has one address, written where the account is found
