"""A dry run as a whole: what it finds before anybody approves, what it sends, and what it costs."""

from typing import Any

import pytest

from connections import workflow
from connections.forms import RequestForm
from connections.models import ConnectionRequest, DryRun
from connections.spec.dry_run import Check
from tests import factories
from tests.dry_run import NOT_POSSIBLE, PASSED, draft, dry_run_of, postgres, states
from tests.sandbox_client import Fivetran


def saved(conn_request: ConnectionRequest, **changes: Any) -> ConnectionRequest:
    """The draft with other values."""
    filing = factories.filing(**postgres(**changes))
    return workflow.save_draft(by=conn_request.requester, filing=filing, conn_request=conn_request)


def test_what_would_stand_in_the_way_is_found_and_mended(fivetran: Fivetran, group: str) -> None:
    fivetran.seed(group_id="amber_harbor", service="postgres", schema="orders_db")
    conn_request = draft(config__update_method="WRONG", hybrid_deployment_agent_id="agent_lab")
    found = dry_run_of(conn_request)
    assert list(found) == list(Check)
    assert {check: state for check, state in states(found).items() if state != "not_possible"} == {
        "name": "failed",
        "config": "warning",
        "networking": "warning",
    }
    assert found[Check.SANDBOX].state is NOT_POSSIBLE
    assert "Mend what is named above" in " ".join(found[Check.SANDBOX].sentences)
    mended = saved(conn_request, config__schema_prefix="orders_db_2")
    assert states(dry_run_of(mended)) == {}
    # Towards Fivetran only reads; the sandbox's own address is not in its journal.
    assert {call["method"] for call in fivetran.call("journal")} == {"GET"}
    assert len(fivetran.connections()) == 1


def test_a_submitted_request_keeps_the_result_of_its_draft(fivetran: Fivetran, group: str) -> None:
    conn_request = draft()
    dry_run_of(conn_request)
    factories.person("approver")
    values = {**conn_request.values, "config.connection_type": "Directly"}  # what the form adds where it is submitted
    filing = workflow.Filing(values=values, service_name="PostgreSQL", group_name="Warehouse")
    pending = workflow.submit(by=conn_request.requester, filing=filing, conn_request=conn_request)
    run = DryRun.objects.get()
    assert run.digest == pending.digest and not run.is_stale_for(pending)
    other = workflow.Filing(values={**values, "config.host": "other.example.com"})
    assert run.is_stale_for(workflow.submit(by=pending.requester, filing=other, conn_request=pending))


def test_a_draft_that_was_saved_since_is_stale(fivetran: Fivetran, group: str) -> None:
    conn_request = draft()
    dry_run_of(conn_request)
    assert not DryRun.objects.get().is_stale_for(ConnectionRequest.objects.get())
    saved(conn_request, config__host="other.example.com")
    assert DryRun.objects.get().is_stale_for(ConnectionRequest.objects.get())


def test_every_check_says_something_to_people(fivetran: Fivetran, group: str) -> None:
    for one in dry_run_of(draft()).values():
        assert one.state is PASSED and one.sentences
        assert all(said.endswith((".", "!", "?")) for said in one.sentences)


LINK = {
    "service": "postgres",
    "group_id": "amber_harbor",
    "reason": "Orders by the hour",
    "config.schema_prefix": "orders_db",
    "config.host": "db.example.com",
    "config.port": "5432",
    "config.database": "orders",
    "config.user": "fivetran",
}
AGENT = {"networking_method": "ProxyAgent"}


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"config.update_method": "WRONG"}, {"config.update_method": "QUERY_BASED"}),
        ({"sync_frequency": "7"}, {"sync_frequency": "60"}),
        ({"data_delay_sensitivity": "VERY"}, {"data_delay_sensitivity": "LOW"}),
    ],
)
def test_a_draft_that_a_link_has_filled(
    fivetran: Fivetran, group: str, wrong: dict[str, str], right: dict[str, str]
) -> None:
    fivetran.seed(group_id="amber_harbor", service="postgres", schema="orders_db")
    flawed = RequestForm.from_link({**LINK, **AGENT, "proxy_agent_id": "proxy_plant", **wrong})
    conn_request = workflow.save_draft(by=factories.person(), filing=workflow.Filing(flawed.kept()))
    found = {check: state for check, state in states(dry_run_of(conn_request)).items() if state != "not_possible"}
    where = "config" if "config.update_method" in wrong else "request"
    assert set(found) == {"name", "networking", where}
    mended = RequestForm.from_link(
        {**LINK, **AGENT, "proxy_agent_id": "proxy_office", "config.schema_prefix": "orders_db_2", **right}
    )
    conn_request.refresh_from_db()
    filing = workflow.Filing(mended.kept())
    conn_request = workflow.save_draft(by=conn_request.requester, filing=filing, conn_request=conn_request)
    assert states(dry_run_of(conn_request)) == {}
    factories.person("approver")
    pending = workflow.submit(
        by=conn_request.requester, filing=workflow.Filing(mended.values()), conn_request=conn_request
    )
    assert not DryRun.objects.get().is_stale_for(pending)
    assert {call["method"] for call in fivetran.call("journal")} == {"GET"}
