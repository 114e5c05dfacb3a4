"""Eight secrets that are easy to find again, where each is planted, and everything in which they are looked for.

Data first: a new place where a secret can be met is a line of CANARIES, a new place where one could leak is a function
of SCANS. A canary that may stand somewhere says so in ALLOWED, with the reason.
"""

import base64
import email
import email.policy
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from connections.models import Batch, CatalogEntry, ConnectionChange, ConnectionRequest, Handover, Kind
from connections.views.request_page.export import WAYS

API_KEY, API_SECRET = "canary1key-Zb7Qw", "canary1secret-Xk4Tz"

# name -> the text to look for
CANARIES: dict[str, str] = {
    "the API key": API_KEY,
    "the API secret": API_SECRET,
    "the Basic token made of both": base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode(),
    "typed into a form": "canary2form-Pq8Lm",
    "in a link": "canary2link-Vn3Rd",
    "in a table": "canary2table-Hs6Yb",
    "the Connect Card's token": "canary3card-Jf9Wc",
    "a config that Fivetran does not mask": "canary4config-Gt5Kx",
    "a wrong password": "canary6wrong-Bd2Mv",
    "a new password": "canary6new-Rw7Zp",
    "the key that signs sessions": settings.SECRET_KEY,
    "typed into the reason": "canary8reason-Ly4Nf",
    "the webhook's secret": "canary9hook-Sv6Dq",
    "what a webhook says": "canary9said-Kd3Wn",
}
OUTSIDE = "olga@elsewhere.example"  # a source owner without an account

# canary -> the places in which it may stand, or the beginnings of what is said of a place
ALLOWED: dict[str, tuple[set[str], str]] = {
    "typed into the reason": (
        {"pages", "exports", "database", "mails"},
        "The reason is prose for those who may see the request: it is shown to them, and to nothing else.",
    ),
    "the session's key": ({"database"}, "Django's session table is keyed by it."),
    "the link of the first owner": ({"mail to requester2@"}, "It opens nothing any more."),
    "the link of the second owner": (
        {f"mail to {OUTSIDE}", "page /handover/"},
        "The owner gets it by mail, and whoever asks for an address below it has it already.",
    ),
    "the mailed code": ({f"mail to {OUTSIDE}: [Connections] Your code"}, "It is what that mail is for."),
}

ROLES = ("requester", "requester2", "approver", "operator", "auditor", "admin")


@dataclass
class Journey:
    """What a run left behind: its broker, what its processes printed, its error reports, and secrets known only now."""

    broker_url: str
    printed: list[str] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    later: dict[str, str] = field(default_factory=dict)
    mailed: Path = Path("/nonexistent")  # where its processes put their mails


def logs(journey: Journey) -> Iterator[tuple[str, str]]:
    """What the processes printed, this one's log included."""
    yield from ((f"log {number}", text) for number, text in enumerate(journey.printed))


def error_reports(journey: Journey) -> Iterator[tuple[str, str]]:
    """Django's reports of the errors."""
    yield from ((f"report {number}", text) for number, text in enumerate(journey.reports))


def broker(journey: Journey) -> Iterator[tuple[str, str]]:
    """Every key and its value, as the broker would write them to a disk."""
    with redis.Redis.from_url(journey.broker_url) as client:
        for key in client.keys("*"):
            yield f"key {key!r}", f"{key!r} {client.dump(key)!r}"


