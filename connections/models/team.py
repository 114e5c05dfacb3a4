"""Teams, whose members see and continue each other's requests, and the record of who wrote a request."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import BigIntegerField, Count, Min, Q, Subquery
from django.db.models.functions import Now

# Membership has a right of its own, so that whoever is in no team is known by the rights, which every page has read
# already, and pays for teams with no statement.
WORK_IN_TEAM = ("work_in_team", "Can see and continue the requests of their teams")


class TeamQuerySet(models.QuerySet["Team"]):
    def of(self, person_id: Any) -> "TeamQuerySet":
        return self.filter(group__user=person_id)


class Team(models.Model):
    """A group that an administrator has marked. Its members are the group's, its name is the group's."""

    group = models.OneToOneField(
        "auth.Group",
        models.PROTECT,
        related_name="team",
        help_text="Its members see and continue each other's requests, and the drafts that they share.",
    )

    objects = TeamQuerySet.as_manager()

    class Meta:
        permissions = [WORK_IN_TEAM]

    def __str__(self) -> str:
        return str(self.group)

    def save(self, *args: Any, **kwargs: Any) -> None:
        before = Team.objects.filter(pk=self.pk).select_related("group").first()
        super().save(*args, **kwargs)
        if before is not None and before.group_id != self.group_id:
            before.group.permissions.remove(_right())
        self.group.permissions.add(_right())

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        self.group.permissions.remove(_right())
        return super().delete(*args, **kwargs)


def _right() -> Permission:
    codename, name = WORK_IN_TEAM
    content_type = ContentType.objects.get_for_model(Team)
    return Permission.objects.get_or_create(content_type=content_type, codename=codename, defaults={"name": name})[0]


def filed_for(person_id: int, chosen: int | None = None) -> Subquery:
    """The id of the team for which `person_id` files: the `chosen` one of theirs, else their only one, else none. It is
    a part of the INSERT, so that filing takes no further statement, and the database has the last word.
    """
    teams = Team.objects.filter(Q() if chosen is None else Q(pk=chosen), group__user=person_id).order_by()
    only = teams.values(every=models.Value(1)).annotate(n=Count("pk"), only=Min("pk")).filter(n=1)
    return Subquery(only.values("only"), output_field=BigIntegerField())


class Writer(models.Model):
    """Somebody besides the requester of today who wrote a version of a request, or filed it: never its approver."""

    request = models.ForeignKey("connections.ConnectionRequest", models.CASCADE, related_name="writers")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    since = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["request", "person"], name="one_writer_per_request")]

    def __str__(self) -> str:
        return f"{self.person} wrote request {self.request_id}"
