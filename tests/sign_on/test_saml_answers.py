"""Answers that are not for this portal, not of now, not asked for or not the provider's let nobody in."""

import base64
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from portal.sign_on.models import UsedAssertion
from tests.sign_on import saml as provider
from tests.sign_on.saml import SamlProvider, begin, come_back, post
from tests.sign_on.test_saml import MIA, is_logged_in

pytestmark = pytest.mark.database
SHA1 = "http://www.w3.org/2000/09/xmldsig#"
STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
AGAIN = "Begin again."


def is_refused(answer: Any, words: str, status: int = 403) -> bool:
    assert answer.status_code == status, answer.content.decode()
    return words in answer.content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sign_assertion": False}, "No Signature found|not signed"),
        ({"sign_assertion": False, "sign_response": True}, "The Assertion of the Response is not signed"),
        ({"sign_alg": f"{SHA1}rsa-sha1"}, "rsa-sha1, which is not accepted"),
        ({"digest_alg": f"{SHA1}sha1"}, "#sha1, which is not accepted"),
        ({"sp_entity_id": "https://other.example/"}, "not a valid audience"),
        (
            {"destination": "http://localhost/accounts/saml/acs/other"},
            "another address|SubjectConfirmation|not asked for",
        ),
        ({"destination": "https://other.example/acs"}, "instead of"),
        ({"issuer": "https://other.example/"}, "Invalid issuer"),
        ({"in_response_to": "another-question"}, "did not ask"),
        ({"in_response_to": None}, "not asked for"),
    ],
)
def test_an_answer_that_is_not_right_is_refused(
    saml: SamlProvider, caplog: Any, wrong: dict[str, Any], said: str
) -> None:
    saml.has("mia", **MIA, answer=wrong)
    client = Client()
    assert is_refused(saml.log_in(client, "mia"), AGAIN)
    assert re.search(said, caplog.text), caplog.text
    assert not is_logged_in(client) and not User.objects.exists()


def second_assertion(xml: str) -> str:
    """The signed assertion, and before it one of the attacker's (signature wrapping)."""
    [signed] = re.findall(r"<(?:\w+:)?Assertion .*</(?:\w+:)?Assertion>", xml, re.DOTALL)
    forged = re.sub(r"<(\w+:)?Signature.*</(\w+:)?Signature>", "", signed, flags=re.DOTALL).replace("s-mia", "s-boss")
    return xml.replace(signed, re.sub(r' ID="[^"]+"', ' ID="forged"', forged, count=1) + signed)


@pytest.mark.parametrize(
    "edit",
    [
        second_assertion,
        lambda xml: xml.replace("s-mia", "s-boss"),
        lambda xml: xml.replace("everybody", "data-owners"),
        lambda xml: re.sub(r"<(\w+:)?Signature.*</(\w+:)?Signature>", "", xml, flags=re.DOTALL),
        lambda xml: xml.replace("<ns0:Response", '<!DOCTYPE r [<!ENTITY e "e">]><ns0:Response', 1),
        lambda xml: re.sub(r"NotOnOrAfter=\"20..", 'NotOnOrAfter="2099', xml),
    ],
)
def test_an_answer_that_was_changed_is_refused(saml: SamlProvider, edit: Callable[[str], str]) -> None:
    saml.has("mia", **MIA)
    client = Client()
    xml = base64.b64decode(saml.answers(begin(client), "mia")).decode()
    assert edit(xml) != xml
    assert is_refused(come_back(client, base64.b64encode(edit(xml).encode()).decode()), AGAIN)
    assert not is_logged_in(client) and not User.objects.exists()


def test_a_comment_does_not_cut_a_subject(saml: SamlProvider) -> None:
    saml.has("mia", **MIA)
    saml.log_in(Client(), "mia")
    saml.has("mallory", **{**MIA, "subject": "s-mia.mallory", "attributes": {"uid": "mallory"}})
    client = Client()
    saml.log_in(client, "mallory", **{"s-mia.mallory": "s-mia<!-- -->.mallory"})  # leaves the signature good
    assert not is_logged_in(client) or client.session["_auth_user_id"] != str(User.objects.get(username="mia.meyer").pk)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r' Value="[^"]*"', ""),  # of the status
        (r"<(\w+:)?Status>.*</(\w+:)?Status>", r"<\1Status/>"),
        (r"<(\w+:)?Response .*", '<a ID="a" Version="2.0"/>'),
        (r"IssueInstant=\"[^\"]*\"", 'IssueInstant="yesterday"'),
        (r"(InResponseTo|ID)=\"[^\"]*\"", r'\1=""'),
    ],
)
def test_an_answer_of_another_shape_is_refused(saml: SamlProvider, caplog: Any, old: str, new: str) -> None:
    saml.has("mia", refuses=[f"{STATUS}AuthnFailed", ""])
    client = Client()
    xml = base64.b64decode(saml.answers(begin(client), "mia")).decode()
    edited = re.sub(old, new, xml, flags=re.DOTALL)
    assert edited != xml
    answer = come_back(client, base64.b64encode(edited.encode()).decode())
    assert answer.status_code == 403 and "nobody was logged in by saml" in caplog.text
    assert "Traceback" not in caplog.text


