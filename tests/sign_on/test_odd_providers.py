"""What a provider answers that is wrong, broken, hostile or slow: nobody gets in, and both sides are told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth.models import Group, User
from django.test import Client
from jwt.algorithms import RSAAlgorithm

from portal.sign_on import oidc
from portal.sign_on.models import DirectoryRole
from tests.sign_on.providers import configure

KEY, OTHERS_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
JWKS = {"keys": [{**json.loads(RSAAlgorithm.to_jwk(KEY.public_key())), "kid": "one", "alg": "RS256"}]}
pytestmark = pytest.mark.sql


class Odd:
    """A provider whose answers a test sets: path -> status and body; `claims` are those of the token."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.claims: dict[str, Any] = {"sub": "s-mia"}
        self.answers: dict[str, tuple[int, Any]] = {
            "/.well-known/openid-configuration": (
                200,
                {
                    "issuer": url,
                    "authorization_endpoint": f"{url}/authorize",
                    "token_endpoint": f"{url}/token",
                    "userinfo_endpoint": f"{url}/userinfo",
                    "jwks_uri": f"{url}/jwks",
                },
            ),
            "/jwks": (200, JWKS),
            "/userinfo": (200, {"sub": "s-mia", "preferred_username": "mia"}),
        }
        self.nonce = ""
        self.sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode(claims, KEY, "RS256", {"kid": "one"})
        self.asked: list[str] = []
        self.pause = 0.0  # seconds before each answer

    def answer(self, path: str) -> tuple[int, Any]:
        if path == "/token" and path not in self.answers:
            now = int(time.time())
            claims = {"iss": self.url, "aud": "portal", "iat": now, "exp": now + 300, "nonce": self.nonce} | self.claims
            token = self.sign({k: v for k, v in claims.items() if v is not None})
            return 200, {"access_token": "token", "token_type": "Bearer", "id_token": token}
        return self.answers.get(path, (404, {}))


@pytest.fixture
def odd(settings: Any, db: None, groups: None) -> Iterator[Odd]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802  # the library's name
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            time.sleep(provider.pause)  # a provider that takes its time
            provider.asked.append(urlsplit(self.path).path)
            status, body = provider.answer(provider.asked[-1])
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815  # the library's name

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Odd(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    configure(settings, provider.url)
    yield provider
    server.shutdown()
    server.server_close()


def log_in(odd: Odd, client: Client) -> Any:
    begun = client.get("/accounts/oidc/login/")
    if begun.status_code != 302:
        return begun
    query = parse_qs(urlsplit(begun["Location"]).query)
    odd.nonce = query["nonce"][0]
    return client.get("/accounts/oidc/callback/", {"state": query["state"][0], "code": "code"})


def nobody(answer: Any, client: Client, words: str) -> None:
    assert answer.status_code in (403, 503), answer
    assert words in answer.content.decode()
    assert "_auth_user_id" not in client.session
    assert not User.objects.exists()


def test_the_odd_one_can_answer_right(odd: Odd) -> None:
    client = Client()
    assert log_in(odd, client).status_code == 302
    assert User.objects.get().username == "mia"


DISCOVERY = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        (DISCOVERY, 500, {}),
        (DISCOVERY, 200, b"<html>log in at the proxy</html>"),
        (DISCOVERY, 200, []),
        (DISCOVERY, 200, {}),
        (DISCOVERY, 200, {"issuer": "https://evil.example"}),
        ("/jwks", 500, {}),
        ("/jwks", 200, {"keys": []}),
        ("/jwks", 200, []),
        ("/token", 500, b"<html>"),
        ("/token", 200, b"\xff\xfe"),
        ("/token", 400, {"error": "invalid_client"}),
        ("/token", 200, {}),
        ("/token", 200, {"access_token": "x"}),
        ("/token", 200, {"access_token": "x", "id_token": 7}),
        ("/token", 200, {"access_token": "x", "id_token": "a.b.c"}),
        ("/userinfo", 500, b""),
        ("/userinfo", 200, []),
        ("/userinfo", 200, b"eyJhbGciOiJub25lIn0.e30."),
        ("/userinfo", 200, {"sub": "s-other", "preferred_username": "other"}),
        ("/userinfo", 200, {"preferred_username": "nobody"}),
    ],
    ids=str,
)
def test_an_answer_that_cannot_be_used(odd: Odd, path: str, status: int, body: Any, caplog: Any) -> None:
    odd.answers[path] = (status, body)
    client = Client()
    nobody(log_in(odd, client), client, "company’s log-in")
    assert "nobody was logged in by company" in caplog.text


