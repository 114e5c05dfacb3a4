"""Presets: prepared requests in which others fill in the rest."""

from typing import Any

from django.db import models
from django.utils.html import format_html


class PresetQuerySet(models.QuerySet["Preset"]):
    def offered(self) -> "PresetQuerySet":
        return self.filter(active=True)


class Preset(models.Model):
    """What a new request begins with, what of it is fixed or hidden, and who decides on it."""

    name = models.CharField(max_length=100, unique=True, help_text="Such as “Postgres, hourly, EU warehouse”.")
    description = models.CharField(max_length=300, blank=True, help_text="For whom it is, and what for.")
    service = models.CharField(max_length=100, blank=True, help_text="Fivetran's id of the service. Empty: any.")
    group_id = models.CharField(
        "destination", max_length=100, blank=True, help_text="Fivetran's id of the destination's group. Empty: any."
    )
    values = models.JSONField(
        default=dict,
        blank=True,
        help_text='The other values, as a JSON object of API paths: {"sync_frequency": 60, "config.host": "db"}.',
    )
    fixed = models.JSONField(default=list, blank=True, help_text="Paths that are shown and cannot be changed.")
    hidden = models.JSONField(default=list, blank=True, help_text="Paths that are not shown; they keep these values.")
    approvers = models.ForeignKey(
        "auth.Group",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="presets",
        help_text="Only members of this group who may approve decide on its requests. Empty: every approver.",
    )
    position = models.PositiveSmallIntegerField(default=100, help_text="Presets stand in this order, then by name.")
    active = models.BooleanField(default=True, help_text="Off: no longer offered. Its requests keep what it says.")

    objects = PresetQuerySet.as_manager()

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def lines(self) -> list[str]:
        """What people read below its name."""
        decided = format_html("Decided by <bdi>{}</bdi>", self.approvers) if self.approvers else ""
        return [line for line in (self.description, decided) if line]

    @property
    def begins_with(self) -> dict[str, Any]:
        """path -> value of everything that it presets, with the service and the destination."""
        chosen = {"service": self.service, "group_id": self.group_id}
        return {**{path: value for path, value in chosen.items() if value}, **self.values}

    @property
    def imposed(self) -> list[str]:
        return list(dict.fromkeys([*self.fixed, *self.hidden]))
