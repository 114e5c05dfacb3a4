"""The company's OpenID Connect provider (authorization code flow with PKCE), by django-allauth."""

import logging
import secrets
from collections.abc import Mapping
from typing import Any

import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialToken
from allauth.socialaccount.providers.base import ProviderException
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from portal import sessions
from portal.sign_on import words
from portal.sign_on.accounts import Person, Refused
from portal.sign_on.addresses import address_of
from portal.sign_on.outgoing import Kept

log = logging.getLogger(__name__)
PROVIDER_ID = "company"
discovered, keys = Kept[dict[str, Any]](300), Kept[Any](300)  # they change with a new key, a few times a year


class CompanyProvider(OpenIDConnectProvider):
    """Named in SOCIALACCOUNT_PROVIDERS; asks for what the person and their groups are called, and keeps none of it."""

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        return reverse("openid_connect_login")

    def get_oauth2_adapter(self, request: HttpRequest) -> "CompanyAdapter":
        known: CompanyAdapter | None = self.__dict__.get("_adapter")
        self._adapter = known or CompanyAdapter(request)  # one, so that the discovery document is read once
        return self._adapter

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        # None that stands in an address. Entra ID, Google and Keycloak refuse a scope that they do not have.
        supported = self.get_oauth2_adapter(request).openid_config.get("scopes_supported")
        groups = ["groups"] if isinstance(supported, list) and "groups" in supported else []
        return list(dict.fromkeys([*settings.OIDC_SCOPES, *groups]))

    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, str]:
        return dict(self.get_auth_params())

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        # Nor the process: to join an account by an address is nobody's to ask for.
        kwargs = super().get_redirect_from_request_kwargs(request)
        # Kept with the state: the token has to hold it, or its code was taken from another log-in. PKCE says the same,
        # where the provider minds it.
        nonce = secrets.token_urlsafe(16)
        return {
            **kwargs,
            "process": "login",
            "nonce": nonce,
            "auth_params": {**kwargs["auth_params"], "nonce": nonce},
        }

    def stash_redirect_state(self, request: HttpRequest, *arguments: Any, **more: Any) -> str:
        sessions.hold_briefly(request.session)
        return str(super().stash_redirect_state(request, *arguments, **more))

    def extract_uid(self, data: Mapping[str, Any]) -> str:
        return person_of(data).uid

    def extract_extra_data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {}  # it would be stored; names and groups are read where they are needed, and are old tomorrow

    def extract_common_fields(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return {}  # for an account that allauth would make

    def extract_email_addresses(self, data: Mapping[str, Any]) -> list[Any]:
        return []  # the account has one address, written where the account is found


class CompanyAdapter(OpenIDConnectOAuth2Adapter):
    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request, PROVIDER_ID)

    @property
    def openid_config(self) -> dict[str, Any]:
        return dict(discovered.get(settings.OIDC_ISSUER, self._discover))

    def _discover(self) -> dict[str, Any]:
        config = super().openid_config
        # A document of another issuer would have people of that one taken for the company's (RFC 8414, 3.3).
        if not isinstance(config, dict) or config.get("issuer") != settings.OIDC_ISSUER:
            self.__dict__.pop("_openid_config", None)
            raise ProviderException("the discovery document names another issuer than OIDC_ISSUER")
        return dict(config)

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return f"{settings.PUBLIC_URL}{reverse('openid_connect_callback')}"  # as it is registered there

    def complete_login(self, request: HttpRequest, app: Any, token: SocialToken, **kwargs: Any) -> Any:
        id_token = kwargs["response"].get("id_token")
        if not isinstance(id_token, str):
            raise ProviderException("the answer has no id_token")
        claims = self._decode_id_token(app, id_token)
        userinfo = self._fetch_user_info(token.token) if self.openid_config.get("userinfo_endpoint") else {}
        # OpenID Connect Core 5.3.2: an answer about somebody else is not to be used.
        if userinfo and userinfo.get("sub") != claims.get("sub"):
            raise ProviderException("userinfo and id_token name two subjects")
        data = merged(claims, userinfo)
        login = self.get_provider().sociallogin_from_response(request, data)
        login.person, login.groups = person_of(data), data.get(settings.OIDC_GROUPS_CLAIM)
        left_out = claims.get("_claim_names")  # Entra ID, for somebody in more than 200 groups
        if isinstance(left_out, dict) and settings.OIDC_GROUPS_CLAIM in left_out:
            log.error("the provider left out the groups, because they are too many: the person has no role by them")
        login.nonce = claims.get("nonce")
        return login

    def _decode_id_token(self, app: Any, id_token: str) -> dict[str, Any]:
        # allauth trusts TLS here and looks at no signature; nor does it know a clock that is off.
        from portal.sign_on import id_token as tokens  # brings cryptography, 8 MB: only where somebody logs in

        known = keys.get(
            self.openid_config["jwks_uri"], self._fetch_keys, lambda found: tokens.has_key_of(id_token, found)
        )
        return tokens.claims_of(id_token, known, audience=app.client_id, issuer=settings.OIDC_ISSUER)

    def _fetch_keys(self) -> Any:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.openid_config["jwks_uri"])
            answer.raise_for_status()
        return answer.json()

    def _fetch_user_info(self, access_token: str) -> dict[str, Any]:
        with get_adapter().get_requests_session() as session:
            answer = session.get(self.profile_url, headers={"Authorization": f"Bearer {access_token}"})
            answer.raise_for_status()
        data = answer.json()
        if not isinstance(data, dict):  # or a signed token, which needs a key of the client's
            raise ProviderException("the answer of userinfo is no JSON object")
        return data


def merged(claims: Mapping[str, Any], userinfo: Mapping[str, Any]) -> dict[str, Any]:
    """What is signed comes first; the address and whether it is verified are of one document."""
    data = {**userinfo, **claims}
    source = claims if claims.get("email") else userinfo
    for name in ("email", settings.OIDC_EMAIL_VERIFIED_CLAIM):
        data[name] = source.get(name)
    return data


def person_of(data: Mapping[str, Any]) -> Person:
    """Raises Refused where there is no stable subject."""
    issuer, subject = data.get("iss"), data.get("sub")
    if not (isinstance(subject, str) and subject.strip() and isinstance(issuer, str) and issuer):
        raise Refused(words.NO_SUBJECT, "the provider sent no subject (claim sub)")
    return Person(
        provider=PROVIDER_ID,
        issuer=issuer,
        subject=subject,
        email=address_of(data.get("email")),
        email_is_verified=data.get(settings.OIDC_EMAIL_VERIFIED_CLAIM) in _TRUE,
        name=_text(data.get("preferred_username")),
        first_name=_text(data.get("given_name")) or _text(data.get("name")).partition(" ")[0],
        last_name=_text(data.get("family_name")) or _text(data.get("name")).partition(" ")[2],
    )


_TRUE = (True, "true", "1")  # the last two: Cognito, Entra ID


def _text(value: Any) -> str:
    return value[:254] if isinstance(value, str) and "\0" not in value else ""


UNREACHABLE = (requests.RequestException, OSError)
