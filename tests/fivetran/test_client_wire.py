"""The wire under the client: deadlines, sizes, certificates, proxies, and what the environment must not change."""

import contextlib
import datetime
import gzip
import json
import select
import socket
import ssl
import time
import tracemalloc
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connections.fivetran.client import Answer, FivetranClient, boottime
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized, Unknown

from .raw_server import client_for, created, refusal, reply, reset, serving

BODY = {"service": "google_sheets"}
FIVE = (NotSent, Refused, RateLimited, Unauthorized, Unknown)


# --- time


def test_the_clock_is_looked_at_between_connecting_and_sending(authority):
    context = server_context(authority)

    def slow_handshake(connection, request):
        # By now the time to give up has passed, and the client is connected.
        time.sleep(0.5)
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as secured:
            received.append(secured.recv(65536))

    received: list[bytes] = []
    with serving(slow_handshake, reads=False) as server, authority.cert_pem.tempfile() as bundle:
        client = client_for(server.url.replace("http:", "https:"), ca_bundle=bundle)
        with pytest.raises(NotSent):
            client.create_connection(BODY, give_up_at=boottime() + 0.3)
    assert received in ([], [b""])


def test_boottime_runs():
    first = boottime()
    time.sleep(0.02)
    assert 0.01 < boottime() - first < 5


# --- sizes


def endless(head: bytes, sent: list[int]):
    def say(connection, request):
        connection.sendall(head)
        chunk = b" " * 1_000_000
        for _ in range(1_000):
            connection.sendall(chunk)
            sent.append(len(chunk))

    return say


@pytest.mark.parametrize("head", [b"Content-Length: 1000000000", b"X: y"])
@pytest.mark.parametrize("status", [201, 302, 400, 500])
def test_a_giant_body_is_not_read(head, status):
    sent: list[int] = []
    said = b"HTTP/1.1 %d X\r\nLocation: /there\r\n%s\r\n\r\n" % (status, head)
    tracemalloc.start()
    try:
        with serving(endless(said, sent)) as server:
            client = client_for(server.url)
            for call in (lambda: client.create_connection(BODY), client.list_groups):
                with pytest.raises(Unknown):
                    call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * 1024 * 1024
    assert sum(sent) < 100_000_000


@pytest.mark.parametrize("status", [200, 201, 302, 400, 503])
def test_a_packed_body_is_not_unpacked(status):
    bomb = gzip.compress(b" " * 50_000_000 + b'{"code": "X", "message": "y"}')
    tracemalloc.start()
    try:
        said = reply(status, bomb, "Content-Encoding: gzip", "Location: /there")
        with serving(said) as server, pytest.raises(Unknown):
            client_for(server.url).create_connection(BODY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 1024 * 1024


def test_the_cap_of_an_answer():
    def padded(length: int) -> bytes:
        content = created().partition(b"\r\n\r\n")[2]
        return reply(201, content + b" " * (length - len(content)))

    with serving(padded(1024 * 1024)) as server:
        assert client_for(server.url).create_connection(BODY).status == 201
    with serving(padded(1024 * 1024 + 1)) as server, pytest.raises(Unknown):
        client_for(server.url).create_connection(BODY)


# --- certificates


@pytest.fixture(scope="module")
def authority():
    return pytest.importorskip("trustme").CA()


def server_context(authority, *names: str, **options) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("127.0.0.1",)), **options).configure_cert(context)
    return context


def refused_certificate(context, bundle: str = "") -> None:
    with serving(created(), tls=context) as server:
        with pytest.raises(NotSent) as caught:
            client_for(server.url, ca_bundle=bundle).create_connection(BODY)
        assert server.requests == []
    assert caught.value.certificate
    assert "certificate" in caught.value.message.lower()


def test_a_trusted_certificate(authority):
    with serving(created(), tls=server_context(authority)) as server, authority.cert_pem.tempfile() as bundle:
        assert client_for(server.url, ca_bundle=bundle).create_connection(BODY).status == 201


def test_a_certificate_of_an_unknown_authority(authority):
    refused_certificate(server_context(authority))


def test_a_certificate_for_another_name(authority):
    with authority.cert_pem.tempfile() as bundle:
        refused_certificate(server_context(authority, "api.example.com"), bundle)


def test_an_expired_certificate(authority):
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    context = server_context(authority, not_before=past, not_after=past + datetime.timedelta(days=1))
    with authority.cert_pem.tempfile() as bundle:
        refused_certificate(context, bundle)


