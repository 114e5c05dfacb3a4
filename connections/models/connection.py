"""The connection that a request led to, as Fivetran last described it, and every run of its setup tests."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce, Now
from django.utils.dateparse import parse_datetime

from connections.models.state_columns import move
from connections.models.trust import Trust
from connections.spec import drift
from connections.spec.trust_candidates import LEFT_OUT, Candidate, candidates
from connections.states import SETUP_TESTS, Actor, SetupTestsState, TrustState

# Stated lengths: what is longer is cut, so that no answer can fill the database or a page.
MAX_TESTS = 200
MAX_TITLE = 300
MAX_MESSAGE = 4_000
MAX_STATUS = 20_000
# A certificate with its names and sums is 4,000 characters: a whole chain, as far as it is looked at, has room.
MAX_DETAILS = 100_000
MAX_RUN = 4_000_000  # of the details of all tests of one run
# The columns of tests that are due now, as if they had never been tried.
DUE_NOW: dict[str, Any] = {
    "tests_next_try_at": Now(),
    "tests_token": None,
    "tests_lease_until": None,
    "tests_attempts": 0,
    "tests_note": "",
}
FINE = ("PASSED", "SKIPPED")  # the statuses of tests that ask nobody for anything


def status_columns(data: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `Connection` that come from an answer's `status` object and its last syncs."""
    status = data.get("status")
    status = _bounded(status, MAX_STATUS) if isinstance(status, dict) else {}
    states = status if isinstance(status, dict) else {}
    columns = {"fivetran_status": status}
    columns |= {key: _text(states.get(key) or "", 50) for key in ("setup_state", "sync_state")}
    # A last sync that the answer does not name is left out: answers differ, and what was known stays.
    return columns | {key: moment_of(data[key]) for key in ("succeeded_at", "failed_at") if key in data}


def moment_of(value: object) -> datetime | None:
    """ISO 8601 as Fivetran writes it, in UTC where it names no zone; None for anything else."""
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: object, length: int) -> str:
    """`value` as text that any database takes: no NUL, no half of a surrogate pair, at most `length` characters."""
    text = "" if value is None else str(value)
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:length]


def _bounded(value: Any, longest: int) -> Any:
    """`value` if any database takes it and its text is short enough, else the beginning of that text."""
    text = repr(value)
    if "\\x00" in text or "\\ud" in text or len(text) > longest:
        return _text(text, longest)
    return value


def _details(value: Any, longest: int) -> Any:
    """The details of a test, short enough to keep."""
    if not isinstance(value, list) or len(repr(value)) <= longest:
        return _bounded(value, longest)
    kept: list[Any] = []  # half a certificate is none, so an item is kept whole or not at all
    left = longest - len(repr([{LEFT_OUT: len(value)}]))
    for item in value:
        size = len(repr(item)) + len(", ")
        if size <= left:
            kept.append(_bounded(item, longest))
            left -= size
    return [*kept, {LEFT_OUT: len(value) - len(kept)}]


class ConnectionManager(models.Manager["Connection"]):
    def described(
        self,
        request: Any,
        data: Mapping[str, Any],
        *,
        actor: Actor,
        adopted: bool,
        tests: SetupTestsState = SetupTestsState.NONE,
        made_elsewhere: bool = False,
    ) -> "Connection":
        """The connection of `request` as an answer's or item's `data` describes it, not stored yet."""
        SETUP_TESTS.check(None, tests, actor)
        return Connection(
            request=request,
            adopted=adopted,
            made_elsewhere=made_elsewhere,
            # What the portal itself sent, and what it knows only as Fivetran has it, may be spelled as Fivetran does.
            baseline=drift.baseline(request.payload or {}, data, tidied=made_elsewhere or not adopted),
            tests=tests,
            tests_next_try_at=Now() if tests is SetupTestsState.DUE else None,
            fivetran_created_at=moment_of(data.get("created_at")),
            **(counted_tests(data) if tests is SetupTestsState.STORED else {}),
            **status_columns(data),
        )


