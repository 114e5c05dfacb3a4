"""A real OpenID Connect provider, and a person who goes there and comes back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from tests import processes
from tests.conftest import missing
from tests.sign_on import providers, slapd
from tests.sign_on import saml as saml_provider
from tests.sign_on.providers import Mock


@pytest.fixture(scope="session")
def oidc_process() -> Iterator[Mock]:
    """One for all tests of a run: a directory to which they only add."""
    with providers.mock() as provider:
        yield provider


@pytest.fixture
def provider(oidc_process: Mock, settings: Any, db: None, groups: None) -> Mock:
    """The company's provider, which the portal uses."""
    providers.configure(settings, oidc_process.url)
    return oidc_process


@pytest.fixture
def log_in(provider: Mock) -> Callable[..., Any]:
    """`log_in(client, "subject")` goes to the provider and back; returns the portal's answer."""

    def go(client: Client, subject: str, *, wanted: str = "", action: str = "") -> Any:
        begun = client.get("/accounts/oidc/login/", {"next": wanted} if wanted else {})
        assert begun.status_code == 302, begun.content.decode()
        back = urlsplit(provider.answers(begun["Location"], subject, action))
        return client.get(f"{back.path}?{back.query}")

    return go


@pytest.fixture(scope="session")
def saml_process() -> Iterator[saml_provider.SamlProvider]:
    with ExitStack() as stack:
        try:
            provider = stack.enter_context(saml_provider.provider())
        except processes.Missing as reason:
            missing(str(reason))
        yield provider


@pytest.fixture
def saml(saml_process: saml_provider.SamlProvider, settings: Any, groups: None) -> saml_provider.SamlProvider:
    """The company's SAML provider, which the portal uses."""
    settings.SAML_IS_ON, settings.SAML_METADATA_URL = True, f"{saml_process.url}/metadata"
    saml_process.knows(Client().get("/accounts/saml/metadata/").content.decode())
    return saml_process


@pytest.fixture(scope="session")
def slapd_process() -> Iterator[slapd.Directory]:
    with ExitStack() as stack:
        try:
            directory = stack.enter_context(slapd.running())
        except processes.Missing as reason:
            missing(str(reason))
        yield directory


@pytest.fixture
def directory(slapd_process: slapd.Directory, settings: Any, groups: None) -> slapd.Directory:
    """The company's LDAP directory, which the portal uses."""
    slapd_process.empty()
    configure_ldap(settings, slapd_process)
    return slapd_process


def configure_ldap(settings: Any, directory: slapd.Directory) -> None:
    settings.LDAP_IS_ON, settings.LDAP_URL, settings.LDAP_CA_BUNDLE = True, directory.url, directory.certificates
    settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD = f"cn=portal,{slapd.SUFFIX}", "reads"
    settings.LDAP_USER_SEARCH, settings.LDAP_GROUP_SEARCH = slapd.PEOPLE, slapd.GROUPS
    backends = settings.AUTHENTICATION_BACKENDS
    settings.AUTHENTICATION_BACKENDS = [*backends, "portal.sign_on.ldap_accounts.DirectoryAccounts"]
