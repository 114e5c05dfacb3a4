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
        from portal.sign_on.roles import store_configured, take_back
        from portal.sign_on.second_factor import remember_what_is_owed

        if settings.SAML_METADATA:
            _check_document(settings.SAML_METADATA)

        for change in (post_save, post_delete):
            change.connect(take_back, sender="sign_on.DirectoryRole", dispatch_uid=f"portal.sign_on.take_back.{change}")
        post_migrate.connect(lambda **_kwargs: store_configured(), sender=self, weak=False)
        user_logged_in.connect(remember_what_is_owed, dispatch_uid="portal.sign_on.remember_what_is_owed")


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
