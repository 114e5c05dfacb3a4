"""Lists, single reads, the short calls, keys read anew for each call, and the client that settings describe."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from connections.fivetran import configured
from connections.fivetran.client import MOST_SYNC_PAGES, FivetranClient
from connections.fivetran.errors import NotSent, RateLimited, Refused, Unauthorized, Unknown

from .raw_server import client_for, created, refusal, reply, serving


def pages(*answers: bytes, keep: bool = True):
    """Says one answer after the other, the last one for ever."""
    left = list(answers)

    def say(connection, request):
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])
        return keep

    return say


def page(items, cursor=None):
    data = {"items": items} if cursor is None else {"items": items, "next_cursor": cursor}
    return reply(200, {"code": "Success", "data": data})


def target(request: bytes) -> tuple[str, str, dict[str, list[str]]]:
    method, path, _ = request.split(b"\r\n")[0].decode().split()
    return method, urlsplit(path).path, parse_qs(urlsplit(path).query)


LISTS = {
    "list_groups": "/v1/groups",
    "list_destinations": "/v1/destinations",
    "list_private_links": "/v1/private-links",
    "list_proxies": "/v1/proxy",
    "list_hybrid_agents": "/v1/hybrid-deployment-agents",
    "list_connector_types": "/v1/metadata/connector-types",
}


@pytest.mark.parametrize(("method", "path"), LISTS.items())
def test_a_list_is_read_to_its_end(method, path):
    with serving(pages(page([{"id": "a"}], "c+/= 1"), page([], "c2"), page([{"id": "b"}]))) as server:
        assert getattr(client_for(server.url), method)() == [{"id": "a"}, {"id": "b"}]
    asked = [target(request) for request in server.requests]
    assert [(verb, where) for verb, where, _ in asked] == [("GET", path)] * 3
    assert [query.get("cursor") for _, _, query in asked] == [None, ["c+/= 1"], ["c2"]]
    assert server.connections == 1, "GETs share a connection"


def test_connections_are_looked_up_by_group_and_exact_name():
    with serving(pages(page([{"id": "a"}], "next"), page([{"id": "b"}]))) as server:
        assert len(client_for(server.url).find_connections("my_group", "sheets.tab & more")) == 2
    for request in server.requests:
        _, path, query = target(request)
        assert path == "/v1/connections"
        assert (query["group_id"], query["schema"]) == (["my_group"], ["sheets.tab & more"])


@pytest.mark.parametrize(("group_id", "schema"), [("", "s"), ("g", ""), ("", "")])
def test_a_look_up_without_a_name_would_find_everything(group_id, schema):
    with pytest.raises(ValueError):
        client_for("http://127.0.0.1:9").find_connections(group_id, schema)


@pytest.mark.parametrize(
    "data",
    [{}, [], None, {"items": None}, {"items": {}}, {"items": ["x"]}, {"items": [{}, 1]},
     {"items": [], "next_cursor": 7}, {"items": [], "next_cursor": ["x"]}, {"items": [], "next_cursor": "x" * 5_000}],
)  # fmt: skip
def test_a_page_of_another_shape(data):
    with serving(reply(200, {"code": "Success", "data": data})) as server, pytest.raises(Unknown):
        client_for(server.url).list_groups()
    assert len(server.requests) == 1, "asking again would bring the same"


def test_a_list_that_repeats_its_cursor():
    with serving(pages(page([{}], "a"), page([{}], "b"), page([{}], "a"))) as server, pytest.raises(Unknown):
        client_for(server.url).list_groups()
    assert len(server.requests) == 3


def test_a_list_without_end():
    count = iter(range(10_000))
    with serving(lambda c, r: c.sendall(page([{}], f"c{next(count)}")) or True) as server, pytest.raises(Unknown):
        client_for(server.url).list_groups()
    assert len(server.requests) == 200


def test_the_syncs_of_a_day_or_since_a_moment_are_read_to_their_end():
    now = datetime.now(UTC)
    day, half, hour = now - timedelta(days=1), now - timedelta(hours=12), now - timedelta(hours=1)
    for since, start in (None, day), (now - timedelta(days=70), day), (half, half), (now + timedelta(days=9), hour):
        with serving(pages(page([{"start": "a"}], "next"), page([{"start": "b"}]))) as server:
            assert client_for(server.url).list_syncs("my_id", since) == [{"start": "a"}, {"start": "b"}]
        for request in server.requests:
            _, path, query = target(request)
            assert path == "/v1/connections/my_id/sync-history"
            asked = [datetime.fromisoformat(query[name][0]) for name in ("start_time", "end_time")]
            assert abs(asked[0] - start) < timedelta(minutes=2) > asked[1] - now > timedelta(0)
            assert asked[1] - asked[0] <= timedelta(days=7), "Fivetran takes no longer span"


def test_syncs_without_end_are_not_read_for_ever():
    count = iter(range(10_000))
    with serving(lambda c, r: c.sendall(page([{}], f"c{next(count)}")) or True) as server, pytest.raises(Unknown):
        client_for(server.url).list_syncs("my_id")
    assert len(server.requests) == MOST_SYNC_PAGES


def test_an_account_without_a_list_of_syncs_refuses():
    with serving(refusal(404, "NotFound")) as server, pytest.raises(Refused) as caught:
        client_for(server.url).list_syncs("my_id")
    assert (caught.value.status, len(server.requests)) == (404, 1)


def test_half_a_list_is_no_list():
    with serving(pages(page([{"id": "a"}], "c"), refusal(500))) as server, pytest.raises(Unknown):
        client_for(server.url, get_deadline=5).list_groups()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_read_is_tried_three_times(status):
    with serving(pages(reply(status, b"<html>"), reply(status, b""), page([]))) as server:
        client_for(server.url).probe()
    assert len(server.requests) == 3
    with serving(reply(status, b"<html>")) as server, pytest.raises(Unknown) as caught:
        client_for(server.url).probe()
    assert len(server.requests) == 3
    assert caught.value.status == status


def test_a_read_survives_a_connection_that_was_dropped():
    with serving(pages(b"", page([{"id": "a"}]), keep=False)) as server:
        assert client_for(server.url).list_groups() == [{"id": "a"}]


@pytest.mark.parametrize(
    ("said", "error"),
    [(refusal(429, "TooManyRequests", "", "Retry-After: 1"), RateLimited), (refusal(401), Unauthorized),
     (refusal(404, "NotFound_Connection"), Refused), (reply(302, b"", "Location: /"), Unknown),
     (reply(404, b"<html>"), Unknown), (refusal(503, "X", "", "Retry-After: 1"), Unknown)],
)  # fmt: skip
def test_reads_raise_the_same_errors(said, error):
    with serving(said) as server, pytest.raises(error):
        client_for(server.url).get_connection("abc")
    assert len(server.requests) == (3 if b"503" in said else 1)


def test_a_read_that_never_connects():
    with serving(b"") as server:
        url = server.url
    with pytest.raises(NotSent):
        client_for(url).probe()


def test_repetitions_end_with_the_deadline():
    with serving(reply(503)) as server, pytest.raises(Unknown):
        client_for(server.url, get_deadline=0.05).probe()
    assert len(server.requests) == 1


def test_single_reads():
    with serving(reply(200, {"code": "Success", "data": {"id": "abc_d", "account_id": "acc"}})) as server:
        client = client_for(server.url)
        assert client.get_connection("abc_d").data["id"] == "abc_d"
        assert client.get_account().data["account_id"] == "acc"
        assert client.get_connector_type("google_sheets").code == "Success"
        with pytest.raises(Unknown):
            client.get_connection("another")
    paths = [target(request)[1] for request in server.requests]
    assert paths[:3] == [
        "/v1/connections/abc_d", "/v1/account/info", "/v1/metadata/connector-types/google_sheets"
    ]  # fmt: skip


def test_an_account_without_an_id():
    for data in ({}, {"account_id": None}, {"account_id": ""}, {"account_id": 7}):
        with serving(reply(200, {"data": data})) as server, pytest.raises(Unknown):
            client_for(server.url).get_account()


BAD_IDS = ["", "../users", "a?x=", "a%2f..", "a/b", "a b", "a\n", "ümlaut", "a" * 300, "a-b", "."]


@pytest.mark.parametrize("bad", BAD_IDS)
def test_ids_that_are_none(bad):
    client = client_for("http://127.0.0.1:9")
    for call in (
        lambda: client.get_connection(bad),
        lambda: client.run_setup_tests(bad),
        lambda: client.mint_connect_card(bad, "http://x/"),
        lambda: client.list_certificates(bad),
        lambda: client.approve_certificate(bad, "h", "c"),
        lambda: client.list_fingerprints(bad),
        lambda: client.approve_fingerprint(bad, "h", "k"),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("bad", [*(bad for bad in BAD_IDS if bad != "a" * 300), "Google_Sheets"])
def test_names_of_services_that_are_none(bad):
    with pytest.raises(ValueError):
        client_for("http://127.0.0.1:9").get_connector_type(bad)


def sent(request: bytes) -> object:
    return json.loads(request.partition(b"\r\n\r\n")[2])


def test_setup_tests_are_run_with_an_object_as_body():
    with serving(pages(reply(200, {"code": "Success", "data": {"id": "abc", "setup_tests": []}}))) as server:
        client = client_for(server.url)
        client.run_setup_tests("abc")
        client.run_setup_tests("abc", trust_certificates=True)
    assert [target(request)[:2] for request in server.requests] == [("POST", "/v1/connections/abc/test")] * 2
    assert sent(server.requests[0]) == {"trust_certificates": False, "trust_fingerprints": False}
    assert sent(server.requests[1]) == {"trust_certificates": True, "trust_fingerprints": False}
    assert server.connections == 2, "each POST has a connection of its own"


def test_setup_tests_of_another_connection():
    with serving(reply(200, {"data": {"id": "other"}})) as server, pytest.raises(Unknown):
        client_for(server.url).run_setup_tests("abc")


@pytest.mark.parametrize("said", [reply(503), b"", refusal(429)])
def test_no_post_is_repeated(said):
    for call in (
        lambda client: client.create_connection({}),
        lambda client: client.run_setup_tests("abc"),
        lambda client: client.mint_connect_card("abc", "http://x/"),
        lambda client: client.approve_certificate("abc", "h", "c"),
    ):
        with serving(said) as server, pytest.raises((Unknown, RateLimited)):
            call(client_for(server.url))
        assert len(server.requests) == 1


def test_a_connect_card():
    card = {"connector_id": "abc", "connect_card": {"token": "t", "uri": "https://fivetran.com/connect-card/setup"}}
    with serving(reply(200, {"code": "Success", "data": card})) as server:
        answer = client_for(server.url).mint_connect_card("abc", "https://portal.example/r?a=b", hide_setup_guide=True)
    assert answer.data["connect_card"]["uri"].startswith("https://fivetran.com/")
    assert target(server.requests[0])[1] == "/v1/connections/abc/connect-card"
    config = {"redirect_uri": "https://portal.example/r?a=b", "hide_setup_guide": True}
    assert sent(server.requests[0]) == {"connect_card_config": config}


@pytest.mark.parametrize("data", [{}, {"connect_card": None}, {"connect_card": {}}, {"connect_card": {"uri": 1}}])
def test_a_connect_card_without_an_address(data):
    with serving(reply(200, {"data": data})) as server, pytest.raises(Unknown):
        client_for(server.url).mint_connect_card("abc", "http://x/")


def test_certificates_and_fingerprints():
    with serving(reply(200, {"code": "Success", "data": {"items": [{"hash": "h"}]}})) as server:
        client = client_for(server.url)
        assert client.list_certificates("abc") == [{"hash": "h"}]
        assert client.list_fingerprints("abc") == [{"hash": "h"}]
        client.approve_certificate("abc", "h+/=", "PEM")
        client.approve_fingerprint("abc", "h+/=", "ssh-rsa x")
    verbs = [target(request)[:2] for request in server.requests]
    assert verbs[:2] == [("GET", "/v1/connections/abc/certificates"), ("GET", "/v1/connections/abc/fingerprints")]
    assert verbs[2:] == [("POST", "/v1/connections/abc/certificates"), ("POST", "/v1/connections/abc/fingerprints")]
    assert sent(server.requests[2]) == {"hash": "h+/=", "encoded_cert": "PEM"}
    assert sent(server.requests[3]) == {"hash": "h+/=", "public_key": "ssh-rsa x"}


# --- keys


def test_the_key_is_read_for_each_call():
    keys = iter([("one", "a"), ("two", "b"), ("three", "ü")])
    with serving(created()) as server:
        client = FivetranClient(server.url, lambda: next(keys))
        for _ in range(3):
            client.create_connection({})
    tokens = [request.split(b"Authorization: Basic ")[1].split(b"\r\n")[0] for request in server.requests]
    assert tokens == [b"b25lOmE=", b"dHdvOmI=", b"dGhyZWU6w7w="]


def unreadable():
    raise FileNotFoundError("/run/secrets/the-path")


@pytest.mark.parametrize("credentials", [unreadable, lambda: ("", ""), lambda: ("key", ""), lambda: None])
def test_without_a_key_nothing_is_sent(credentials):
    with serving(created()) as server:
        client = FivetranClient(server.url, credentials)
        for call in (lambda: client.create_connection({}), client.probe):
            with pytest.raises(Unauthorized) as caught:
                call()
            assert caught.value.status is None
        assert server.connections == 0


# --- threads, forks, settings


def test_each_thread_has_a_connection():
    with serving(lambda c, r: c.sendall(page([])) or True) as server:
        client = client_for(server.url)
        barrier = threading.Barrier(4)

        def work():
            client.probe()
            barrier.wait(5)
            client.probe()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(server.requests) == 8
        assert server.connections == 4


def test_cookies_are_not_kept():
    with serving(pages(page([], "c").replace(b"\r\n", b"\r\nSet-Cookie: a=b\r\n", 1), page([]))) as server:
        client_for(server.url).list_groups()
    assert not [request for request in server.requests if b"\r\ncookie" in request.lower()]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_uses_a_connection_of_its_own():
    with serving(lambda c, r: c.sendall(page([])) or True) as server:
        client = client_for(server.url)
        client.probe()
        child = os.fork()
        if child == 0:
            try:
                client.probe()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.probe()
        assert server.connections == 2


def test_the_client_of_the_settings(settings):
    with serving(created()) as server:
        settings.FIVETRAN_BASE_URL = server.url
        settings.FIVETRAN_CREDENTIALS = lambda: ("one", "a")
        settings.FIVETRAN_PROXY_URL = settings.FIVETRAN_CA_BUNDLE = ""
        client = configured.client()
        assert client.base_url == server.url
        assert configured.client() is client
        assert configured.client(read_timeout=4.0) is not client
        client.create_connection({})
    assert b"Authorization: Basic b25lOmE=" in server.requests[0]
    settings.FIVETRAN_BASE_URL = "http://api.fivetran.com"
    with pytest.raises(ValueError):
        configured.client()


GROUP = {"get_group_public_key": "public_key", "get_group_service_account": "service_account"}


@pytest.mark.parametrize(("method", "key"), GROUP.items())
def test_a_groups_key_and_service_account(method, key):
    with serving(reply(200, {"code": "Success", "data": {key: "ssh-rsa AAAA fivetran user key"}})) as server:
        assert getattr(client_for(server.url), method)("projected_sickle") == "ssh-rsa AAAA fivetran user key"
    assert target(server.requests[0])[:2] == ("GET", f"/v1/groups/projected_sickle/{key.replace('_', '-')}")


@pytest.mark.parametrize("method", GROUP)
@pytest.mark.parametrize("data", [{}, {"public_key": None, "service_account": 7}, {"public_key": ["x"]}])
def test_a_group_of_another_shape(method, data):
    with serving(reply(200, {"code": "Success", "data": data})) as server, pytest.raises(Unknown):
        getattr(client_for(server.url), method)("projected_sickle")


@pytest.mark.parametrize("method", GROUP)
@pytest.mark.parametrize("group_id", ["", "../account/info", "a b", "x" * 256])
def test_nothing_is_asked_about_what_is_no_group(method, group_id):
    with pytest.raises(ValueError):
        getattr(client_for("http://127.0.0.1:9"), method)(group_id)
