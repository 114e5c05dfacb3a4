"""What whoever decides is shown: the same evidence wherever something is decided, by one function."""

import html
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections import workflow
from connections.evidence import Kind, body, evidence_of, owners, text_evidence
from connections.models import Batch, BatchRow, CatalogEntry, ChangeKind, ConnectionRequest
from connections.models import Kind as OfCatalog
from connections.states import Status
from tests import factories

pytestmark = pytest.mark.django_db
Login = Callable[[str], Client]
ODD: dict[str, Any] = {
    "service": "postgres",
    "config__schema_prefix": "crm",
    "config__host": "https://db.example.com/crm",
    "config__port": 99999,
    "config__database": "crm\u202egpj",
    "hybrid_deployment_agent_id": "agent_off",
    "sync_frequency": 1,
    "source_owner": "somebody@elsewhere.example",
    "reason": "Board report\u200b",
}
SHOWN: dict[Kind, str] = {
    Kind.RISK: "Syncs every minute",
    Kind.SAME_SOURCE: "Reads the same host db.example.com: Request ",
    Kind.OWNER: "The source owner somebody@elsewhere.example is outside the company",
    Kind.AGENT: "Hybrid deployment agent Cellar: it is not online",
    Kind.ADDRESS: "config.host is an address with a path, not a host: https://db.example.com/crm",
    Kind.HIDDEN: "The reason holds hidden characters: U+200B ZERO WIDTH SPACE",
}
MORE = (
    "config.port has a port that does not exist (1 to 65,535 do): 99999",
    "config.database holds hidden characters: U+202E RIGHT-TO-LEFT OVERRIDE",
    "Connection tender_ape at Fivetran, into projected_sickle as legacy",
)


@pytest.fixture
def odd(cast: dict[str, User]) -> ConnectionRequest:
    """A request with one of everything to notice, in a batch of its own."""
    first = factories.submitted(
        cast["requester2"], service="postgres_rds", config__schema_prefix="old", config__host="DB.example.com"
    )
    key = first.source_key
    assert key
    data = {"online": False, "group_id": "projected_sickle"}
    CatalogEntry.objects.create(kind=OfCatalog.HYBRID_AGENT, fivetran_id="agent_off", name="Cellar", data=data)
    live = {"group_id": "projected_sickle", "service": "postgres"}
    CatalogEntry.objects.create(
        kind=OfCatalog.CONNECTION, fivetran_id="tender_ape", name="legacy", data=live, source_key=key
    )
    return factories.submitted(cast["requester"], **ODD)


def of_page(as_user: Login, conn_request: ConnectionRequest) -> str:
    return as_user("approver").get(f"/requests/{conn_request.pk}/").content.decode()


def of_inbox(as_user: Login, conn_request: ConnectionRequest) -> str:
    return as_user("approver").get("/approvals/").content.decode()


def _in_batch(conn_request: ConnectionRequest) -> Batch:
    batch = Batch.objects.create(requester=conn_request.requester)
    BatchRow.objects.create(batch=batch, request=conn_request, number=1)
    return batch


def of_batch(as_user: Login, conn_request: ConnectionRequest) -> str:
    return as_user("approver").get(f"/batches/{_in_batch(conn_request).pk}/").content.decode()


def of_batch_in_inbox(as_user: Login, conn_request: ConnectionRequest) -> str:
    _in_batch(conn_request)
    return as_user("approver").get("/approvals/").content.decode().partition("One by one")[0]


def of_admin_list(as_user: Login, conn_request: ConnectionRequest) -> str:
    form = {"action": "approve", "index": "0", "_selected_action": [conn_request.pk]}
    return as_user("approver").post("/admin/connections/connectionrequest/", form).content.decode()


def of_admin_page(as_user: Login, conn_request: ConnectionRequest) -> str:
    address = f"/admin/connections/connectionrequest/{conn_request.pk}/change/"
    return as_user("approver").get(address).content.decode()


PLACES = [of_page, of_inbox, of_batch, of_batch_in_inbox, of_admin_list, of_admin_page]


@pytest.mark.parametrize("place", PLACES)
def test_each_place_of_a_decision_shows_all_of_it(
    as_user: Login, odd: ConnectionRequest, place: Callable[[Login, ConnectionRequest], str]
) -> None:
    text = html.unescape(place(as_user, odd))
    for kind, words in SHOWN.items():
        assert words in text, kind
        assert f'data-evidence="{kind.value}"' in text
    for words in MORE:
        assert words in text
    assert "\u202e" not in text and "\u200b" not in text


def test_an_ordinary_request_has_nothing_to_notice(cast: dict[str, User]) -> None:
    conn_request = factories.submitted(cast["requester"])
    owned = factories.submitted(cast["requester"], source_owner="requester2")
    assert evidence_of([conn_request, owned], cast["approver"]) == {conn_request.pk: [], owned.pk: []}


def test_only_who_decides_is_shown_it(as_user: Login, odd: ConnectionRequest) -> None:
    assert "data-evidence" not in as_user("requester").get(f"/requests/{odd.pk}/").content.decode()
    assert "data-evidence" not in as_user("requester").get(f"/batches/{_in_batch(odd).pk}/").content.decode()


