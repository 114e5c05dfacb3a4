"""What a directory's groups give, and what is remembered of second factors."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models


class DirectoryRole(models.Model):
    """Members of a group of the directory are members of a group of the portal, from one log-in to the next."""

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

    class Meta:
        ordering = ("directory_group", "group__name")
        constraints = [
            models.UniqueConstraint(fields=("directory_group", "group"), name="directory_role_once"),
            models.UniqueConstraint(
                fields=("directory_group",), condition=models.Q(group=None), name="directory_role_once_without_group"
            ),
        ]

    def __str__(self) -> str:
        given = [
            *([self.group.name] if self.group else []),
            *(["admin"] if self.gives_staff else []),
            *(["everything"] if self.gives_superuser else []),
        ]
        return f"{self.directory_group}: {', '.join(given) or 'nothing'}"


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