class Connection(models.Model):
    """Fivetran's facts about a created connection; its id stands on the request."""

    request = models.OneToOneField("connections.ConnectionRequest", models.PROTECT, related_name="connection")
    setup_state = models.CharField(max_length=50, blank=True)  # incomplete, connected, broken, or anything new
    fivetran_status = models.JSONField(default=dict)  # the answer's `status` object, as it came
    fivetran_created_at = models.DateTimeField(null=True)
    # The last syncs, as Fivetran tells them; scheduled, syncing, paused, rescheduled, or anything new.
    sync_state = models.CharField(max_length=50, blank=True)
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    first_data_at = models.DateTimeField(null=True)  # of the first successful sync that was seen; set once
    # The fields of the body as Fivetran has them now (never a value of `config`), and those that are not as approved:
    # a list of {"field", "approved", "live"}, for keys of `config` the field alone.
    live = models.JSONField(default=dict)
    drift = models.JSONField(default=list)
    # What Fivetran's first answer said of what was approved (`spec.drift.baseline`): later answers are compared
    # with it. Empty where the connection was made before this was kept, or elsewhere.
    baseline = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    adopted = models.BooleanField(default=False)  # found by a look-up, not told by the answer
    made_elsewhere = models.BooleanField(default=False)  # not by this portal: nothing of ours was ever sent
    tests = models.CharField(max_length=10, choices=SetupTestsState.choices(), default=SetupTestsState.NONE)
    tests_next_try_at = models.DateTimeField(null=True)
    tests_token = models.UUIDField(null=True)
    tests_lease_until = models.DateTimeField(null=True)
    tests_attempts = models.PositiveSmallIntegerField(default=0)
    tests_note = models.CharField(max_length=500, blank=True)
    seen_at = models.DateTimeField(db_default=Now())
    # When Fivetran is to be asked for this connection alone: something hinted at a change. NULL: there is no hint.
    check_due_at = models.DateTimeField(null=True)
    # The last that ended, oldest first: {"start", "end", "status"}. When one ended that is not among them, and until
    # when Fivetran is not asked.
    syncs = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    syncs_due_at = models.DateTimeField(null=True)
    syncs_not_before = models.DateTimeField(null=True)
    # How many certificates and SSH host keys of the newest run wait for a person's approval, and since when some do.
    trust_waiting = models.PositiveSmallIntegerField(db_default=0)
    trust_since = models.DateTimeField(null=True)
    # Of the newest run: its tests, and those of them that did not pass. So no list reads runs for that either.
    tests_count = models.PositiveSmallIntegerField(db_default=0)
    tests_open = models.PositiveSmallIntegerField(db_default=0)

    objects = ConnectionManager()

    class Meta:
        indexes = [
            models.Index(fields=["tests_next_try_at"], condition=models.Q(tests=SetupTestsState.DUE), name="tests_due"),
            models.Index(fields=["check_due_at"], condition=models.Q(check_due_at__isnull=False), name="check_due"),
            models.Index(fields=["syncs_due_at"], condition=models.Q(syncs_due_at__isnull=False), name="syncs_due"),
            models.Index(
                fields=["trust_since"], condition=models.Q(trust_since__isnull=False), name="trust_waiting_for_people"
            ),
        ]

    def __str__(self) -> str:
        return f"connection of request {self.request_id}"

    def trust_asked(self) -> list[Candidate]:
        """What Fivetran asks to trust in the newest run, except what is approved since and not refused."""
        run = self.runs.first()
        tests = run.setup_tests.exclude(status__in=FINE) if run else ()
        found = list(dict.fromkeys(one for test in tests for one in candidates(test.details)))
        if run is None or not found:
            return []
        counted = Trust.objects.filter(request=self.request_id).exclude(
            state__in=[TrustState.REFUSED, TrustState.LAPSED]
        )
        known = counted.exclude(state=TrustState.SENT, ended_at__lt=run.finished_at)  # those Fivetran asks for again
        approved = set(known.values_list("kind", "hash", "proof"))
        return [one for one in found if (one.kind.value, one.hash, one.proof) not in approved]

    @property
    def is_paused(self) -> bool | None:
        """Whether Fivetran last said that it is paused, though a sync may still run; None if it said nothing."""
        if isinstance(self.live.get("paused"), bool):
            return bool(self.live["paused"])
        return self.sync_state == "paused" if self.sync_state else None

    def count_trust(self) -> None:
        """Store how much of `trust_asked` waits, so that no list reads runs. Needs the lock on this row."""
        self.trust_waiting = len(self.trust_asked())
        since = Coalesce("trust_since", Now()) if self.trust_waiting else None
        Connection.objects.filter(pk=self.pk).update(trust_waiting=self.trust_waiting, trust_since=since)


