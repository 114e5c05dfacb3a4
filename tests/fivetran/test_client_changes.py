"""PATCH and DELETE of a connection: sent at most once a call, and judged by the same five endings as a creation."""

import json
from urllib.parse import urlsplit

import pytest

from connections.fivetran.client import boottime
from connections.fivetran.errors import NotSent, RateLimited, Refused, Unauthorized, Unknown

from .raw_server import client_for, refusal, reply, serving

BODY = {"paused": True, "run_setup_tests": False}
DATA = {"id": "speak_inexpensive", "paused": True, "status": {"sync_state": "paused"}}
DELETED = {"code": "Success", "message": "Connection with id 'speak_inexpensive' has been deleted"}
CALLS = {
    "PATCH": lambda client, **more: client.update_connection("speak_inexpensive", BODY, **more),
    "DELETE": lambda client, **more: client.delete_connection("speak_inexpensive", **more),
}
both = pytest.mark.parametrize("method", CALLS)


def first(request: bytes) -> tuple[str, str]:
    method, path, _ = request.split(b"\r\n")[0].decode().split()
    return method, urlsplit(path).path


def content(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def test_a_change_sends_the_body_and_reads_the_connection():
    with serving(reply(200, {"code": "Success", "data": DATA})) as server:
        answer = client_for(server.url).update_connection("speak_inexpensive", BODY)
    assert answer.data == DATA
    [request] = server.requests
    assert first(request) == ("PATCH", "/v1/connections/speak_inexpensive")
    assert json.loads(content(request)) == BODY
    assert b"content-type: application/json" in request.lower()
    assert b"accept: application/json;version=2" in request.lower()


def test_a_deletion_has_no_body_and_needs_no_data():
    with serving(reply(200, DELETED)) as server:
        answer = client_for(server.url).delete_connection("speak_inexpensive")
    assert (answer.data, answer.code) == ({}, "Success")
    [request] = server.requests
    assert first(request) == ("DELETE", "/v1/connections/speak_inexpensive")
    assert content(request) == b""


@pytest.mark.parametrize("body", [{}, {"message": "deleted"}, {"code": "Deleted"}, {"code": "Success", "data": []}, []])
def test_a_deletion_that_does_not_say_so_leaves_the_outcome_open(body):
    with serving(reply(200, body)) as server, pytest.raises(Unknown):
        client_for(server.url).delete_connection("speak_inexpensive")


@pytest.mark.parametrize("data", [None, {}, {"id": "another"}, {"id": 7}, [DATA]])
def test_a_change_answered_with_another_connection_leaves_the_outcome_open(data):
    with serving(reply(200, {"code": "Success", "data": data})) as server, pytest.raises(Unknown):
        client_for(server.url).update_connection("speak_inexpensive", BODY)


@both
@pytest.mark.parametrize(
    ("said", "error"),
    [
        (refusal(400), Refused),
        (refusal(403), Refused),
        (refusal(404, "NotFound_Connection"), Refused),
        (refusal(401, "AuthFailed"), Unauthorized),
        (refusal(429, "TooManyRequests", "", "Retry-After: 7"), RateLimited),
        (refusal(409, "Conflict"), Unknown),
        (refusal(500), Unknown),
        (reply(502, b"<html>"), Unknown),
        (reply(404, b"<html>"), Unknown),
        (reply(204), Unknown),
        (b"", Unknown),
    ],
    ids=["400", "403", "404", "401", "429", "409", "500", "502", "proxy-404", "204", "dropped"],
)
def test_every_other_answer_is_one_of_the_five_and_is_not_repeated(method, said, error):
    with serving(said) as server, pytest.raises(error) as caught:
        CALLS[method](client_for(server.url))
    assert type(caught.value) is error
    assert len(server.requests) == 1


@both
def test_a_redirect_is_not_followed(method):
    with serving(reply(200, DELETED)) as other:
        with serving(reply(307, b"", f"Location: {other.url}/v1/connections/x")) as server, pytest.raises(Unknown):
            CALLS[method](client_for(server.url))
        assert other.requests == []


@both
def test_nobody_listens(method):
    with pytest.raises(NotSent):
        CALLS[method](client_for("http://127.0.0.1:9"))


@both
def test_silence_leaves_the_outcome_open(method):
    with serving(lambda connection, request: bool(connection.recv(1))) as server, pytest.raises(Unknown):
        CALLS[method](client_for(server.url, get_deadline=0.5))


@both
def test_nothing_is_sent_after_the_time_to_give_up(method):
    with serving(reply(200, DELETED)) as server:
        with pytest.raises(NotSent):
            CALLS[method](client_for(server.url), give_up_at=boottime() - 1)
        assert server.requests == []


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a b", "a" * 300, None, 7])
def test_ids_that_are_none(bad):
    client = client_for("http://127.0.0.1:9")
    for call in (lambda: client.update_connection(bad, BODY), lambda: client.delete_connection(bad)):
        with pytest.raises(ValueError):
            call()


def test_a_value_that_is_not_json_is_the_callers_fault():
    with serving(reply(200, {"code": "Success", "data": DATA})) as server:
        for bad in ({"paused": float("nan")}, {"paused": object()}):
            with pytest.raises((TypeError, ValueError)):
                client_for(server.url).update_connection("speak_inexpensive", bad)
        assert server.requests == []
