"""The hash chain over events. `docs/audit.md` says it in words, so that somebody else can compute it too."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import models
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from connections.models.capped_count import in_words
from connections.models.event import PERSON, Event

RANGE = 50_000  # keys in one statement
SEALED_WITHIN = timedelta(minutes=2)
COUNTED = 1000  # unsealed events; a count beyond this reads "1,000+"
BEGINNING = "0" * 64  # what stands before the first digest
PERSONAL_DETAIL = ("who", "why", "changed", "filters")  # keys of `detail` whose values may name people


class Standing(NamedTuple):
    """How far the record is sealed."""

    last: "EventSeal | None"
    waiting: int  # events without a seal, at most COUNTED + 1
    late: bool  # whether one of them is older than it may be

    @property
    def waiting_in_words(self) -> str:
        if not self.waiting:
            return ""
        some = "1 event waits for its seal" if self.waiting == 1 else f"{self.counted} events wait for their seal"
        return f"{some}, longer than two minutes: no worker seals them." if self.late else f"{some}."

    @property
    def counted(self) -> str:
        return in_words(self.waiting, COUNTED)


class EventSealManager(models.Manager["EventSeal"]):
    def unsealed(self, after: int = 0) -> models.QuerySet[Event]:
        """Events without a seal, in order, whose keys are higher than `after`."""
        # The second condition says nothing new; by it PostgreSQL reads the end of the index, and not the whole table.
        sealed = self.filter(event=OuterRef("pk"), event__gt=after)
        return Event.objects.filter(~Exists(sealed), pk__gt=after).order_by("pk")

    def ranges(self) -> Iterator[tuple[int, models.QuerySet[Event]]]:
        """All events without a seal, range by range: one statement over the whole table could take longer than it may.
        Each with the key above which it begins.
        """
        after = 0
        # From each range to the next key that there is: between two of them may lie more keys than anybody can count.
        while first := Event.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True).first():
            after, end = first - 1, first + RANGE - 1
            yield after, self.unsealed(after).filter(pk__lte=end)
            after = end

    def standing(self) -> Standing:
        last = self.last()
        # The look from the beginning finds those with lower keys, of transactions that were open for long.
        unsealed = self.unsealed(last.event_id if last else 0).annotate(now=Now()).values_list("at", "now")
        waiting = list(unsealed[: COUNTED + 1])
        return Standing(last, len(waiting), any(at < now - SEALED_WITHIN for at, now in waiting))

    def last(self) -> "EventSeal | None":
        return self.order_by("-position").first()


class EventSeal(models.Model):
    """One link. Rows are never changed but for the salt, which goes with the personal fields of the event."""

    position = models.PositiveBigIntegerField(primary_key=True)  # 1, 2, 3, ... without a gap
    # Without a constraint, which would lock rows of events. A missing one is found by `verify_audit`.
    event = models.OneToOneField(Event, models.DO_NOTHING, related_name="seal", db_constraint=False)
    sealed_at = models.DateTimeField()
    salt = models.CharField(max_length=32, blank=True)  # empty: the personal fields were erased
    hashes = models.JSONField(default=dict)  # of the personal fields that were not empty, by name
    digest = models.CharField(max_length=64)

    objects = EventSealManager()

    class Meta:
        verbose_name = "seal of an event"
        verbose_name_plural = "seals of events"
        ordering = ["-position"]

    def __str__(self) -> str:
        return f"{self.position}:{self.digest}"


def seal_of(event: Event, position: int, sealed_at: datetime, previous: str) -> EventSeal:
    salt = secrets.token_hex(16)
    seal = EventSeal(position=position, event=event, sealed_at=sealed_at, salt=salt)
    seal.hashes = hashes_of(event, salt)
    seal.digest = digest_of(event, seal, previous)
    return seal


def digest_of(event: Event, seal: EventSeal, previous: str) -> str:
    content = {
        "position": seal.position,
        "previous": previous,
        "sealed_at": _moment(seal.sealed_at),
        "event": facts_of(event),
        "personal": seal.hashes,
    }
    return hashlib.sha256(_spelled(content)).hexdigest()


def hashes_of(event: Event, salt: str) -> dict[str, str]:
    key = bytes.fromhex(salt)
    return {
        name: hmac.new(key, _spelled({name: value}), hashlib.sha256).hexdigest()
        for name, value in personal_of(event).items()
    }


def facts_of(event: Event) -> dict[str, Any]:
    """What stays when the personal fields are erased."""
    detail = event.detail
    if isinstance(detail, dict):
        detail = {key: value for key, value in detail.items() if key not in PERSONAL_DETAIL}
    about_person = event.about_kind == PERSON
    return {
        "id": event.pk,
        "request": event.request_id,
        "at": _moment(event.at),
        "kind": event.kind,
        "source": event.source,
        "target": event.target,
        "actor": event.actor,
        "version": event.version,
        "about_kind": event.about_kind,
        "about_id": "" if about_person else event.about_id,
        "about_name": "" if about_person else event.about_name,
        "detail": detail,
    }


def personal_of(event: Event) -> dict[str, Any]:
    """The personal fields that are not empty."""
    detail: Mapping[str, Any] = event.detail if isinstance(event.detail, dict) else {}
    about_person = event.about_kind == PERSON
    found = {
        "by": event.by_id,
        "address": event.address,
        "typed_name": event.typed_name,
        "reason": event.reason,
        "about_id": event.about_id if about_person else "",
        "about_name": event.about_name if about_person else "",
        "detail": {key: detail[key] for key in PERSONAL_DETAIL if key in detail},
    }
    return {name: value for name, value in found.items() if value not in (None, "", {})}


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _spelled(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
