"""How each ending of the one call that is not idempotent is classified."""

import json
import socket
import traceback
from datetime import timedelta
from email.utils import format_datetime

import pytest
from django.utils import timezone

from connections.fivetran.client import boottime
from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized, Unknown

from .raw_server import client_for, created, refusal, reply, reset, serving

BODY = {"service": "google_sheets", "group_id": "g", "config": {"schema": "s", "password": "the-body-canary"}}


def ending(answer, **options):
    """The error that create_connection() raises when the server says `answer`."""
    with serving(answer) as server, pytest.raises(FivetranError) as caught:
        client_for(server.url, **options).create_connection(BODY)
    assert len(server.requests) == 1, "a POST is sent once and never repeated"
    return caught.value


def test_a_created_connection_is_an_answer():
    with serving(created(setup_tests=[]).replace(b"Some Words", b"Created\r\nX-Request-Id: abc-1")) as server:
        answer = client_for(server.url).create_connection(BODY)
    assert (answer.status, answer.code, answer.message) == (201, "Success", "Created")
    assert answer.data == {"id": "speak_inexpensive", "setup_tests": []}
    assert answer.request_id == "abc-1"
    assert 0 <= answer.duration_ms < 5_000
    assert "speak" not in repr(answer), "data may hold the address of a Connect Card"


def test_the_request_is_what_fivetran_asks_for():
    with serving(created()) as server:
        client_for(server.url).create_connection(BODY)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /v1/connections HTTP/1.1"
    assert "Accept: application/json;version=2" in lines
    assert "Accept-Encoding: identity" in lines
    assert "Content-Type: application/json" in lines
    assert "Authorization: Basic dGhlLWtleS1jYW5hcnk6dGhlLXNlY3JldC1jYW5hcnk=" in lines
    assert b'"service": "google_sheets"' in body


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406, 415, 422])
def test_a_refusal_with_fivetrans_body_is_definite(status):
    error = ending(refusal(status, "InvalidInput", "Field 'schema' is required", "X-Request-Id: r-7"))
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.message) == (status, "InvalidInput", "Field 'schema' is required")
    assert error.request_id == "r-7"
    assert not error.name_taken


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(400, "SchemaExists", ""), (409, "SchemaExists", "x"), (400, "InvalidInput", 'Schema "a" Already Exists'),
     (409, "Conflict", "An integration with schema a already exists")],
)  # fmt: skip
def test_a_taken_name_is_a_refusal_that_says_so(status, code, message):
    error = ending(refusal(status, code, message))
    assert isinstance(error, Refused)
    assert error.name_taken


def test_the_key_refused():
    assert isinstance(ending(refusal(401, "AuthFailed", "Invalid authorization credentials")), Unauthorized)


@pytest.mark.parametrize("status", [402, 408, 409, 410, 413, 418, 423, 500, 501, 502, 503, 504, 599])
def test_every_other_error_leaves_the_outcome_open(status):
    error = ending(refusal(status))
    assert isinstance(error, Unknown)
    assert error.status == status
    assert error.message == "Some reason"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 502, 503])
@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"null", b"[]", b'{"error": "x"}', b'{"code": "", "message": "x"}',
     b'{"code": 1}', b'{"code": "X"}', b'{"code": ["X"], "message": {}}', b'{"code": "X", "message": null}'],
)  # fmt: skip
def test_an_error_without_fivetrans_body_leaves_the_outcome_open(status, body):
    error = ending(reply(status, body))
    assert isinstance(error, Unknown)
    assert "<html>" not in error.message


