"""The product as a Django app."""

from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    name = "connections"

    def ready(self) -> None:
        from connections import checks  # noqa: F401  # they register themselves by being imported