class SetupTestRun(models.Model):
    connection = models.ForeignKey(Connection, models.PROTECT, related_name="runs")
    finished_at = models.DateTimeField(db_default=Now())
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    setup_state = models.CharField(max_length=50, blank=True)
    left_out = models.PositiveIntegerField(default=0)  # tests beyond the number that is stored

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.connection_id}"


class SetupTest(models.Model):
    run = models.ForeignKey(SetupTestRun, models.PROTECT, related_name="setup_tests")
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=300)
    status = models.CharField(max_length=50)
    message = models.TextField(blank=True)
    details = models.JSONField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="one_test_per_position")]

    def __str__(self) -> str:
        return f"{self.title}: {self.status}"


def tests_in(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The setup tests in an answer's `data`; none where they are absent or of another shape."""
    found = data.get("setup_tests")
    return [test for test in found if isinstance(test, dict)] if isinstance(found, list) else []


def counted_tests(data: Mapping[str, Any]) -> dict[str, int]:
    """The columns of `Connection` that count the setup tests in an answer's `data`."""
    tests = tests_in(data)[:MAX_TESTS]
    return {"tests_count": len(tests), "tests_open": sum(test.get("status") not in FINE for test in tests)}


def run_in(
    connection: Connection, data: Mapping[str, Any], asked_by_id: int | None = None
) -> tuple[SetupTestRun, list[SetupTest]]:
    """The run of the setup tests in an answer's `data` as rows, not stored yet."""
    tests = tests_in(data)
    run = SetupTestRun(
        connection=connection,
        asked_by_id=asked_by_id,
        setup_state=status_columns(data)["setup_state"],
        left_out=max(0, len(tests) - MAX_TESTS),
    )
    kept, room = [], MAX_RUN
    for position, test in enumerate(tests[:MAX_TESTS]):
        details = _details(test.get("details"), max(0, min(room, MAX_DETAILS)))
        room -= len(repr(details)) if details else 0
        kept.append(
            SetupTest(
                run=run,
                position=position,
                title=_text(test.get("title"), MAX_TITLE) or "(no title)",
                status=_text(test.get("status"), 50) or "(no status)",
                message=_text(test.get("message"), MAX_MESSAGE),
                details=details,
            )
        )
    return run, kept


def store_run(connection: Connection, data: Mapping[str, Any], asked_by_id: int | None = None) -> bool:
    """Store one run of the setup tests, in a transaction; returns whether a test asks for something."""
    run, tests = run_in(connection, data, asked_by_id)
    run.save()
    SetupTest.objects.bulk_create(tests)
    counted: dict[str, Any] = counted_tests(data)
    asks = bool(counted["tests_open"])
    nothing_to_trust: dict[str, Any] = {} if asks else {"trust_waiting": 0, "trust_since": None}
    mine = Connection.objects.filter(pk=connection.pk)
    move(mine, SetupTestsState.STORED, actor=Actor.WORKER, tests_note="", **counted, **nothing_to_trust)
    connection.trust_waiting = 0
    if asks:
        connection.count_trust()
    return asks
