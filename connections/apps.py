"""The product as a Django app."""

from importlib.util import find_spec

from django.apps import AppConfig


class ConnectionsConfig(AppConfig):
    """Registers the app's system checks at start-up."""

    name = "connections"
    label = "connections"
    verbose_name = "Connections"

    def ready(self) -> None:
        """Import what registers itself by being imported."""
        if find_spec("connections.checks"):
            from connections import checks  # noqa: F401
