"""What Fivetran would refuse or ignore is said before anybody approves: hosts, ports, links and agents, addresses."""

import re
from typing import Any

import pytest
from django.test import Client

from connections.forms import Purpose, RequestForm
from connections.forms.batch import judge, read_table
from connections.models import CatalogEntry, ConnectionRequest, Kind
from connections.spec.hosts_and_ports import HOST, HOST_ONLY, PORT, PORT_APART, address_rules
from connections.spec.rules import check
from tests.forms.test_config import ANY, NEW, POSTGRES, client, errors, page, sent

__all__ = ["client"]
pytestmark = pytest.mark.django_db
SALES = {**ANY, "service": "salesforce", "config__schema": "crm"}


def judged(service: str, name: str, value: Any, told: str = "") -> tuple[str, str]:
    """What is refused and what is warned about the setting `name`."""
    path = f"config.{name}"
    verdict = check({path: value}, tuple(address_rules(service, {path: told})))
    return verdict.refused.get(path, ""), verdict.warned.get(path, "")


@pytest.mark.parametrize("port", [0, -1, 65536, 99999, 10**9])
@pytest.mark.parametrize("name", ["port", "tunnel_port", "sftp_port"])
def test_a_port_that_is_none_is_refused(name: str, port: int) -> None:
    assert judged("postgres", name, port) == (PORT, "")


@pytest.mark.parametrize("port", [1, 22, 5432, 9999, 10000, 65535, None])
def test_every_port_is_taken(port: int | None) -> None:
    assert judged("postgres", "port", port) == ("", "")


@pytest.mark.parametrize(
    ("service", "name", "value", "refused", "warned"),
    [
        ("postgres", "host", "https://db.example.com", HOST, HOST_ONLY),
        ("postgres", "tunnel_host", "ssh://bastion", HOST, HOST_ONLY),
        ("postgres", "host", "db.example.com/app", "", HOST_ONLY),
        ("postgres", "host", "db.example.com:5432", "", PORT_APART),
        ("postgres", "host", "2001:db8::1", "", ""),
        ("mongo", "hosts", ["a:27017", "b:27017"], "", ""),
        ("mongo", "hosts", ["a:27017", "mongodb://b"], HOST, HOST_ONLY),
        ("anything", "hostname", "https://db.example.com", "", HOST_ONLY),
        ("anything", "host_user", "https://db.example.com", "", ""),
    ],
)
def test_a_host_that_is_an_address(service: str, name: str, value: Any, refused: str, warned: str) -> None:
    assert judged(service, name, value) == (refused, warned)


def test_a_host_that_fivetran_wants_as_an_address_is_left_alone() -> None:
    assert judged("workday_adaptive", "host", "https://impl.example.com", "host URL, including the scheme") == ("", "")


def test_hosts_and_ports_in_the_form(client: Client) -> None:
    assert errors({**POSTGRES, "config__port": "99999"}) == {"config__port": [PORT.capitalize()]}
    assert "without https://" in errors({**POSTGRES, "config__host": "https://db.example.com/x"})["config__host"][0]
    shown = page(client.get(NEW, {**POSTGRES, "config__host": "db.example.com:5432"}))
    assert re.search(r'id="id_config__host_note"\s+data-note>The port goes into a setting of its own', shown)
    assert sent(client, {**POSTGRES, "config__host": "db.example.com:5432"})["host"] == "db.example.com:5432"
    link = page(client.get(NEW, {**POSTGRES, "config__port": "99999"}))
    assert PORT.capitalize() in link and "There is a problem" in link


# --- links and agents ------------------------------------------------------------------------------------------------
AGENT, LINK = "hybrid_deployment_agent_id", "private_link_id"


