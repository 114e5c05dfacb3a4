"""The app that holds the table of roles; its rows from the environment are stored by `migrate`."""

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_delete, post_migrate, post_save


class SignOnConfig(AppConfig):
    name = "portal.sign_on"
    label = "sign_on"
    verbose_name = "Sign-on"

    def ready(self) -> None:
        from portal.sign_on import checks, session_limit  # noqa: F401  # checks register themselves
        from portal.sign_on.roles import store_configured, take_back, take_back_of_link
        from portal.sign_on.second_factor import name_unknown_groups, remember_what_is_owed

        _check_doors()
        if settings.SAML_METADATA:
            _check_document(settings.SAML_METADATA)

        for change in (post_save, post_delete):
            change.connect(take_back, sender="sign_on.DirectoryRole", dispatch_uid=f"portal.sign_on.take_back.{change}")
        post_delete.connect(take_back_of_link, sender="socialaccount.SocialAccount", dispatch_uid="portal.sign_on.link")
        post_migrate.connect(lambda **_kwargs: store_configured(), sender=self, weak=False)
        post_migrate.connect(lambda **_kwargs: name_unknown_groups(), sender=self, weak=False)
        user_logged_in.connect(session_limit.begin, dispatch_uid="portal.sign_on.session_limit")
        user_logged_in.connect(remember_what_is_owed, dispatch_uid="portal.sign_on.remember_what_is_owed")


def _check_doors() -> None:
    if not (settings.LOCAL_ACCOUNTS or settings.OIDC_ISSUER or settings.SAML_IS_ON or settings.LDAP_IS_ON):
        raise ImproperlyConfigured(
            "LOCAL_ACCOUNTS is off, and no log-in of the company is set up: nobody could log in. Set OIDC_ISSUER, "
            "SAML_METADATA_URL or LDAP_URL, or leave LOCAL_ACCOUNTS on."
        )


def _check_document(document: str) -> None:
    # A file does not mend itself, unlike an address: whoever starts the portal reads what is wrong with it.
    from portal.sign_on.accounts import Refused
    from portal.sign_on.saml_metadata import parse

    try:
        parse(document.encode())
    except Refused as refused:
        raise ImproperlyConfigured(
            f"SAML_METADATA is not usable: {refused.why}. Set SAML_METADATA_FILE to the file that your provider gives."
        ) from None
