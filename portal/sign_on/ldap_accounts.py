"""Logging in by the password in the company's LDAP directory, by django-auth-ldap, at the portal's own form."""

import logging
from typing import Any

import ldap
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django_auth_ldap.backend import LDAPBackend, ldap_error
from django_auth_ldap.config import LDAPSearch, LDAPSettings

from portal.concurrency import AtMost
from portal.logs import one_line
from portal.sign_on import directory, roles, words
from portal.sign_on.accounts import Away, Refused, account_of
from portal.sign_on.local_accounts import is_named, is_open_to
from portal.sign_on.record import not_let_in

log = logging.getLogger(__name__)
# It writes down what was typed as the name, which is sometimes the password.
logging.getLogger("django_auth_ldap").setLevel(logging.CRITICAL + 1)


# Answers to a person's own password: an entry that has none, one that is locked or has to change it.
_REJECTED = (
    ldap.CONSTRAINT_VIOLATION,
    ldap.INAPPROPRIATE_AUTH,
    ldap.INSUFFICIENT_ACCESS,
    ldap.UNWILLING_TO_PERFORM,
)


class DirectoryAccounts(LDAPBackend):
    """A Django authentication backend."""

    _places = AtMost(4, 4)  # each may wait for a directory that hangs

    def __init__(self) -> None:
        found = LDAPSettings()
        found.SERVER_URI, found.START_TLS = settings.LDAP_URL, settings.LDAP_START_TLS
        found.BIND_DN, found.BIND_PASSWORD = settings.LDAP_BIND_DN, settings.LDAP_BIND_PASSWORD
        found.CONNECTION_OPTIONS = directory.options()
        found.USER_SEARCH = LDAPSearch(
            settings.LDAP_USER_SEARCH, ldap.SCOPE_SUBTREE, directory.search_by_name(), ["1.1"]
        )
        found.ALWAYS_UPDATE_USER = False
        self.settings = found

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Raises ValidationError where nobody can say whether the password is right: that is no wrong password, and
        nobody is kept waiting for it.
        """
        if not username or not password or is_named(username):
            return None
        try:
            directory.outage.check(settings.LDAP_URL)
            with self._places.place():
                user: User | None = super().authenticate(request, username=username, password=password)
        except Refused as refused:
            log.warning("nobody was logged in by ldap: %s", refused.why)
            not_let_in(directory.PROVIDER_ID, refused.why, user=refused.user, name=username)  # whose password is right
            raise ValidationError(str(refused)) from None
        except Away as away:
            log.warning("nobody was logged in by ldap: it does not answer: %s", one_line(str(away))[:300])
            if _has_password_here(username):  # the wrong one was typed, as far as anybody can see
                return None
            not_let_in(directory.PROVIDER_ID, "the directory does not answer")
            raise ValidationError(words.DIRECTORY_AWAY) from None
        return user

    def authenticate_ldap_user(self, ldap_user: Any, password: str) -> User | None:
        _found = ldap_user.dn  # by the portal's own account: what goes wrong here is not the person's
        user: User | None = super().authenticate_ldap_user(ldap_user, password)
        return user

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        link = ldap_user.connection
        entry = directory.read(link, ldap_user.dn)
        if entry is None:
            raise Refused(words.GONE, "the entry was gone after its password had been right")
        person, groups = directory.person_of(entry), directory.groups_of(link, entry)
        user = account_of(person)
        roles.apply(user, roles.named_groups(groups), directory.PROVIDER_ID)
        known = SocialAccount.objects.filter(provider=directory.PROVIDER_ID, uid=person.uid)
        known.update(extra_data={"subject": entry.subject}, last_login=timezone.now())
        return user, False

    def get_all_permissions(self, user: Any, obj: Any = None) -> set[str]:
        return set()  # those of the portal's own groups are Django's backend's


def _raise_away(context: str, exception: BaseException, **_more: Any) -> None:
    # django-auth-ldap would take it for a wrong password, and the throttle would count it.
    if context == "authenticate" and isinstance(exception, _REJECTED):
        log.info("the directory rejected a person for another reason than the password: %s", type(exception).__name__)
        return
    raise directory.away(exception) from None


ldap_error.connect(_raise_away, dispatch_uid="portal.sign_on.ldap_accounts")


def _has_password_here(username: str) -> bool:
    user = User.objects.filter(username=username).first()
    return user is not None and user.has_usable_password() and is_open_to(username)