def database(_journey: Journey) -> Iterator[tuple[str, str]]:
    """Every table, row by row, as text."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  (the database's own names)
            for row in cursor.fetchall():
                yield f"table {table}", repr(row)


def mails(journey: Journey) -> Iterator[tuple[str, str]]:
    """Every mail, whole: of this process and of the others."""
    for message in mail.outbox:
        html = " ".join(str(part.content) for part in getattr(message, "alternatives", ()))
        text = f"{message.message().as_string()} {message.body} {html}"
        yield f"mail to {', '.join(message.to)}: {message.subject}", text
    for file in journey.mailed.glob("*.log"):
        for raw in file.read_bytes().split(b"\n" + b"-" * 79 + b"\n"):
            if raw.strip():
                parsed = email.message_from_bytes(raw.lstrip(), policy=email.policy.default)
                bodies = [parsed.get_body((kind,)) for kind in ("plain", "html")]
                texts = [str(body.get_content()) for body in bodies if body is not None]
                yield f"mail to {parsed['To']}: {parsed['Subject']}", " ".join([raw.decode(errors="replace"), *texts])


def pages(_journey: Journey) -> Iterator[tuple[str, str]]:
    """Every page of every role that answers to a GET, those of the admin too."""
    for role, client in _readers():
        for where, path in addresses():
            answer = client.get(path)
            yield f"page {where} as {role or 'nobody'}", _text(answer)


def exports(_journey: Journey) -> Iterator[tuple[str, str]]:
    """Every file that can be downloaded."""
    files = ["/requests/export.csv", "/requests/export.json"]
    for pk in ConnectionRequest.objects.values_list("pk", flat=True):
        files += [f"/requests/{pk}/connection.{kind}" for kind in WAYS]
    for role, client in _readers():
        for path in files:
            yield f"file {path} as {role or 'nobody'}", _text(client.get(path))


SCANS: dict[str, Callable[[Journey], Iterator[tuple[str, str]]]] = {
    scan.__name__.replace("_", " "): scan for scan in (logs, error_reports, broker, database, mails, pages, exports)
}


def _readers() -> Iterator[tuple[str, Client]]:
    for role in ("", *ROLES):
        client = Client(raise_request_exception=False)
        if role:
            client.force_login(User.objects.get(username=role))
        yield role, client


def addresses() -> list[tuple[str, str]]:
    """Every address of the URL map, of every row, and the admin's: how it is called in a sentence, and its path."""
    found = []
    for pattern in get_resolver("connections.urls").url_patterns:
        assert isinstance(pattern, URLPattern)
        names, route = set(pattern.pattern.converters), str(pattern.pattern)
        if names <= {"pk", "token", "connection_id"}:
            paths = [reverse(f"connections:{pattern.name}", args=row) for row in _rows(route, names)]
            found += [(f"/{route}" if "token" in names else path, path) for path in paths]
    for model in admin.site._registry:
        place = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        paths = [reverse(f"{place}_changelist")]
        # What stands in the rows is looked at in the database, all of it; here it is what the admin makes of some.
        newest = model._default_manager.order_by("-pk").values_list("pk", flat=True)[:10]
        paths += [reverse(f"{place}_change", args=[pk]) for pk in newest]
        paths += [reverse(f"{place}_history", args=[pk]) for pk in newest[:1]]
        found += [(path, path) for path in paths]
    others = [reverse("admin:index"), "/accounts/login/", "/accounts/password_change/", "/nowhere/"]
    return found + [(path, path) for path in others]


def _rows(route: str, names: set[str]) -> list[list[Any]]:
    """The arguments of an address, for each row that it can be about."""
    if "token" in names:
        return [[handover.token] for handover in Handover.objects.all()]
    if "connection_id" in names:
        ids = CatalogEntry.objects.filter(kind=Kind.CONNECTION).values_list("fivetran_id", flat=True)
        return [[one] for one in ids[:10]]
    kinds = {"changes": ConnectionChange, "batches": Batch}
    rows: Any = kinds.get(route.partition("/")[0], ConnectionRequest)
    return [[pk] for pk in rows.objects.values_list("pk", flat=True)] if "pk" in names else [[]]


def _text(answer: Any) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return f"{dict(answer.headers)} {body.decode(errors='replace')}"


def found(journey: Journey) -> list[str]:
    """Where a canary stands that must not stand there, in sentences; the text itself is not repeated."""
    wanted = {**CANARIES, **journey.later}
    sentences = set()
    for place, scan in SCANS.items():
        seen = 0
        for where, text in scan(journey):
            seen += 1
            for name, canary in wanted.items():
                if canary in text and not _is_allowed(name, place, where):
                    sentences.add(f"{name}: {where}")
        assert seen or place == "mails", f"nothing was looked at in {place}"
    return sorted(sentences)


def _is_allowed(name: str, place: str, where: str) -> bool:
    allowed, _reason = ALLOWED.get(name, (set(), ""))
    return place in allowed or where.startswith(tuple(allowed))


def listened(url: str, log: Any) -> subprocess.Popen[bytes]:
    """Write down everything that is said to the broker from now on (MONITOR), until the process is ended."""
    code = (
        "import redis, sys\nclient = redis.Redis.from_url(sys.argv[1])\n"
        "with client.monitor() as monitor:\n    print('listening', flush=True)\n"
        "    for said in monitor.listen():\n        print(said, flush=True)\n"
    )
    return subprocess.Popen([sys.executable, "-c", code, url], stdout=log, stderr=subprocess.STDOUT)
