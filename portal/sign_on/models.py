"""What a directory's groups give, and what is remembered of second factors."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import models

PROVIDERS = (("company", "OpenID Connect"), ("saml", "SAML"), ("ldap", "LDAP"))


class DirectoryRole(models.Model):
    """Members of a group of the directory are members of a group of the portal, from one log-in to the next."""

    provider = models.CharField(
        max_length=20, choices=PROVIDERS, blank=True, help_text="Whose groups these are; empty: of whichever is set up."
    )
    directory_group = models.CharField(
        max_length=255, help_text="As the provider spells it: a name, an id, or the whole DN."
    )
    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True, blank=True, verbose_name="portal group")
    gives_staff = models.BooleanField(
        "may open the admin", default=False, help_text="Members may log in to the administration (is_staff)."
    )
    gives_superuser = models.BooleanField(
        "may do everything", default=False, help_text="Members have every right, those to decide included (superuser)."
    )
    is_on = models.BooleanField("in force", default=True)
    # The variable that it was read from, or that had it once: `roles.NO_MORE`.
    from_setting = models.CharField(max_length=50, blank=True, editable=False)

    class Meta:
        ordering = ("directory_group", "group__name")
        constraints = [
            models.UniqueConstraint(
                fields=("provider", "directory_group", "group"), nulls_distinct=False, name="directory_role_once"
            )
        ]

    def __str__(self) -> str:
        given = [*([self.group.name] if self.group else []), *(flag.label for flag in self.flags)]
        return f"{self.directory_group}: {', '.join(given) or 'nothing'}"

    def clean(self) -> None:
        if not (self.group_id or self.flags):
            raise ValidationError("Say what the members get: a portal group, or one of the two rights below it.")

    @property
    def flags(self) -> "list[Flag]":
        """What it gives beside a group."""
        given = {Flag.STAFF: self.gives_staff, Flag.SUPERUSER: self.gives_superuser}
        return [flag for flag, is_given in given.items() if is_given]


class Flag(models.TextChoices):
    STAFF = "is_staff", "may open the admin"
    SUPERUSER = "is_superuser", "may do everything"


class DirectoryGrant(models.Model):
    """What a directory gave to somebody: exactly this is taken away when it is no longer given."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="directory_grants")
    provider = models.CharField(max_length=20)
    group = models.ForeignKey(Group, models.CASCADE, null=True, related_name="+")
    flag = models.CharField(max_length=20, blank=True, choices=Flag.choices)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=("user", "provider", "group", "flag"), nulls_distinct=False, name="directory_grant_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} gave user {self.user_id}: {self.flag or self.group_id}"


class DirectoryLook(models.Model):
    """When a provider last said of somebody in which groups they are."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    provider = models.CharField(max_length=20)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=("user", "provider"), name="directory_look_once")]

    def __str__(self) -> str:
        return f"{self.provider} on user {self.user_id} at {self.at}"


class UsedAssertion(models.Model):
    """An assertion of SAML that let somebody in, remembered until its end: nobody gets in by a copy of it."""

    key = models.CharField(max_length=64, unique=True)
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key


class SecondFactor(models.Model):
    """What the portal remembers of a person's codes. The secrets that they come from are django-allauth's rows."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    # Of the clock that authenticator apps count by: a code of this step or an earlier one was used.
    last_step = models.BigIntegerField(default=0)
    wrong_codes = models.PositiveIntegerField(default=0)  # since the last right one
    wrong_at = models.DateTimeField(null=True)
    is_owed = models.BooleanField(default=False)  # an administrator removed it: to be set up at the next log-in

    def __str__(self) -> str:
        return f"second factor of user {self.user_id}"