@pytest.fixture
def elsewhere(client: Client) -> Client:
    """Beside what `catalogs` offers: things of another group or region, and things that are away."""
    for kind, number, data in (
        (Kind.HYBRID_AGENT, "agent_two", {"online": True, "group_id": "decent_dropsy"}),
        (Kind.HYBRID_AGENT, "agent_off", {"online": False, "group_id": "projected_sickle"}),
        (Kind.PROXY_AGENT, "proxy_off", {"status": "NOT_CONNECTED"}),
        (Kind.PRIVATE_LINK, "link_far", {"state": "OK", "region": "AWS_US_EAST_1", "service": "SOURCE_AWS"}),
        (Kind.PRIVATE_LINK, "link_out", {"state": "OK", "service": "SNOWFLAKE_AWS"}),
    ):
        CatalogEntry.objects.create(kind=kind, fivetran_id=number, name=number, data=data)
    CatalogEntry.objects.filter(fivetran_id="decent_dropsy", kind=Kind.DESTINATION).update(
        data={"service": "big_query", "region": "GCP_US_EAST4", "setup_status": "CONNECTED"}
    )
    return client


def test_an_agent_of_another_destination_is_refused_everywhere(elsewhere: Client) -> None:
    words = "This hybrid deployment agent serves another destination, Sandbox warehouse"
    assert errors({**SALES, AGENT: "agent_two"}) == {AGENT: [words]}
    assert words in page(elsewhere.get(NEW, {**SALES, AGENT: "agent_two"}))
    names = [*SALES, AGENT]
    [row] = judge(read_table("\t".join(names) + "\n" + "\t".join([*SALES.values(), "agent_two"])))
    assert row.errors[AGENT] == [words]
    sent(elsewhere, {**SALES, AGENT: "agent_one"})
    without_group = RequestForm.from_link({"service": "salesforce", AGENT: "agent_two"})
    assert AGENT not in without_group.errors, "no destination is chosen yet"


@pytest.mark.parametrize(
    ("field", "value", "method", "words"),
    [
        (AGENT, "agent_off", "", "not connected to Fivetran just now"),
        ("proxy_agent_id", "proxy_off", "ProxyAgent", "not connected to Fivetran just now"),
        (LINK, "link_far", "PrivateLink", "is in AWS_US_EAST_1 and the destination is not"),
        (LINK, "link_out", "PrivateLink", "leads to a destination, not to a source"),
    ],
)
def test_what_may_not_work_is_said_and_sent(elsewhere: Client, field: str, value: str, method: str, words: str) -> None:
    post = {**SALES, field: value, **({"networking_method": method} if method else {})}
    shown = page(elsewhere.get(NEW, post))
    assert re.search(rf'id="id_{field}_note"\s+data-note>[^<]*{words}', shown)
    assert "There is a problem" not in shown
    sent(elsewhere, post)
    body = ConnectionRequest.objects.latest("pk").payload or {}
    assert body[field] == value


def test_a_warehouse_only_where_there_are_some(elsewhere: Client) -> None:
    name = "destination_configuration__virtual_warehouse"
    assert "only a Snowflake destination".capitalize() not in page(elsewhere.get(NEW, {**SALES, name: "LOADING"}))
    sent(elsewhere, {**SALES, name: "LOADING"})
    body = ConnectionRequest.objects.latest("pk").payload or {}
    assert body["destination_configuration"] == {"virtual_warehouse": "LOADING"}
    other = {**SALES, name: "LOADING", "group_id": "decent_dropsy"}
    assert "Only a Snowflake destination has virtual warehouses" in page(elsewhere.get(NEW, other))


# --- the return address ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("HTTPS://your.site/Path", "https://your.site/Path"),
        ("https://YOUR.site/Path?A=B", "https://your.site/Path?A=B"),
        ("HTTP://Your.Site", "http://your.site"),
        ("HTTP://LOCALHOST/handover/return/", "http://localhost/handover/return/"),
    ],
)
def test_scheme_and_host_of_the_return_address_in_small_letters(
    client: Client, settings: Any, typed: str, kept: str
) -> None:
    settings.CONNECT_CARD_REDIRECT_HOSTS = ["your.site"]
    card = {"use_connect_card": "on", "run_setup_tests": "", "connect_card_config__redirect_uri": typed}
    form = RequestForm.from_post({**SALES, **card}, Purpose.SUBMIT)
    assert form.errors == {} and form.values()["connect_card_config.redirect_uri"] == kept


def test_an_address_of_another_scheme_is_still_refused(client: Client) -> None:
    card = {"use_connect_card": "on", "connect_card_config__redirect_uri": "JAVASCRIPT://your.site/%0aalert(1)"}
    assert "connect_card_config__redirect_uri" in errors({**SALES, **card})
