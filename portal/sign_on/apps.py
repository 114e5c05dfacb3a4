"""The app that holds the table of roles; its rows from the environment are stored by `migrate`."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SignOnConfig(AppConfig):
    name = "portal.sign_on"
    label = "sign_on"
    verbose_name = "Sign-on"

    def ready(self) -> None:
        from portal.sign_on.roles import store_configured

        post_migrate.connect(lambda **_kwargs: store_configured(), sender=self, weak=False)
