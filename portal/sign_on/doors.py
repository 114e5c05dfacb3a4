"""The company's log-ins that have a button; the one by LDAP has the form for names and passwords."""

from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse


@dataclass(frozen=True)
class Company:
    name: str
    url: str


def companies() -> list[Company]:
    oidc, saml = settings.OIDC_NAME, settings.SAML_NAME
    if settings.OIDC_ISSUER and settings.SAML_IS_ON and oidc == saml:  # two buttons that nobody could tell apart
        oidc, saml = f"{oidc} (OpenID Connect)", f"{saml} (SAML)"
    doors = [
        (settings.OIDC_ISSUER, oidc, "openid_connect_login"),
        (settings.SAML_IS_ON, saml, "saml_login"),
    ]
    return [Company(name, reverse(view)) for is_on, name, view in doors if is_on]


def password_ended() -> str:
    """For somebody whose password is not taken: that it may be none any more. Empty where no company has a button."""
    names = " or ".join(f"“Log in with {company.name}”" for company in companies())
    return f"If you have used {names} once, use it again: your password here has ended." if names else ""
