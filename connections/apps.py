"""The product as a Django app."""

from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "connections"

    def ready(self) -> None:
        from connections import (
            checks,  # noqa: F401  # they register themselves by being imported
            recording,
        )
        from connections.notifications import tell_of_account
        from portal.sign_on.record import recorded

        recording.begin()
        recorded.connect(tell_of_account, dispatch_uid="connections.tell_of_account")