@pytest.mark.parametrize(
    "claims",
    [{"sub": None}, {"sub": ""}, {"sub": " "}, {"sub": 7}, {"sub": ["s-mia"]}, {"sub": {"a": 1}}],
    ids=str,
)
def test_without_a_stable_subject_nobody_gets_in(odd: Odd, claims: dict[str, Any]) -> None:
    odd.claims |= claims
    odd.answers["/userinfo"] = (200, {**claims, "preferred_username": "mia"})
    client = Client()
    nobody(log_in(odd, client), client, "company’s log-in")


@pytest.mark.parametrize(
    "claims",
    [{"iss": "https://evil.example"}, {"aud": "another"}, {"exp": 1}, {"nonce": None}, {"nonce": "another"}],
    ids=str,
)
def test_a_token_for_somebody_or_something_else_is_refused(odd: Odd, claims: dict[str, Any]) -> None:
    client = Client()
    begun = client.get("/accounts/oidc/login/")
    query = parse_qs(urlsplit(begun["Location"]).query)
    odd.claims |= {"nonce": query["nonce"][0], **claims}
    answer = client.get("/accounts/oidc/callback/", {"state": query["state"][0], "code": "code"})
    nobody(answer, client, "could not be used")


@pytest.mark.parametrize(
    "sign",
    [
        lambda claims: jwt.encode(claims, OTHERS_KEY, "RS256", {"kid": "one"}),
        lambda claims: jwt.encode(claims, KEY, "RS256", {"kid": "two"}),
        lambda claims: jwt.encode(claims, "a secret that somebody made up, long", "HS256", {"kid": "one"}),
        lambda claims: jwt.encode(claims, "", "none", {"kid": "one"}),
        lambda claims: jwt.encode(claims, KEY, "RS256", {"kid": "one"})[:-4],
    ],
    ids=["another key", "unknown key", "symmetric", "unsigned", "cut"],
)
def test_a_token_that_the_provider_has_not_signed_is_refused(odd: Odd, sign: Any) -> None:
    odd.sign = sign
    client = Client()
    nobody(log_in(odd, client), client, "could not be used")


@pytest.mark.parametrize(("minutes", "gets_in"), [(-4, True), (4, True), (-11, False), (11, False)])
def test_a_clock_may_be_off_by_five_minutes(odd: Odd, minutes: int, gets_in: bool, caplog: Any) -> None:
    """The token is good for five minutes of the provider's clock."""
    begun = int(time.time()) + minutes * 60
    odd.claims |= {"iat": begun, "exp": begun + 300}
    assert (log_in(odd, Client()).status_code == 302) is gets_in
    assert ("is the clock of this machine right?" in caplog.text) is not gets_in


@pytest.mark.parametrize(
    "userinfo",
    [
        {"preferred_username": ["mia"], "email": {"a": 1}, "given_name": 7, "groups": "\0"},
        {"preferred_username": "\0\0", "email": "a\0@b", "name": "x" * 10_000},
        {"preferred_username": "‮mia​", "given_name": "‮Mia\r\n", "family_name": "<b>"},
    ],
    ids=["types", "long", "hidden"],
)
def test_odd_names_are_no_errors_and_hide_nothing(odd: Odd, userinfo: dict[str, Any]) -> None:
    DirectoryRole.objects.create(directory_group="x", gives_staff=True)
    odd.answers["/userinfo"] = (200, {"sub": "s-mia", **userinfo})
    client = Client()
    assert log_in(odd, client).status_code == 302
    user = User.objects.get()
    assert user.username.isascii() and user.get_full_name().isprintable()
    assert client.get("/").status_code == 200