USABLE = b'{"code": "Success", "data": {"id": "abc"}}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"abc"',
        b"<html></html>",
        b'{"code": "Success"}',
        b'{"code": "Success", "data": null}',
        b'{"code": "Success", "data": []}',
        b'{"code": "Success", "data": {}}',
        b'{"data": {"id": null}}',
        b'{"data": {"id": 7}}',
        b'{"data": {"id": ["abc"]}}',
        b'{"data": {"id": ""}}',
        b'{"data": {"id": "../users"}}',
        b'{"data": {"id": "a?x="}}',
        b'{"data": {"id": "abc\\n"}}',
        b'{"data": {"id": "a-b"}}',
        '{"data": {"id": "ümläut"}}'.encode(),
        b'{"data": {"id": "%s"}}' % (b"a" * 300),
        b'{"data": {"id": "abc", "id": "def"}}',
        b'{"data": {"id": "abc"}, "data": {"id": "def"}}',
        b'{"data": {"id": "abc", "n": NaN}}',
        b'{"data": {"id": "abc", "n": -Infinity}}',
        b'{"data": {"id": "abc", "n": 1e999}}',
        b'{"data": {"id": "abc", "n": %s}}' % (b"9" * 5_000),
        b'{"data": {"id": "abc", "n": %s}}' % (b"[" * 10_000 + b"]" * 10_000),
        b'{"data": {"id": "abc", "n": %s}}' % (b'{"a":' * 100 + b"1" + b"}" * 100),
        b'{"data": {"id": "abc", "n": "\xff\xfe"}}',
        b"\xef\xbb\xbf" + USABLE,
        USABLE[:-3],
        USABLE + b"x",
    ],
    ids=lambda body: repr(body[:40]),
)
def test_a_success_without_a_usable_id_leaves_the_outcome_open(body):
    error = ending(reply(201, body))
    assert isinstance(error, Unknown)
    assert error.status == 201


def test_the_body_that_these_cases_vary_is_usable():
    for status in (200, 201):
        with serving(reply(status, USABLE)) as server:
            assert client_for(server.url).create_connection(BODY).data["id"] == "abc"


@pytest.mark.parametrize("status", [202, 203, 204, 206, 226])
def test_a_success_that_fivetran_does_not_document(status):
    assert isinstance(ending(reply(status, USABLE if status != 204 else b"")), Unknown)


@pytest.mark.parametrize(
    "said",
    [
        reply(201, USABLE).replace(b"Content-Length: 42", b"Content-Length: 90"),
        reply(201, USABLE).replace(b"Content-Length: 42", b"Content-Length: 20"),
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + USABLE[:16] + b"\r\n",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + USABLE,
        b"HTTP/1.1 201 Created\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 201 Created\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 2",
        b"HTTP/1.1 two Created\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\r\n\r\n",
        b"",
    ],
    ids=lambda said: repr(said[:60]),
)
def test_an_answer_cut_off_or_malformed_leaves_the_outcome_open(said):
    assert isinstance(ending(said), Unknown)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize(
    "where", ["http://127.0.0.1:{port}/v1/connections", "//127.0.0.1:{port}/", "http://[", "\xff\x01"]
)
def test_a_redirect_is_never_followed(status, where):
    with serving(created()) as elsewhere:
        answer = reply(status, b"", "Location: " + where.format(port=elsewhere.port))
        error = ending(answer)
        assert elsewhere.connections == 0
    assert isinstance(error, Unknown)
    assert error.status == status


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("1", 1), ("3600", 3600), ("0", 1), ("-5", 1), ("1000000000000", 7200), ("9" * 5_000, 7200), ("+30", 30),
     ("abc", None), ("", None), ("1.5", None), ("1e3", None), ("٣٠", None), ("Mon", None),
     ("Sun, 06 Nov 1994 08:49:37 GMT", 1), ("Sunday, 06-Nov-94 08:49:37 GMT", 1), ("Sun Nov  6 08:49:37 1994", 1),
     ("Fri, 31 Dec 9999 23:59:59 GMT", 7200), ("Fri, 99 Dec 2026 23:59:59 GMT", None)],
)  # fmt: skip
def test_retry_after(header, seconds):
    head = b"Retry-After: " + header.encode()
    error = ending(refusal(429, "TooManyRequests", "Max 500", "X-Here: 1").replace(b"X-Here: 1", head))
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


def test_retry_after_is_absent():
    error = ending(refusal(429, "TooManyRequests", "Max 500"))
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


def test_a_date_to_wait_for_counts_from_the_servers_clock():
    date = "Date: Tue, 01 Jan 2030 00:00:00 GMT"
    error = ending(refusal(429, "TooManyRequests", "", date, "Retry-After: Tue, 01 Jan 2030 00:01:40 GMT"))
    assert error.retry_after == 100


def test_a_date_to_wait_for_without_the_servers_clock():
    until = timezone.now() + timedelta(seconds=300)
    error = ending(refusal(429, "TooManyRequests", "", "Retry-After: " + format_datetime(until, usegmt=False)))
    assert 250 < error.retry_after <= 300


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent) as caught:
        client_for(f"http://127.0.0.1:{port}").create_connection(BODY)
    assert caught.value.status is None
    assert not caught.value.certificate
    assert "refused" in caught.value.message


def test_a_name_that_does_not_resolve():
    with pytest.raises(NotSent):
        client_for("https://nowhere.invalid").create_connection(BODY)


