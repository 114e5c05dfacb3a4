"""Access rules: which groups of people may ask for, and approve, connections into which destinations."""

from django.contrib.auth.models import Group
from django.db import models

from connections.models.policy import SERVICE_LENGTH

GROUP_ID_LENGTH = 100  # as in `ConnectionRequest.group_id`


class AccessRule(models.Model):
    """Destinations and services, and the groups of people whom it lets in. As soon as an active rule names a
    destination, nobody asks for it or approves into it whom no rule lets in.
    """

    name = models.CharField(max_length=100, unique=True, help_text="Such as “Finance warehouse”.")
    active = models.BooleanField(default=True, help_text="Off: the rule counts for nothing, and can be switched on.")
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AccessGroup(models.Model):
    """What a rule lets the members of a group do. It never gives the right to approve: it narrows that right."""

    rule = models.ForeignKey(AccessRule, models.CASCADE, related_name="groups")
    # Not to be deleted while a rule names it: the rule would shut out whom it let in.
    group = models.ForeignKey(Group, models.PROTECT, related_name="access")
    may_request = models.BooleanField(default=False)
    may_approve = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "group"], name="one_entry_per_group_in_rule")]

    def __str__(self) -> str:
        return f"{self.group} in {self.rule}"


class AccessDestination(models.Model):
    """A destination of a rule by its id, so that it outlives the copy of Fivetran's list, with its last known name."""

    rule = models.ForeignKey(AccessRule, models.CASCADE, related_name="destinations")
    group_id = models.CharField("destination", max_length=GROUP_ID_LENGTH)
    name = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["name", "group_id"]
        constraints = [models.UniqueConstraint(fields=["rule", "group_id"], name="one_entry_per_destination_in_rule")]
        indexes = [models.Index(fields=["group_id"], name="access_by_destination")]

    def __str__(self) -> str:
        return self.name or self.group_id


class AccessService(models.Model):
    """A service of a rule; a rule without any is about every service."""

    rule = models.ForeignKey(AccessRule, models.CASCADE, related_name="services")
    service = models.CharField(max_length=SERVICE_LENGTH)

    class Meta:
        ordering = ["service"]
        constraints = [models.UniqueConstraint(fields=["rule", "service"], name="one_entry_per_service_in_rule")]

    def __str__(self) -> str:
        return self.service
