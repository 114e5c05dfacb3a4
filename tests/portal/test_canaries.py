"""Secrets are planted wherever a person can type or Fivetran can answer, and looked for wherever one could leak."""

import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client, RequestFactory
from django.views.debug import get_exception_reporter_class

from connections import catalog, notifications, tasks, workflow
from connections.demo.management.commands.seed_demo import PASSWORD
from connections.models import ConnectionRequest
from connections.states import Status
from connections.worker import account
from portal.logs import OneLine
from tests import factories, processes, secret_canaries, secret_canary_life
from tests.faults.conftest import CLOCKS
from tests.sandbox_client import Fivetran
from tests.secret_canaries import CANARIES, Journey
from tests.secret_canary_life import answer, described, echo

pytestmark = pytest.mark.django_db(transaction=True)
NEW, BATCH = "/requests/new/", "/requests/batch/"
UNMASKED = CANARIES["a config that Fivetran does not mask"]
CARD = CANARIES["the Connect Card's token"]
FINAL = {Status.CREATED, Status.FAILED, Status.ATTENTION}


@pytest.fixture
def fivetran(sandbox: processes.Sandbox, settings: Any) -> Fivetran:
    """The sandbox, which this process and the worker call with the planted key pair."""
    settings.FIVETRAN_CREDENTIALS = lambda: (secret_canaries.API_KEY, secret_canaries.API_SECRET)
    account._known.clear()
    stand_in = Fivetran(sandbox.url)
    stand_in.settings(test_seconds=0, key=secret_canaries.API_KEY, secret=secret_canaries.API_SECRET)
    return stand_in


@pytest.fixture
def journey(live_broker: str, tmp_path: Path) -> Iterator[Journey]:
    """The run's record; everything said to the broker and logged by this process is in it at the end."""
    place, said = tmp_path / "portal.log", tmp_path / "broker.log"
    handler = logging.FileHandler(place)
    handler.setFormatter(OneLine("{asctime} {levelname} {name}: {message}", style="{"))
    logging.getLogger().addHandler(handler)
    run = Journey(live_broker, mailed=tmp_path / "mails")
    run.mailed.mkdir()
    with said.open("wb") as log:
        monitor = secret_canaries.listened(live_broker, log)
        processes.until(lambda: b"listening" in said.read_bytes())
        yield run
        monitor.kill()
        monitor.wait()
    logging.getLogger().removeHandler(handler)
    handler.close()


@pytest.fixture
def worker_of(portal_environment: dict[str, str], fivetran: Fivetran, journey: Journey) -> Iterator[processes.Process]:
    """A worker that holds the planted key pair, and speaks at its loudest."""
    pair = {
        "FIVETRAN_API_KEY": secret_canaries.API_KEY,
        "FIVETRAN_API_SECRET": secret_canaries.API_SECRET,
        "LOG_LEVEL": "DEBUG",
    }
    more = {"FIVETRAN_WEBHOOK_SECRET": CANARIES["the webhook's secret"], "EMAIL_URL": f"filemail:///{journey.mailed}"}
    with processes.worker({**portal_environment, **CLOCKS, **pair, **more}) as process:
        yield process


def typed(client: Client, group: str) -> None:
    """Passwords where nobody asked for one: a form, a link, a table, the reason."""
    form = {
        "service": "google_sheets",
        "group_id": group,
        "config__schema": "typed",
        "config__table": "t",
        "reason": CANARIES["typed into the reason"],
    }
    for action in ("submit", "draft", "review"):
        refused = client.post(NEW, form | {"config__password": CANARIES["typed into a form"], "action": action})
        assert CANARIES["typed into a form"] not in refused.content.decode()
    for path in (f"{NEW}review/", f"{NEW}draft/", f"{NEW}config/"):
        client.post(path, form | {"config__password": CANARIES["typed into a form"]})
    linked = client.get(NEW, {"service": "postgres", "config__password": CANARIES["in a link"]})
    assert CANARIES["in a link"] not in linked.content.decode()
    table = f"service,group_id,config__schema,config__table,reason,config__password\ngoogle_sheets,{group},a,b,why,"
    given = {"table": f"{table}{CANARIES['in a table']}\n", "action": "check", "form_token": str(uuid.uuid4())}
    shown = client.post(BATCH, given)
    assert shown.status_code == 200
    assert CANARIES["in a table"] not in shown.content.decode()
    assert not ConnectionRequest.objects.exists()


def logged_in(journey: Journey) -> None:
    """A wrong password, the right one, a new one; the keys that the browser got are canaries from now on."""
    client = Client()
    wrong = {"username": "requester", "password": CANARIES["a wrong password"]}
    assert client.post("/accounts/login/", wrong).status_code == 200
    client.post("/accounts/login/", {"username": "requester", "password": PASSWORD})
    new = CANARIES["a new password"]
    change = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/accounts/password_change/", change).status_code == 302
    client.get(NEW)
    journey.later["the session's key"] = client.cookies["sessionid"].value
    journey.later["the CSRF token"] = client.cookies["csrftoken"].value
    client.post("/accounts/password_reset/", {"email": "requester@example.com"})


def filed(cast: dict[str, User], group: str, schema: str) -> ConnectionRequest:
    """An approved request with a secret in its reason."""
    reason = f"For the board. {CANARIES['typed into the reason']}"
    return factories.approved(
        cast["requester"], cast["approver"], group_id=group, config__schema=schema, config__table="t", reason=reason
    )


def settled(*requests: ConnectionRequest) -> None:
    """Wait until nothing more happens to them by itself; the sweep is enqueued here, for there is no scheduler."""

    def now() -> list[Status]:
        states = [ConnectionRequest.objects.get(pk=r.pk).state for r in requests]
        if Status.UNKNOWN in states:
            tasks.enqueue("sweep")
            time.sleep(0.5)
        return states

    processes.until(lambda: set(now()) <= FINAL, 40, story=lambda: str(now()))


