"""Requests by the thousand, in the mix of a portal that has been used for years, written past the verbs for speed.

`python -m tests.bench.rows 100000` fills the database of DATABASE_URL. tests/views/test_guard_rails.py fills its own.
"""

import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

BATCH = 2_000
YEARS = 5
PEOPLE, GROUPS = 200, 50
SERVICES = {
    "google_sheets": "Google Sheets",
    "salesforce": "Salesforce",
    "postgres": "PostgreSQL",
    "s3": "Amazon S3",
    "hubspot": "HubSpot",
    "jira": "Jira",
    "github": "GitHub",
    "stripe": "Stripe",
    "zendesk": "Zendesk",
    "mysql": "MySQL",
    "google_ads": "Google Ads",
    "facebook_ads": "Facebook Ads",
    "netsuite": "NetSuite SuiteAnalytics",
    "workday": "Workday RaaS",
    "marketo": "Marketo",
    "shopify": "Shopify",
    "sql_server": "SQL Server",
    "mongo": "MongoDB",
    "oracle": "Oracle",
    "sftp": "SFTP",
}
REGIONS = ("emea", "amer", "apac", "dach", "nordics", "latam", "global")  # each a word that many requests have
# How many of a thousand stand where; each status with the cumulated number.
MIX = (
    ("created", 850),
    ("failed", 910),
    ("rejected", 960),
    ("withdrawn", 980),
    ("expired", 990),
    ("draft", 995),
    ("pending", 999),
    ("attention", 1000),
)
STRIDE = 617  # coprime to a thousand: statuses are spread evenly over any stretch of the table
RARE = "quokka"  # a word that RARE_ROWS of the oldest requests have, and no other
RARE_ROWS = 4


def seed(count: int) -> None:
    """Add `count` requests, the oldest first, with their connections, events, attempts and setup tests."""
    from django.db import connection, transaction

    from connections.models import ConnectionRequest

    with transaction.atomic():
        people, approver = _people()
        newest = ConnectionRequest.objects.order_by("-id").values_list("id", flat=True).first() or 0
        bodies = dict(_bodies())
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            rows = [_request(newest + n, n, count, people, approver, bodies) for n in numbers]
            ConnectionRequest.objects.bulk_create(rows)
        _add_trail(newest)
    if connection.vendor == "postgresql":
        # What autovacuum does within a minute; VACUUM itself is impossible inside a test's transaction.
        with connection.cursor() as cursor:
            cursor.execute("SELECT gin_clean_pending_list('request_by_words')")
            # Not of the whole database: the catalogs are shared with the other databases of the server, and locked.
            tables = ", ".join(connection.introspection.django_table_names(only_existing=True))
            cursor.execute(f"{'ANALYZE' if connection.in_atomic_block else 'VACUUM ANALYZE'} {tables}")


def _people() -> tuple[list[int], int]:
    from django.contrib.auth.models import User

    missing = PEOPLE - User.objects.filter(username__startswith="person").count()
    User.objects.bulk_create(User(username=f"person{n:04}", email=f"person{n}@example.com") for n in range(missing))
    people = list(User.objects.filter(username__startswith="person").order_by("id").values_list("id", flat=True))
    decider, _ = User.objects.get_or_create(username="decider")
    return people, decider.pk


def _bodies() -> Iterator[tuple[str, tuple[dict[str, Any], dict[str, Any]]]]:
    """Service -> (values, body) to which each request adds its own destination and name."""
    from connections.spec import payloads

    for service in SERVICES:
        values = {"service": service, "group_id": "-", "sync_frequency": 360, "config.schema": "-", "reason": "-"}
        yield service, (values, payloads.build_body(values))


def _request(pk: int, n: int, count: int, people: list[int], approver: int, bodies: dict[str, Any]) -> Any:
    from connections.models import ConnectionRequest
    from connections.next_step import next_step
    from connections.spec import payloads
    from connections.states import DECIDED, Status

    now = datetime.now(UTC)
    status = Status(next(name for name, limit in MIX if pk * STRIDE % 1000 < limit))
    service = list(SERVICES)[pk * 7 % len(SERVICES)]
    group, person = pk * 11 % GROUPS, pk * 13 % PEOPLE
    word = RARE if pk < RARE_ROWS else REGIONS[pk * 3 % len(REGIONS)]
    schema = f"{word}_{service}_{pk:07}"
    typed, body = bodies[service]
    values = {**typed, "group_id": f"group_{group:02}", "config.schema": schema, "reason": f"Report {pk} of the team"}
    payload = {**body, "group_id": f"group_{group:02}", "config": {"schema": schema}}
    digest = payloads.digest(payload)
    at = now - timedelta(days=YEARS * 365) * (count - n) / count
    submitted = status is not Status.DRAFT
    decision = {"decided_by_id": approver, "decided_at": at + timedelta(hours=2)}
    approval = {"approved_by_id": approver, "approved_at": at + timedelta(hours=2), "approved_digest": digest}
    return ConnectionRequest(
        status=status,
        turn=next_step(status).owner.value,
        status_since=max(at, now - timedelta(days=1)) if status is Status.PENDING else at,  # else it would expire
        version=5,
        requester_id=people[person],
        reason=values["reason"],
        idempotency_key=uuid.UUID(int=uuid.uuid4().int),
        created_at=at,
        submitted_at=at if submitted else None,
        values=values,
        payload=payload if submitted else None,
        digest=digest if submitted else "",
        service=service,
        service_name=SERVICES[service],
        group_id=f"group_{group:02}",
        group_name=f"Warehouse {group:02}",
        schema=schema,
        search=f"{schema} {SERVICES[service].lower()} group_{group:02} warehouse {group:02} person{person:04}",
        connection_id=f"conn_{pk}" if status is Status.CREATED else None,
        failure_code="InvalidInput" if status is Status.FAILED else "",
        **(decision if status in DECIDED or status is Status.REJECTED else {}),
        **(approval if status in DECIDED else {}),
    )