def test_many_requests_cost_as_few_queries_as_one(
    odd: ConnectionRequest, cast: dict[str, User], django_assert_max_num_queries: Any
) -> None:
    rows = [factories.submitted(cast["requester"], **{**ODD, "config__schema_prefix": f"c{n}"}) for n in range(8)]
    keys = [conn_request.pk for conn_request in rows]
    rows = list(ConnectionRequest.objects.filter(pk__in=keys).select_related("requester"))
    reader = User.objects.get(username="approver")
    with django_assert_max_num_queries(8):  # rights twice, requests, connections, ours, groups, owners, agents
        found = evidence_of(rows, reader)
    assert all(len(one) == len(found[rows[0].pk]) for one in found.values())


def test_a_person_who_may_not_see_the_other_request_learns_no_name(
    odd: ConnectionRequest, cast: dict[str, User]
) -> None:
    words = " ".join(one.words for one in evidence_of([odd], cast["requester"])[odd.pk])
    assert "of somebody else" in words and "requester2" not in words and "tender_ape" not in words


# --- source owners ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ("requester2", ""),
        ("Requester2@Firm.example", ""),
        ("new@firm.example", "has no account here"),
        ("new@mail.example", "has no account here"),
        ("new@sender.example", "has no account here"),
        ("new@portal.mail.example", "has no account here"),
        ("new@firm.example.evil.example", "is outside the company"),
        ("new@evilmail.example", "is outside the company"),
        ("new@example", "is outside the company"),
        ("nobody", "cannot be mailed here"),
        ("approver", "cannot be mailed here"),
    ],
)
def test_who_is_an_owner_from_outside(cast: dict[str, User], settings: Any, owner: str, words: str) -> None:
    User.objects.filter(username="requester2").update(email="requester2@firm.example")
    User.objects.filter(username="approver").update(email="")
    settings.PUBLIC_URL = "https://portal.mail.example"
    settings.DEFAULT_FROM_EMAIL = "Portal <no-reply@sender.example>"
    assert words in owners.remarks([owner]).get(owner, "") and bool(words) == bool(owners.remarks([owner]))


def test_an_account_that_was_closed_counts_no_longer(cast: dict[str, User]) -> None:
    User.objects.filter(username="requester2").update(is_active=False, email="r@gone.example")
    assert set(owners.remarks(["requester2", "r@gone.example"])) == {"requester2", "r@gone.example"}


# --- hosts and ports -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"host": "db.example.com", "port": 5432}, 0),
        ({"host": "https://db.example.com/"}, 0),
        ({"host": "db.example.com/crm"}, 1),
        ({"host": "db.example.com?ssl=true"}, 1),
        ({"host": "user@db.example.com"}, 1),
        ({"host": "db.example.com:99999"}, 1),
        ({"host": "db.example.com:5432"}, 0),
        ({"host": "2001:db8::1"}, 0),
        ({"host": "d\u0430tabase.example.com"}, 1),
        ({"hosts": ["a.example.com", "b.example.com/x"]}, 1),
        ({"tunnel_host": "bastion/x", "tunnel_port": 0}, 2),
        ({"port": "5432"}, 0),
        ({"port": "54x32"}, 1),
        ({"port": -1}, 1),
        ({"port": 70000}, 1),
        ({"port": 10**30}, 1),
        ({"port": None, "report": "a/b", "server_url": "https://a.example/b"}, 0),
        ({"nested": {"sftp_port": 65536}}, 1),
    ],
)
def test_odd_hosts_and_ports(config: dict[str, Any], count: int) -> None:
    assert len(body.odd_addresses({"config": config})) == count


# --- changes ---------------------------------------------------------------------------------------------------------
def test_a_change_is_looked_at_by_the_same_code(as_user: Login, cast: dict[str, User]) -> None:
    conn_request = factories.request_in(Status.CREATED, cast["requester"], cast["approver"])
    change = workflow.ask_for_change(
        by=cast["requester"],
        conn_request=conn_request,
        kind=ChangeKind.SCHEDULE,
        reason="Live\u202eboard",
        values={"sync_frequency": 1, "schedule_type": "auto"},
    )
    for address in (f"/changes/{change.pk}/", "/approvals/"):
        text = as_user("approver").get(address).content.decode()
        assert "Syncs every minute" in text
        assert "The reason holds hidden characters: U+202E" in text
    assert "data-evidence" not in as_user("requester").get(f"/changes/{change.pk}/").content.decode()


def test_a_batch_with_much_to_notice_says_that_there_is_more(as_user: Login, cast: dict[str, User]) -> None:
    batch = Batch.objects.create(requester=cast["requester"])
    for number in range(1, 14):
        conn_request = factories.submitted(cast["requester"], source_owner=f"one{number}@elsewhere.example")
        BatchRow.objects.create(batch=batch, request=conn_request, number=number)
    text = as_user("approver").get("/approvals/").content.decode()
    assert text.count('data-evidence="owner"') == 10 and "There may be more to notice" in text


@pytest.mark.django_db
def test_what_is_hidden_in_the_name_that_pages_show_is_named() -> None:
    person = factories.person()
    User.objects.filter(pk=person.pk).update(first_name="An\u200bna", last_name="Ek")
    conn_request = ConnectionRequest.objects.get(pk=factories.submitted(person).pk)
    [found] = text_evidence(conn_request)
    assert "The requester's name" in found.words and "U+200B ZERO WIDTH SPACE" in found.words
