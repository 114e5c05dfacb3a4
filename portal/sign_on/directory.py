"""The company's LDAP directory: who somebody is there, and in which groups, read by the portal's own account."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import ldap
import ldap.dn
import ldap.filter
from django.conf import settings
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from portal.sign_on.accounts import Away, Person, Refused
from portal.sign_on.addresses import address_of
from portal.sign_on.outgoing import Outage
from portal.sign_on.words import NO_SUBJECT

PROVIDER_ID = "ldap"
CONNECTING, ANSWERING = 3, 5  # seconds, in which a thread waits
MOST = 2_000  # groups of one person
# Not those of one question: who types a strange name must not close the door to all others.
_NO_ANSWER = (ldap.BUSY, ldap.CONNECT_ERROR, ldap.SERVER_DOWN, ldap.TIMEOUT, ldap.UNAVAILABLE)
_PERSON = ("mail", "givenName", "sn")


@dataclass(frozen=True)
class Entry:
    """A person's entry."""

    dn: str
    attributes: dict[str, list[bytes]]

    def text(self, name: str) -> str:
        return next(iter(self.texts(name)), "")

    def texts(self, name: str) -> list[str]:
        return [value.decode(errors="replace")[:254].replace("\0", "") for value in self._values(name)]

    @property
    def subject(self) -> str:
        """The value that never changes; as hex, since objectGUID is 16 bytes of anything."""
        values = self._values(settings.LDAP_SUBJECT_ATTRIBUTE)
        return values[0].hex() if len(values) == 1 else ""

    def _values(self, name: str) -> list[bytes]:
        return next((values for key, values in self.attributes.items() if key.lower() == name.lower()), [])


outage = Outage()


def options() -> dict[int, Any]:
    """Of each connection, in this order: the last one makes those of TLS count."""
    tls = {ldap.OPT_X_TLS_REQUIRE_CERT: ldap.OPT_X_TLS_DEMAND, ldap.OPT_X_TLS_CACERTFILE: _authorities()}
    waits = {ldap.OPT_NETWORK_TIMEOUT: CONNECTING, ldap.OPT_TIMEOUT: ANSWERING}
    return {ldap.OPT_REFERRALS: 0, **waits, **tls, ldap.OPT_X_TLS_NEWCTX: 0}


def _authorities() -> str:
    # By itself the library trusts those of its own configuration file, and nobody where that is not installed.
    usual = ssl.get_default_verify_paths().cafile or ldap.get_option(ldap.OPT_X_TLS_CACERTFILE)
    return str(settings.LDAP_CA_BUNDLE or usual or DEFAULT_CA_BUNDLE_PATH)


@contextmanager
def connection() -> Iterator[Any]:
    """Bound as the portal's own account. Raises Away."""
    outage.check(settings.LDAP_URL)
    try:
        link = ldap.initialize(settings.LDAP_URL)
        for option, value in options().items():
            link.set_option(option, value)
        if settings.LDAP_START_TLS:
            link.start_tls_s()
        link.simple_bind_s(settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD)
        try:
            yield link
        finally:
            link.unbind_s()
    except ldap.LDAPError as error:
        raise away(error) from None


def away(error: BaseException) -> Away:
    """What `error` of the directory is for operators. Where it does not answer at all nobody asks again at once."""
    said = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    why = _refused_certificate() if isinstance(error, ldap.SERVER_DOWN) else ""
    found = Away(f"{type(error).__name__}: {said.get('desc', '')} {why or said.get('info', '')}".strip())
    if isinstance(error, _NO_ANSWER):
        outage.begins(settings.LDAP_URL, found)
    return found


def _refused_certificate() -> str:
    # Of a certificate that is not accepted the library says no more than that it cannot connect.
    place = urlsplit(settings.LDAP_URL)
    if place.scheme != "ldaps" or not place.hostname:
        return ""
    context = ssl.create_default_context(cafile=settings.LDAP_CA_BUNDLE or None)
    try:
        with socket.create_connection((place.hostname, place.port or 636), timeout=2) as plain:
            context.wrap_socket(plain, server_hostname=place.hostname).close()
    except OSError as error:
        return str(error)
    return ""


def search_by_name() -> str:
    """By one attribute, so that each name finds one person, however it is spelled."""
    own = settings.LDAP_USER_FILTER.replace("%", "%%")  # the whole is a template of that kind
    return f"(&{own}({settings.LDAP_USER_ATTRIBUTE}=%(user)s))"


def read(link: Any, dn: str) -> Entry | None:
    found = link.search_s(dn, ldap.SCOPE_BASE, settings.LDAP_USER_FILTER, _attributes())
    return Entry(*found[0]) if found else None


def with_subject(link: Any, subject: str) -> Entry | None:
    """Who has this subject now, wherever in the directory, under whatever name."""
    value = bytes.fromhex(subject)
    escaped = "".join(f"\\{byte:02x}" for byte in value)
    wanted = f"(&{settings.LDAP_USER_FILTER}({settings.LDAP_SUBJECT_ATTRIBUTE}={escaped}))"
    found = link.search_s(settings.LDAP_USER_SEARCH, ldap.SCOPE_SUBTREE, wanted, _attributes())
    people = [Entry(dn, attributes) for dn, attributes in found if dn is not None]
    return people[0] if len(people) == 1 else None


def groups_of(link: Any, entry: Entry) -> list[str]:
    """The groups by name and by DN."""
    if not settings.LDAP_GROUP_SEARCH:
        return []
    escape = ldap.filter.escape_filter_chars
    name = entry.text(settings.LDAP_USER_ATTRIBUTE)
    wanted = settings.LDAP_GROUP_FILTER.replace("{name}", escape(name)).replace("{dn}", escape(entry.dn))
    attribute = settings.LDAP_GROUP_ATTRIBUTE
    found = link.search_s(settings.LDAP_GROUP_SEARCH, ldap.SCOPE_SUBTREE, wanted, [attribute])
    groups = [Entry(dn, attributes) for dn, attributes in found if dn is not None]
    return [text for group in groups[:MOST] for text in (_name_of(group.text(attribute)), group.dn)]


def _name_of(text: str) -> str:
    # Whoever may make a group anywhere could call it by the DN of another one, which the table may name.
    return "" if ldap.dn.is_dn(text) else text


def person_of(entry: Entry) -> Person:
    """Raises Refused where there is no lasting subject."""
    if not entry.subject:
        raise Refused(NO_SUBJECT, f"the entry has not one {settings.LDAP_SUBJECT_ATTRIBUTE} (LDAP_SUBJECT_ATTRIBUTE)")
    email, *others = list(filter(None, map(address_of, entry.texts("mail")))) or [""]
    return Person(
        provider=PROVIDER_ID,
        issuer=settings.LDAP_SUBJECT_ATTRIBUTE.lower(),
        subject=entry.subject,
        email=email,
        email_is_verified=settings.LDAP_OWNS_ADDRESSES,
        other_emails=tuple(others),
        name=entry.text(settings.LDAP_USER_ATTRIBUTE),
        first_name=entry.text("givenName"),
        last_name=entry.text("sn"),
    )


def _attributes() -> list[str]:
    return [settings.LDAP_USER_ATTRIBUTE, settings.LDAP_SUBJECT_ATTRIBUTE, *_PERSON]