def test_an_old_protocol_leaves_the_outcome_open(authority):
    context = server_context(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with serving(created(), tls=context) as server, authority.cert_pem.tempfile() as bundle:
        with pytest.raises(Unknown):
            client_for(server.url, ca_bundle=bundle).create_connection(BODY)
        assert server.requests == []


def test_a_reset_in_the_handshake_leaves_the_outcome_open():
    def say(connection, request):
        # Not before the handshake has begun: a connection reset while it is being made counts as not sent.
        connection.recv(100)
        reset(connection)

    with serving(say, reads=False) as server, pytest.raises(Unknown):
        client_for(server.url.replace("http:", "https:")).create_connection(BODY)


def test_plain_http_where_tls_is_expected():
    with serving(created(), reads=False) as server, pytest.raises(Unknown):
        client_for(server.url.replace("http:", "https:")).create_connection(BODY)


# --- proxies and the environment


def tunnel(connection, request):
    host, _, port = request.split()[1].decode().partition(":")
    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    with socket.create_connection((host, int(port)), timeout=5) as onward:
        while True:
            for source in select.select([connection, onward], [], [], 5)[0]:
                data = source.recv(65536)
                if not data:
                    return
                (onward if source is connection else connection).sendall(data)


def test_a_proxy_sees_no_more_than_the_name_of_the_server(authority):
    with (
        serving(tunnel) as proxy,
        serving(created(), tls=server_context(authority)) as server,
        authority.cert_pem.tempfile() as bundle,
    ):
        proxy_url = proxy.url.replace("//", "//me:pass-canary@")
        client = client_for(server.url, proxy_url=proxy_url, ca_bundle=bundle)
        assert client.create_connection(BODY).status == 201
        assert "pass-canary" not in repr(client)
    assert len(proxy.requests) == len(server.requests) == 1
    assert proxy.requests[0].startswith(b"CONNECT 127.0.0.1:")
    assert b"\r\nAuthorization" not in proxy.requests[0]


@pytest.mark.parametrize(
    "said",
    [
        reply(403),
        reply(407),
        reply(502, b"<html>"),
        reply(302, b"", "Location: http://127.0.0.1:9/"),
        b"",
        b"nonsense\r\n\r\n",
        lambda connection, request: reset(connection),
        lambda connection, request: not connection.recv(1),
    ],
)
def test_a_proxy_that_opens_no_tunnel(said, authority):
    with serving(said) as proxy, serving(created(), tls=server_context(authority)) as server:
        client = client_for(server.url, proxy_url=proxy.url.replace("//", "//me:pass-canary@"), connect_timeout=0.5)
        with pytest.raises(NotSent) as caught:
            client.create_connection(BODY)
        assert server.connections == 0
        assert len(proxy.requests) == 1
    assert not caught.value.certificate
    assert "pass-canary" not in repr(caught.value)


def test_a_proxy_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent):
        client_for("https://127.0.0.1:1", proxy_url=f"http://127.0.0.1:{port}").create_connection(BODY)


def test_a_certificate_refused_behind_a_proxy(authority):
    with serving(tunnel) as proxy, serving(created(), tls=server_context(authority)) as server:
        with pytest.raises(NotSent) as caught:
            client_for(server.url, proxy_url=proxy.url).create_connection(BODY)
        assert server.requests == []
    assert caught.value.certificate


def test_closed_after_reading_behind_a_proxy_leaves_the_outcome_open(authority):
    with (
        serving(tunnel) as proxy,
        serving(lambda connection, request: None, tls=server_context(authority)) as server,
        authority.cert_pem.tempfile() as bundle,
    ):
        with pytest.raises(Unknown):
            client_for(server.url, proxy_url=proxy.url, ca_bundle=bundle).create_connection(BODY)
        assert len(server.requests) == 1


def test_plain_http_to_this_machine_goes_past_the_proxy():
    with serving(created()) as proxy, serving(created()) as server:
        client_for(server.url, proxy_url=proxy.url).create_connection(BODY)
    assert (proxy.connections, len(server.requests)) == (0, 1)


def test_the_environment_changes_nothing(monkeypatch, tmp_path, authority):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\ndefault login other password other\n")
    netrc.chmod(0o600)
    with serving(created()) as trap, serving(created()) as server:
        monkeypatch.setenv("NETRC", str(netrc))
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, trap.url)
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(netrc))
        monkeypatch.setenv("CURL_CA_BUNDLE", str(netrc))
        client_for(server.url).create_connection(BODY)
        with contextlib.suppress(FivetranError):
            client_for(server.url).list_groups()
        with pytest.raises(NotSent) as caught:
            client_for("https://nowhere.invalid").create_connection(BODY)
        assert trap.connections == 0
    assert caught.value.message
    for request in server.requests:
        assert b"Authorization: Basic dGhlLWtleS1jYW5hcnk6dGhlLXNlY3JldC1jYW5hcnk=\r\n" in request + b"\r\n"