# What a request leaves behind on its way, written by the database from the requests themselves.
_EVENTS = (("", "pending", 1), ("pending", "approved", 2), ("approved", "claimed", 3), ("claimed", "sending", 4))
_TRAIL = (
    *(
        f"""INSERT INTO connections_event (request_id, at, kind, source, target, actor, reason, detail, version)
        SELECT id, created_at, 'moved', '{source}', '{target}', 'worker', '', '{{}}', {version}
        FROM connections_connectionrequest WHERE id > %s AND status IN ('created', 'failed')"""  # noqa: S608
        for source, target, version in _EVENTS
    ),
    """INSERT INTO connections_event (request_id, at, kind, source, target, actor, reason, detail, version)
    SELECT id, created_at, 'moved', 'sending', status, 'worker', '', '{}', 5
    FROM connections_connectionrequest WHERE id > %s AND status IN ('created', 'failed')""",
    """INSERT INTO connections_attempt
    (request_id, call, started_at, duration_ms, ending, http_status, code, message, x_request_id)
    SELECT id, 'create', created_at, 4200, 'answered', 201, 'Success', 'Connection has been created', 'req'
    FROM connections_connectionrequest WHERE id > %s AND status IN ('created', 'failed')""",
    """INSERT INTO connections_connection
    (request_id, setup_state, fivetran_status, sync_state, live, drift, adopted, made_elsewhere, tests, tests_attempts,
    tests_note, seen_at)
    SELECT id, CASE WHEN id %% 20 = 0 THEN 'incomplete' ELSE 'connected' END, '{"sync_state": "scheduled"}',
    'scheduled', '{}', '[]', %s, %s, 'stored', 1, '', created_at
    FROM connections_connectionrequest WHERE id > %s AND status = 'created'""",
    """UPDATE connections_connectionrequest SET turn = 'source owner'
    WHERE id %% 20 = 0 AND id > %s AND status = 'created'""",
    """INSERT INTO connections_setuptestrun (connection_id, finished_at, setup_state, left_out)
    SELECT c.id, c.seen_at, c.setup_state, 0 FROM connections_connection c WHERE c.request_id > %s""",
    *(
        f"""INSERT INTO connections_setuptest (run_id, position, title, status, message)
        SELECT r.id, {position}, 'Test number {position}', 'PASSED', ''
        FROM connections_setuptestrun r JOIN connections_connection c ON c.id = r.connection_id
        WHERE c.request_id > %s"""  # noqa: S608
        for position in range(3)
    ),
)


def _add_trail(after: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in _TRAIL:
            cursor.execute(statement, [*[False] * statement.count("%s,"), after])


def approved(count: int, prefix: str, group: str) -> list[int]:
    """Add `count` requests that are approved and due, named `<prefix>_<number>` in `group`; returns their ids."""
    from django.db.models.functions import Now

    from connections import workflow
    from connections.models import ConnectionRequest
    from connections.spec import payloads
    from connections.states import Status

    (requester, *_), approver = _people()
    made = []
    for n in range(count):
        values = {
            "service": "google_sheets",
            "group_id": group,
            "config.schema": f"{prefix}_{n}",
            "config.table": "orders",
            "reason": "A measurement",
            "run_setup_tests": True,
        }
        body = payloads.build_body(values)
        made.append(
            ConnectionRequest(
                status=Status.APPROVED,
                turn="portal",
                requester_id=requester,
                submitted_at=Now(),
                values=values,
                payload=body,
                digest=payloads.digest(body),
                service="google_sheets",
                service_name="Google Sheets",
                group_id=group,
                group_name="Warehouse",
                schema=payloads.natural_key(body["config"]),
                search=f"{prefix}_{n}",
                decided_by_id=approver,
                decided_at=Now(),
                approved_by_id=approver,
                approved_at=Now(),
                approved_digest=payloads.digest(body),
                approved_account=workflow.known_account(),
                next_try_at=Now(),
            )
        )
    ConnectionRequest.objects.bulk_create(made)
    return list(
        ConnectionRequest.objects.filter(search__startswith=f"{prefix}_").order_by("id").values_list("id", flat=True)
    )


if __name__ == "__main__":
    import django

    django.setup()
    from connections.demo.management.commands.seed_demo import create_people

    create_people()
    seed(int(sys.argv[1]))
