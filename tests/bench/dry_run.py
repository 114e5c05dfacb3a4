"""P15: a dry run of a filled postgres form beside its own calls one after the other, and the page that shows it."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.bench.calls import fivetran, group, prefix
from tests.bench.pages import cookie_of, in_process
from tests.bench.readings import Reading, Site, percentile, take_turns

TIMES = 15
SLOW = 0.2  # seconds that an answer takes, as Fivetran's do from another continent


def beside_its_calls(site: Site) -> list[Reading]:
    """Where answers come at once, and where each takes 200 ms; the page before and after."""
    from connections.models import DryRun
    from connections.spec.dry_run import CheckState

    group()
    conn_request = _drafted()
    page = in_process(f"/requests/{conn_request.pk}/", cookie_of("requester"))
    page()
    without, _ = take_turns(page, page, TIMES * site.rounds)
    run, calls = _run(conn_request), _calls(conn_request)
    for _ in range(3):
        run()
        calls()
    stored = DryRun.objects.get(request=conn_request)
    assert {one.state for one in stored.results} == {CheckState.PASSED}, stored.checks
    ours, raw = take_turns(run, calls, TIMES * site.rounds)
    _with_slow_answers(2 * TIMES * 8)
    slow, slow_raw = take_turns(run, calls, TIMES)
    fivetran().settings(next_answers=[])
    shown, _ = take_turns(page, page, TIMES * site.rounds)
    one, other = percentile(ours, 50), percentile(raw, 50)
    late, late_raw = percentile(slow, 50), percentile(slow_raw, 50)
    before, after = percentile(without, 50), percentile(shown, 50)
    return [
        Reading("dry run - its calls", one - other, "ms", 150, f"{one:.0f} ms, its calls {other:.0f} ms"),
        Reading("the same, 200 ms an answer", late / late_raw, "x", 1.2, f"{late:.0f} ms, its calls {late_raw:.0f} ms"),
        Reading("page with it - without", after - before, "ms", 20, f"{after:.0f} ms, without {before:.0f} ms"),
    ]


def _drafted() -> Any:
    from django.contrib.auth.models import User

    from connections import workflow
    from connections.forms.controls import own_return_address

    values = {
        "service": "postgres",
        "group_id": group(),
        "reason": "Orders by the hour",
        "config.schema_prefix": prefix(),
        "config.host": "db.example.com",
        "config.port": 5432,
        "config.database": "orders",
        "config.user": "fivetran",
        "config.update_method": "QUERY_BASED",
        "use_connect_card": True,
        "connect_card_config.redirect_uri": own_return_address(),
    }
    filing = workflow.Filing(values=values, service_name="PostgreSQL", group_name="Warehouse")
    return workflow.save_draft(by=User.objects.get(username="requester"), filing=filing)


def _run(conn_request: Any) -> Callable[[], None]:
    """The job, for a row that is due: what a worker does with the message."""
    from django.db.models.functions import Now

    from connections import worker
    from connections.models import DryRun

    DryRun.objects.create(request=conn_request, asked_by=conn_request.requester)

    def run() -> None:
        DryRun.objects.update(due_at=Now())
        worker.run("dry_run", conn_request.pk)
        assert not DryRun.objects.get(request=conn_request).is_running

    return run


def _calls(conn_request: Any) -> Callable[[], None]:
    """The same calls by the same client, one after the other."""
    from connections.dry_run.judgement import judged
    from connections.fivetran import configured
    from connections.fivetran.errors import Refused

    body = judged(conn_request, {}).body
    name, place = conn_request.schema, conn_request.group_id

    def calls() -> None:
        client = configured.reader()
        account = client.get_account()
        client.get_connector_type("postgres")
        client.get_destination(place)
        client.find_connections(place, name)
        with suppress(Refused):  # the sandbox may have no users
            client.get_user(account.data["user_id"])
        client.would_create(body)

    return calls


def _with_slow_answers(times: int) -> None:
    late = {"delay": SLOW, "times": times}
    fivetran().next({"method": "GET", "path": "/v1/*", **late}, {"method": "POST", "path": "/_sandbox/check", **late})