def test_an_environment_variable_cannot_make_a_certificate_trusted(monkeypatch, authority):
    with authority.cert_pem.tempfile() as bundle:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
        monkeypatch.setenv("CURL_CA_BUNDLE", bundle)
        refused_certificate(server_context(authority))


# --- addresses


@pytest.mark.parametrize(
    "url",
    ["https://api.fivetran.com", "https://api.fivetran.com/", "https://gateway.example/fivetran", "http://127.0.0.1:8100",
     "http://localhost:8100", "http://[::1]:8100", "http://127.9.9.9"],
)  # fmt: skip
def test_addresses_that_may_get_the_key(url):
    assert FivetranClient(url, lambda: ("k", "s")).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    ["", "api.fivetran.com", "http://api.fivetran.com", "http://localhost.example.com", "http://127.0.0.1.example.com",
     "http://0.0.0.0:1", "http://10.0.0.1", "ftp://127.0.0.1", "file:///etc/passwd", "https://", "https://u:p@x.example",
     "https://x.example?a=b", "https://x.example#a", "https://api.fivetran.com/v1", "https://api.fivetran.com/v1/",
     "https://x.example:99999", "https://x.example:port"],
)  # fmt: skip
def test_addresses_that_may_not(url):
    with pytest.raises(ValueError):
        FivetranClient(url, lambda: ("k", "s"))


def test_settings_that_cannot_work():
    unusable: list[dict[str, Any]] = [
        {"proxy_url": "socks5://127.0.0.1:1"},
        {"proxy_url": "x"},
        {"ca_bundle": "/nowhere/ca.pem"},
    ]
    for options in unusable:
        with pytest.raises(ValueError):
            FivetranClient("https://api.fivetran.com", lambda: ("k", "s"), **options)


# --- whatever comes back


class Parrot:
    """Says the bytes it holds, whatever was asked."""

    said = b""

    def __call__(self, connection, request):
        connection.sendall(self.said)


@pytest.fixture(scope="module")
def parrot():
    say = Parrot()
    with serving(say) as server:
        yield say, client_for(server.url, create_deadline=3.0, get_deadline=3.0)


def json_values():
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    keys = st.sampled_from(["code", "message", "data", "id", "items", "next_cursor"]) | st.text(max_size=5)
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
    )


def http_answers():
    header = st.sampled_from(
        ["Content-Encoding", "Transfer-Encoding", "Retry-After", "Location", "X-Request-Id", "Set-Cookie", "Connection",
         "Content-Type", "Date"]
    ).flatmap(lambda name: st.binary(max_size=30).map(lambda value: name.encode() + b": " + value))  # fmt: skip
    bodies = st.binary(max_size=200) | json_values().map(lambda value: json.dumps(value).encode())
    return st.builds(
        lambda status, headers, body: b"\r\n".join([b"HTTP/1.1 %d X" % status, *headers, b"", b""]) + body,
        st.sampled_from([200, 201, 204, 301, 307, 400, 401, 403, 404, 409, 429, 500, 503]) | st.integers(0, 1200),
        st.lists(header | st.binary(max_size=30), max_size=4),
        bodies,
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.binary(max_size=300) | http_answers())
def test_any_bytes_are_an_answer_or_one_of_five_errors(parrot, said):
    say, client = parrot
    say.said = said
    try:
        answer = client.create_connection(BODY)
    except FivetranError as error:
        assert type(error) in FIVE
        assert not isinstance(error, NotSent), "it was sent"
        assert len(error.message) <= 2_000
        (str(error) + repr(error) + error.request_id).encode()
    else:
        assert isinstance(answer, Answer)
        assert answer.status in (200, 201)
        assert answer.data["id"].replace("_", "a").isalnum()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=json_values())
def test_any_json_is_a_page_or_one_of_five_errors(parrot, said):
    say, client = parrot
    say.said = reply(200, {"code": "Success", "data": said})
    try:
        assert isinstance(client.list_destinations(), list)
    except FivetranError as error:
        assert type(error) in FIVE


def test_a_refusal_on_a_slow_way_is_still_a_refusal():
    def say(connection, request):
        time.sleep(0.3)
        connection.sendall(refusal(404, "NotFound_Group"))

    with serving(say) as server, pytest.raises(Refused) as caught:
        client_for(server.url).create_connection(BODY)
    assert caught.value.duration_ms >= 300