def reports(client: Client, path: str = NEW) -> Iterator[str]:
    """Django's reports of an error in a view with secrets in its locals, its POST, its address and its headers."""
    request = RequestFactory().post(
        f"{path}?config__password={CANARIES['in a link']}",
        {
            "config__password": CANARIES["typed into a form"],
            "password": CANARIES["a wrong password"],
            "reason": CANARIES["typed into the reason"],
        },
        HTTP_REFERER=f"http://testserver{NEW}?config__password={CANARIES['in a link']}",
        HTTP_AUTHORIZATION=f"Basic {CANARIES['the Basic token made of both']}",
        HTTP_COOKIE=f"sessionid={client.cookies['sessionid'].value}",
    )
    request.user = User.objects.get(username="requester")
    try:
        _fail(CANARIES["typed into a form"], {"uri": CARD, "secret": secret_canaries.API_SECRET, "config": UNMASKED})
    except ValueError:
        reporter_class: Any = get_exception_reporter_class(request)
        reporter = reporter_class(request, *sys.exc_info())
        yield reporter.get_traceback_text()
        yield reporter.get_traceback_html()


def _fail(text: str, answer: dict[str, str]) -> None:
    raise ValueError(text, answer)


def test_no_canary_is_found_anywhere(
    journey: Journey,
    fivetran: Fivetran,
    cast: dict[str, User],
    as_user: Callable[..., Client],
    worker_of: processes.Process,
    tmp_path: Path,
    settings: Any,
) -> None:
    catalog.refresh_all()
    group = catalog.destinations()[0].id
    logged_in(journey)
    typed(as_user("requester2"), group)
    for number, way in enumerate(("created", "refused", "lost", "garbled")):
        schema = f"journey_{way}"
        coming = ConnectionRequest(pk=9_000 + number, service="google_sheets", group_id=group, schema=f"{schema}.t")
        data = described(coming)
        posted: dict[str, dict[str, Any]] = {
            "created": answer("/v1/connections", data, 201, "POST"),
            "refused": answer("/v1/connections", None, 400, "POST")
            | {"body": {"code": "InvalidInput", "message": echo()}},
            "lost": answer("/v1/connections", None, 500, "POST") | {"body": {"code": "Error", "message": echo()}},
            "garbled": answer("/v1/connections", None, 201, "POST") | {"body": f"<p>{echo()} {UNMASKED} {CARD}"},
        }
        nothing, listed = (answer("/v1/connections", {"items": items, "next_cursor": None}) for items in ([], [data]))
        # The worker looks before it sends. A call that was refused needs no second look; for those that were lost the
        # list then tells of a connection, with its secrets.
        fivetran.next(nothing, posted[way], *([listed] if way in {"lost", "garbled"} else []))
        settled(filed(cast, group, schema))
        assert fivetran.call("settings")["next_answers"] == 0, way
    created = ConnectionRequest.objects.get(schema="journey_created.t")
    assert created.state is Status.CREATED, created.state
    told = described(created, id=created.connection_id)
    fivetran.next(answer("/v1/connections/*", told), answer("/v1/connections/*", told, method="POST"))
    cast["requester"].refresh_from_db()  # the password is a new one
    client = as_user("requester")
    assert client.get(NEW, {"from_connection": str(created.connection_id)}).status_code == 200
    workflow.rerun_tests(by=cast["requester"], conn_request=created)
    processes.until(lambda: ConnectionRequest.objects.get(pk=created.pk).connection.runs.count() > 1, 20)
    cast["requester2"].refresh_from_db()
    row = secret_canary_life.handed_over(journey, fivetran, cast, as_user, group)
    conn_request = ConnectionRequest.objects.get(pk=row.request_id)
    workflow.revoke(by=cast["requester"], handover=conn_request.handover)  # until then nothing is compared
    secret_canary_life.hinted(journey, fivetran, conn_request, settings)
    secret_canary_life.changed(fivetran, cast, as_user, conn_request)
    secret_canary_life.adopted(fivetran, as_user, group)
    notifications.send_due()
    journey.reports += [*reports(client), *reports(client, f"/handover/{row.token}/card/")]
    journey.printed += [worker_of.log.read_text(), *(path.read_text() for path in tmp_path.glob("*.log"))]
    assert any("ForkPool" in text or "celery" in text for text in journey.printed), "the worker's log was not read"
    leaks = secret_canaries.found(journey)
    assert not leaks, "\n".join(leaks)
    assert list(secret_canaries.mails(journey)), "no mail was looked at"


def test_an_error_report_still_says_where_it_happened(cast: dict[str, User], as_user: Callable[..., Client]) -> None:
    for text in reports(as_user("requester")):
        for wanted in ("ValueError", "_fail", NEW, "config__password", "requester"):
            assert wanted in text, wanted


# --- a scan that cannot find anything is none ------------------------------------------------------------------------


@pytest.mark.parametrize("place", secret_canaries.SCANS)
def test_each_scan_would_find_one(journey: Journey, cast: dict[str, User], place: str) -> None:
    planted = "planted-Wq3Tn"
    conn_request = factories.submitted(cast["requester"], reason=planted, config__schema="planted")
    journey.printed.append(planted)
    journey.reports.append(planted)
    mail.send_mail("hello", planted, None, ["a@example.com"])
    with redis.Redis.from_url(journey.broker_url) as client:
        client.set("planted", planted)
    if place == "exports":
        assert any(planted in text for where, text in secret_canaries.exports(journey) if "export" in where)
    assert any(planted in text for _, text in secret_canaries.SCANS[place](journey)), conn_request