def test_an_encrypted_assertion_is_told_to_the_operator(saml: SamlProvider, caplog: Any) -> None:
    saml.has("mia", **MIA)
    client = Client()
    xml = base64.b64decode(saml.answers(begin(client), "mia")).decode()
    edited = re.sub(r"<(\w+:)Assertion .*</\1Assertion>", r"<\1EncryptedAssertion/>", xml, flags=re.DOTALL)
    assert edited != xml
    assert is_refused(come_back(client, base64.b64encode(edited.encode()).decode()), AGAIN)
    assert "the assertion is encrypted" in caplog.text


@pytest.mark.parametrize("posted", ["", "no base64!", "bm8geG1s", "PGE+PC9hPg==", "A" * 900_000, "\0"])
def test_nonsense_is_refused_and_leaves_nothing(saml: SamlProvider, posted: str) -> None:
    assert is_refused(post(Client(), posted), AGAIN)
    assert not Session.objects.exists() and not UsedAssertion.objects.exists()


def test_an_answer_counts_once(saml: SamlProvider, caplog: Any) -> None:
    saml.has("mia", **MIA)
    client = Client()
    answer = saml.answers(begin(client), "mia")
    assert come_back(client, answer).status_code == 302 and is_logged_in(client)
    for browser in (client, Client()):
        assert is_refused(come_back(browser, answer), "Begin again")
    assert "used before" in caplog.text
    assert is_refused(client.get("/accounts/saml/finish/"), AGAIN)


def test_used_assertions_are_forgotten_after_their_end(saml: SamlProvider) -> None:
    saml.has("mia", **MIA)
    saml.log_in(Client(), "mia")
    assert UsedAssertion.objects.count() == 1
    UsedAssertion.objects.update(until="2020-01-01T00:00:00Z")
    saml.log_in(Client(), "mia")
    assert UsedAssertion.objects.filter(until__year__gt=2020).count() == UsedAssertion.objects.count() == 1


def test_the_answer_to_another_browser_is_refused(saml: SamlProvider, caplog: Any) -> None:
    saml.has("mallory", subject="s-mallory", attributes={"uid": "mallory"})
    attacker, victim = Client(), Client()
    begin(victim)
    answer = saml.answers(begin(attacker), "mallory")
    assert is_refused(come_back(victim, answer), AGAIN)
    assert "this browser did not ask" in caplog.text and not is_logged_in(victim)


@pytest.mark.parametrize("minutes", [-7, 7, -60, 60])
def test_a_clock_that_is_wrong_is_said_to_the_operator(saml: SamlProvider, caplog: Any, minutes: int) -> None:
    saml.has("mia", **MIA)
    client = Client()
    answer = saml.answers(begin(client), "mia")
    with time_machine.travel(time.time() + minutes * 60):
        assert is_refused(come_back(client, answer), "it came too late")
    seconds = int(re.findall(r"By the clock here it was made (\d+) seconds", caplog.text)[0])
    assert abs(seconds - abs(minutes) * 60) < 30
    assert ("ago" if minutes > 0 else "from now") in caplog.text


@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_clock_may_be_five_minutes_wrong(saml: SamlProvider, minutes: int) -> None:
    saml.has("mia", **MIA)
    client = Client()
    answer = saml.answers(begin(client), "mia")
    with time_machine.travel(time.time() + minutes * 60):
        assert come_back(client, answer).status_code == 302 and is_logged_in(client)


@pytest.mark.parametrize(
    ("status", "why"), [("AuthnFailed", ""), ("RequestDenied", "not assigned to the application\nby policy")]
)
def test_a_refusal_of_the_provider_is_told(saml: SamlProvider, caplog: Any, status: str, why: str) -> None:
    saml.has("mia", refuses=[STATUS + status, why])
    assert is_refused(saml.log_in(Client(), "mia"), "refused")
    assert f"the provider refused: Responder, {status}" in caplog.text
    assert why.partition("\n")[0] in caplog.text and why.partition("\n")[2] in caplog.text


def test_the_door_is_closed_where_saml_is_not_set_up() -> None:
    for page in ("login", "finish", "metadata"):
        assert Client().get(f"/accounts/saml/{page}/").status_code == 404
    assert Client().post("/accounts/saml/acs/").status_code == 404
    assert provider.PROGRAM.is_file()


def test_only_a_form_brings_an_answer(saml: SamlProvider) -> None:
    assert Client().get("/accounts/saml/acs/").status_code == 405