def test_groups_that_were_left_out_are_told_to_operators(odd: Odd, caplog: pytest.LogCaptureFixture) -> None:
    odd.claims |= {
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://graph.example"}},
    }
    client = Client()
    assert log_in(odd, client).status_code == 302
    assert "the provider left out the groups" in caplog.text


@pytest.mark.parametrize(("supported", "asked"), [(["openid", "groups"], True), (["openid"], False), (None, False)])
def test_groups_are_asked_for_where_the_provider_has_the_scope(odd: Odd, supported: Any, asked: bool) -> None:
    odd.answers[DISCOVERY][1]["scopes_supported"] = supported
    scope = parse_qs(urlsplit(Client().get("/accounts/oidc/login/")["Location"]).query)["scope"][0]
    assert ("groups" in scope.split()) is asked


@pytest.mark.parametrize(
    "sent", [b'{"error": "invalid_grant", "refresh_token": "s3cret"}', b"it's s3cret", b'{"a": "s3cret"}']
)
def test_what_the_token_endpoint_answers_does_not_stand_in_the_log(
    odd: Odd, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client()
    for status in (200, 400):
        odd.answers["/token"] = (status, sent)
        nobody(log_in(odd, client), client, "company’s log-in")
    assert "nobody was logged in by company" in caplog.text and "s3cret" not in caplog.text


def test_groups_that_were_not_sent_are_told_from_none(odd: Odd, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    odd.claims["groups"] = []
    log_in(odd, Client())
    assert "its answer lacks the claim" not in caplog.text
    del odd.claims["groups"]
    log_in(odd, Client())
    assert "its answer lacks the claim" in caplog.text


@pytest.mark.parametrize(
    ("claims", "gets_in"),
    [
        ({"aud": ["portal", "another"]}, False),
        ({"aud": ["portal", "another"], "azp": "another"}, False),
        ({"aud": ["portal", "another"], "azp": "portal"}, True),
        ({"aud": ["portal"]}, True),
    ],
    ids=str,
)
def test_a_token_for_several_is_taken_where_the_portal_asked_for_it(
    odd: Odd, claims: dict[str, Any], gets_in: bool
) -> None:
    odd.claims |= claims
    assert (log_in(odd, Client()).status_code == 302) is gets_in


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256"])
def test_a_key_need_not_say_for_which_algorithm_it_is(odd: Odd, algorithm: str) -> None:
    odd.answers["/jwks"] = (200, {"keys": [{k: v for k, v in JWKS["keys"][0].items() if k != "alg"}]})
    odd.sign = lambda claims: jwt.encode(claims, KEY, algorithm, {"kid": "one"})
    assert log_in(odd, Client()).status_code == 302


@pytest.mark.parametrize("without_alg", [False, True])
def test_a_key_is_no_password(odd: Odd, without_alg: bool, caplog: pytest.LogCaptureFixture) -> None:
    """As in attacks that sign by HMAC with what everybody can read."""
    key = {k: v for k, v in JWKS["keys"][0].items() if k != "alg" or not without_alg}
    odd.answers["/jwks"] = (200, {"keys": [key]})
    odd.sign = lambda claims: jwt.encode(claims, key["n"], "HS256", {"kid": "one"})
    client = Client()
    nobody(log_in(odd, client), client, "could not be used")
    assert "the id_token is not valid" in caplog.text


def test_a_key_for_something_else_signs_nothing(odd: Odd) -> None:
    odd.answers["/jwks"] = (200, {"keys": [{**JWKS["keys"][0], "use": "enc"}]})
    client = Client()
    nobody(log_in(odd, client), client, "could not be used")
    odd.answers["/jwks"] = (200, {"keys": [{**JWKS["keys"][0], "use": "enc", "kid": "e"}, JWKS["keys"][0]]})
    odd.sign = lambda claims: jwt.encode(claims, KEY, "RS256")  # no kid: the one that signs
    oidc.keys.clear()
    assert log_in(odd, client).status_code == 302


def test_a_provider_that_hangs_is_given_up(odd: Odd) -> None:
    odd.pause = 6.5
    started = time.monotonic()
    client = Client()
    nobody(log_in(odd, client), client, "does not answer just now")
    assert time.monotonic() - started < 6.4
    started = time.monotonic()
    nobody(log_in(odd, client), client, "does not answer just now")
    assert time.monotonic() - started < 1, "nobody waits for it again within seconds"


def test_an_answer_without_an_end_is_given_up(odd: Odd) -> None:
    odd.answers[DISCOVERY] = (200, b" " * (5 * 1024 * 1024))
    client = Client()
    nobody(log_in(odd, client), client, "does not answer just now")


def test_a_redirect_of_the_provider_is_not_followed(odd: Odd) -> None:
    odd.answers["/token"] = (307, {})
    client = Client()
    nobody(log_in(odd, client), client, "company’s log-in")


def test_what_the_provider_says_of_itself_is_asked_for_once_and_a_new_key_is_found(odd: Odd) -> None:
    assert log_in(odd, Client()).status_code == 302
    odd.answers["/jwks"] = (200, {"keys": [{**JWKS["keys"][0], "kid": "two"}]})
    odd.sign = lambda claims: jwt.encode(claims, KEY, "RS256", {"kid": "two"})
    assert log_in(odd, Client()).status_code == 302
    assert odd.asked.count(DISCOVERY) == 1 and odd.asked.count("/jwks") == 2


def test_an_address_is_verified_by_the_document_that_names_it(odd: Odd) -> None:
    User.objects.create_user("victim", "victim@example.com", "a-Password-of-mine")
    odd.claims |= {"email": "mallory@example.com", "email_verified": True}
    odd.answers["/userinfo"] = (200, {"sub": "s-mia", "email": "victim@example.com", "preferred_username": "mia"})
    client = Client()
    assert log_in(odd, client).status_code == 302
    assert User.objects.get(pk=client.session["_auth_user_id"]).email == "mallory@example.com"


def test_signed_groups_are_not_those_of_an_answer_beside_them(odd: Odd, groups: None) -> None:
    for name, group in (("requesters", "Operators"), ("data-approvers", "Approvers")):
        DirectoryRole.objects.create(directory_group=name, group=Group.objects.get(name=group))
    odd.claims |= {"groups": ["requesters"]}
    odd.answers["/userinfo"] = (200, {"sub": "s-mia", "preferred_username": "mia", "groups": ["data-approvers"]})
    log_in(odd, Client())
    assert [group.name for group in User.objects.get().groups.all()] == ["Operators"]
    odd.claims |= {"groups": None}  # not in the token at all
    log_in(odd, Client())
    assert [group.name for group in User.objects.get().groups.all()] == ["Approvers"]


@pytest.mark.parametrize("beside", [{"email": "victim@example.com"}, {"email": "mallory@example.com"}, {}])
def test_no_document_verifies_the_address_of_another(odd: Odd, beside: dict[str, str]) -> None:
    victim = User.objects.create_user("victim", "victim@example.com", "a-Password-of-mine")
    odd.claims |= {"email": "victim@example.com"}
    odd.answers["/userinfo"] = (200, {"sub": "s-mia", **beside, "email_verified": True})
    answer = log_in(odd, client := Client())
    assert answer.status_code == 403 and "_auth_user_id" not in client.session
    assert User.objects.get() == victim
