"""The company's rules for Fivetran's services and for names; edited in the admin, read by the form."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

SERVICE_LENGTH = 100
ERASE_AFTER_DAYS = 30  # at least; the triggers of the record hold it too
# Text that a destination name may hold, and {placeholders}; what replaces those is checked as part of the name.
TEMPLATE_PATTERN = r"^(?:[_a-z0-9]|\{[a-z][a-z0-9_]*\})*\Z"


class Stance(models.TextChoices):
    RECOMMENDED = "recommended", "Recommended: offered first"
    ALLOWED = "allowed", "Allowed"
    DENIED = "denied", "Denied: not offered, and refused"


class ServiceRule(models.Model):
    service = models.CharField(max_length=SERVICE_LENGTH, unique=True, help_text="Fivetran's id of the service.")
    stance = models.CharField(max_length=20, choices=Stance.choices, default=Stance.RECOMMENDED)
    position = models.PositiveSmallIntegerField(
        default=100, help_text="Recommended services stand in this order, those of one number by name."
    )
    note = models.CharField(
        max_length=300, blank=True, help_text="Shown beside the service; of a denied one: what to use instead."
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["position", "service"]

    def __str__(self) -> str:
        return self.service


class PortalPolicyManager(models.Manager["PortalPolicy"]):
    def current(self) -> "PortalPolicy":
        """The policy; unsaved defaults as long as nobody has changed any."""
        return self.filter(pk=1).first() or PortalPolicy(pk=1)


class PortalPolicy(models.Model):
    """The rules that concern all services: one row."""

    only_listed_services = models.BooleanField(
        "offer listed services only",
        default=False,
        help_text="Off: every service is offered that is not denied. On: only those listed as recommended or allowed.",
    )
    naming_template = models.CharField(
        max_length=200,
        blank=True,
        validators=[
            RegexValidator(
                TEMPLATE_PATTERN, "Use small letters, digits, _ and {placeholders}, such as {team}_{service}"
            )
        ],
        help_text="How destination names begin, such as {team}_{service}. {service}, {destination} and {user} are "
        "known; any other is asked for. Empty: no rule.",
    )
    naming_help = models.CharField(max_length=300, blank=True, help_text="Said beside the name, in your own words.")
    erase_after_days = models.PositiveSmallIntegerField(
        "erase personal fields after",
        null=True,
        blank=True,
        validators=[MinValueValidator(ERASE_AFTER_DAYS)],
        help_text=f"Days, at least {ERASE_AFTER_DAYS}. Older events then no longer say who, from which address and in "
        "which words; requests under way keep theirs. The record can still be verified. Empty: never.",
    )
    closed_without_rule = models.BooleanField(
        "destinations without a rule are closed",
        default=False,
        help_text="Off: everybody may ask for a destination that no access rule names, and every approver decides. On: "
        "nobody asks for it, and nobody approves into it.",
    )
    changed_at = models.DateTimeField(auto_now=True)

    objects = PortalPolicyManager()

    class Meta:
        verbose_name_plural = "rules for names and services"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_policy")]

    def __str__(self) -> str:
        return "Portal policy"