def test_a_server_that_takes_no_connection():
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        started = boottime()
        with pytest.raises(NotSent):
            client_for(f"http://127.0.0.1:{listener.getsockname()[1]}", connect_timeout=0.5).create_connection(BODY)
        assert 0.4 < boottime() - started < 2


def test_closed_after_reading_leaves_the_outcome_open():
    assert isinstance(ending(lambda connection, request: None), Unknown)


def test_reset_after_reading_leaves_the_outcome_open():
    assert isinstance(ending(lambda connection, request: reset(connection)), Unknown)


def test_reset_in_the_middle_of_our_body_leaves_the_outcome_open():
    def take_some(connection, request):
        connection.recv(100)
        reset(connection)

    with serving(take_some, reads=False) as server, pytest.raises(Unknown):
        client_for(server.url).create_connection({"config": "x" * 5_000_000})


def test_silence_leaves_the_outcome_open():
    started = boottime()
    error = ending(lambda connection, request: not connection.recv(1), create_read_timeout=0.5)
    assert isinstance(error, Unknown)
    assert boottime() - started < 3
    assert 400 < error.duration_ms < 3_000


def test_nothing_is_sent_after_the_time_to_give_up():
    with serving(created()) as server:
        with pytest.raises(NotSent):
            client_for(server.url).create_connection(BODY, give_up_at=boottime() - 0.001)
        assert client_for(server.url).create_connection(BODY, give_up_at=boottime() + 60).status == 201
    assert len(server.requests) == 1


def test_a_value_that_is_not_json_is_the_callers_fault():
    with serving(created()) as server:
        for value in (float("nan"), object(), b"bytes"):
            with pytest.raises((TypeError, ValueError)):
                client_for(server.url).create_connection({"config": value})
    assert server.connections == 0


def test_texts_are_cut_and_cleaned():
    hostile = "\x1b[31mred\x00\u202e\ud800 line\nnext " + "x" * 50_000
    error = ending(refusal(400, "C" * 500 + "\n", hostile, "X-Request-Id: " + "r" * 500))
    assert error.message.startswith("[31mred\ufffd\ufffd line next xxx")
    assert (len(error.message), len(error.code), len(error.request_id)) == (2_000, 100, 200)
    str(error).encode()


def test_characters_that_no_database_stores_are_replaced():
    with serving(
        reply(201, b'{"data": {"id": "abc", "setup_tests": [{"ti\\u0000tle": "a\\u0000b\\ud800"}]}}')
    ) as server:
        answer = client_for(server.url).create_connection(BODY)
    assert answer.data["setup_tests"] == [{"ti\ufffdtle": "a\ufffdb\ufffd"}]


CANARIES = ("the-key-canary", "the-secret-canary", "dGhlLWtleS1jYW5hcnk6dGhlLXNlY3JldC1jYW5hcnk=")


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
def test_a_server_that_repeats_the_key_does_not_get_it_into_an_error(status):
    echo = " ".join(CANARIES) + " the-key-\x00canary"
    error = ending(refusal(status, echo, echo, "X-Request-Id: " + " ".join(CANARIES)))
    texts = [str(error), repr(error), repr(error.args), repr(vars(error))]
    assert not [text for text in texts for canary in CANARIES if canary in text]


def test_nor_does_it_get_into_an_answer():
    """A setup test that failed may quote the call; lists, details and the names of keys as well."""
    quoted = f"Authorization: {' '.join(CANARIES)}"
    tests = [{"title": quoted, "message": quoted, "details": [{quoted: [quoted]}]}]
    with serving(reply(200, {"code": "Success", "data": {"id": "my_id", "setup_tests": tests}})) as server:
        answer = client_for(server.url).get_connection("my_id")
    assert answer.data["id"] == "my_id" and "[hidden]" in answer.data["setup_tests"][0]["message"]
    assert not [canary for canary in CANARIES if canary in json.dumps(answer.data)]


def test_an_error_leads_to_no_key_secret_or_body():
    for answer in (b"", b"nonsense", reply(302), refusal(400)):
        error = ending(answer)
        assert error.__cause__ is None
        assert error.__context__ is None
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        frames = [frame for frame in trace.stack if "/connections/fivetran/" in frame.filename]
        assert frames
        shown = [str(error), repr(error), *(repr(frame.locals) for frame in frames)]
        assert not [text for text in shown for canary in CANARIES if canary in text]
        assert "the-body-canary" not in str(error) + repr(error)
