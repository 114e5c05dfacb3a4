"""What Fivetran offers, as the last good answer of each list said."""

from django.conf import settings
from django.db import models


class Kind(models.TextChoices):
    ACCOUNT = "account", "Account"
    SERVICE = "service", "Services"
    GROUP = "group", "Groups"
    DESTINATION = "destination", "Destinations"
    PRIVATE_LINK = "private_link", "Private links"
    PROXY_AGENT = "proxy_agent", "Proxy agents"
    HYBRID_AGENT = "hybrid_agent", "Hybrid deployment agents"
    CONNECTION = "connection", "Connections"


class CatalogEntry(models.Model):
    """One thing of the Fivetran account, as its list call described it."""

    kind = models.CharField(max_length=20, choices=Kind.choices)
    fivetran_id = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    data = models.JSONField(default=dict)
    # A service's own metadata call (its config and auth fields), fetched when first needed.
    detail = models.JSONField(null=True)
    detail_at = models.DateTimeField(null=True)
    # A fetch that failed is not tried again at once, whoever opens the form.
    detail_tried_at = models.DateTimeField(null=True)
    # Of a connection, whose name is its schema: the hash of the source that it reads (`connections.spec.source_key`).
    source_key = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["name", "fivetran_id"]
        verbose_name = "offer of Fivetran"
        verbose_name_plural = "offers of Fivetran"
        constraints = [models.UniqueConstraint(fields=["kind", "fivetran_id"], name="one_entry_per_thing")]
        indexes = [
            models.Index(fields=["kind", "name"], name="entry_by_name"),
            models.Index(fields=["source_key"], name="entry_by_source"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.fivetran_id})"


class CatalogRefresh(models.Model):
    """When somebody last asked for a kind, when it was last tried and fetched, and the last error."""

    kind = models.CharField(max_length=20, choices=Kind.choices, unique=True)
    asked_at = models.DateTimeField(null=True)  # when a person pressed Refresh
    tried_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.kind


def known_account() -> str:
    """The API root and, once Fivetran told it, the id of the account behind the key: `https://… account_id`."""
    entry = CatalogEntry.objects.filter(kind=Kind.ACCOUNT).first()
    return f"{settings.FIVETRAN_BASE_URL} {entry.fivetran_id if entry else ''}".strip()
