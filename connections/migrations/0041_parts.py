"""What somebody sees of some destinations and teams is counted by an index alone. It takes the place of one with which
two others begin, so that a request is written as fast as before.
"""

from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q

# By its name, since SQLite would write the table anew, without its triggers. Django makes the name of the columns'.
_NAME = "connections_connectionrequest_requester_id_334019e7"
_REQUESTER = models.ForeignKey(
    settings.AUTH_USER_MODEL, models.PROTECT, related_name="connection_requests", db_index=False
)


_TEAMS = Q(team__isnull=False)


def index(name, *columns, **more):
    columns = (F(one) if one != "-id" else F("id").desc() for one in columns)
    return migrations.AddIndex("ConnectionRequest", models.Index(*columns, name=name, **more))


class Migration(migrations.Migration):
    dependencies = [("connections", "0040_auditors"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.RemoveIndex("ConnectionRequest", "request_by_group"),
        migrations.RemoveIndex("ConnectionRequest", "request_by_team"),
        index("request_by_group", "group_id", "-id", "submitted_at"),
        index("request_by_team", "team", "-id", "submitted_at", "shared_at", condition=_TEAMS),
        index("request_by_groups_status", "group_id", "status", "-id", "deleted_at_fivetran_at"),
        index("request_by_teams_status", "team", "status", "-id", "deleted_at_fivetran_at", condition=_TEAMS),
        migrations.RunSQL(
            f"DROP INDEX IF EXISTS {_NAME}",
            f"CREATE INDEX IF NOT EXISTS {_NAME} ON connections_connectionrequest (requester_id)",
            [migrations.AlterField("ConnectionRequest", "requester", _REQUESTER)],
        ),
    ]
