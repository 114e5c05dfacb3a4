"""The retention rule of the record: old events lose what tells of people, and nothing else."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Func, JSONField, Q, QuerySet, Value, When
from django.utils import timezone

from connections.models import Event, EventKind, EventSeal, PortalPolicy
from connections.models.event import PERSON
from connections.models.seal import PERSONAL_DETAIL
from connections.states import LIVE, Actor

BATCH = 1000


class _WithoutPersonal(Func):
    """`detail` without the keys that tell of people, as the triggers make it too."""

    output_field = JSONField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        keys = ", ".join(f"'{key}'" for key in PERSONAL_DETAIL)
        template = f"CASE WHEN jsonb_typeof(%(expressions)s) = 'object' THEN %(expressions)s - ARRAY[{keys}]"
        return super().as_sql(compiler, connection, template=f"{template} ELSE %(expressions)s END", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        paths = ", ".join(f"'$.{key}'" for key in PERSONAL_DETAIL)
        return super().as_sql(compiler, connection, template=f"json_remove(%(expressions)s, {paths})", **context)


def erase() -> int:
    """Erase what the policy says is old; returns how many events that were."""
    days = PortalPolicy.objects.current().erase_after_days
    if days is None:
        return 0
    # The same until midnight: so most looks find nothing, and a day is one event of the record.
    before = datetime.combine(timezone.now().astimezone(UTC).date() - timedelta(days=days), time(), UTC)
    count, last = 0, 0
    while seals := list(_due(before).filter(position__gt=last)[:BATCH]):
        _erase(seals)
        count, last = count + len(seals), seals[-1].position
    if count:
        detail = {"events": count, "before": before.isoformat(), "days": days}
        Event.objects.record(EventKind.ERASED, by=None, actor=Actor.SWEEPER, detail=detail)
    return count


def _due(before: datetime) -> QuerySet[EventSeal]:
    # A request under way needs its reasons. Of a created one the row keeps who asked and who approved.
    done = Q(event__request=None) | ~Q(event__request__status__in=LIVE)
    return EventSeal.objects.filter(done, event__at__lt=before).exclude(salt="").order_by("position")


def _erase(seals: list[EventSeal]) -> None:
    about_person = When(about_kind=PERSON, then=Value(""))
    keys = [seal.event_id for seal in seals]
    with transaction.atomic():
        Event.objects.filter(pk__in=keys).update(
            by=None,
            address="",
            typed_name="",
            reason="",
            about_id=Case(about_person, default=F("about_id")),
            about_name=Case(about_person, default=F("about_name")),
            detail=_WithoutPersonal("detail"),
        )
        EventSeal.objects.filter(pk__in=[seal.pk for seal in seals]).update(salt="")
