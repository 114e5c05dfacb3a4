"""Bodies of POST /v1/connections that people published: each is entered by a link, submitted, approved and sent.

The file of cases holds the facts of each configuration under the address where it was found; secrets are masked,
hosts, ids and repeated names replaced. A body that cannot be entered has a sentence that says why. The stand-in refuses
values that Fivetran's lists lack, which Fivetran took: what counts is the body that was sent.
"""

import json
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from connections import catalog, worker
from connections.forms.rows import unfolded
from connections.models import ConnectionRequest
from connections.spec.fields import BY_PATH, OF_THE_OWNER, Type
from connections.spec.payloads import MASK, at
from connections.spec.service_rules import FOLLOWING
from connections.states import Status
from tests import processes
from tests.contract import openapi
from tests.sandbox_client import Fivetran

CASES: list[dict[str, Any]] = json.loads((Path(__file__).with_name("real_bodies.json")).read_text())
NEW = "/requests/new/"
IDS = {"group_id": "gentle_prairie", "proxy_agent_id": "proxy_office", "hybrid_deployment_agent_id": "agent_depot"}
SAYS_NOTHING = {"data_delay_threshold": 0, "networking_method": "Directly"}  # what Fivetran assumes where it is absent


class Drawn(HTMLParser):
    """What a browser would send of the page's form as it was drawn: name -> text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: dict[str, str] = {}
        self._select = self._textarea = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a control, or the selected option of the one before it."""
        told = dict(attrs)
        name, value = told.get("name") or "", told.get("value") or ""
        if tag == "input" and (told.get("type") not in ("checkbox", "radio") or "checked" in told):
            self.texts[name] = value or ("on" if told.get("type") == "checkbox" else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and (self._select not in self.texts or "selected" in told):
            self.texts[self._select] = value
        elif tag == "textarea":
            self._textarea = name
            self.texts[name] = ""

    def handle_data(self, data: str) -> None:
        """The text of a control of several lines."""
        if self._textarea:
            self.texts[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        """Nothing more belongs to it."""
        if tag == "textarea":
            self.texts[self._textarea] = self.texts[self._textarea].removeprefix("\n")  # as HTML reads it
            self._textarea = ""


@pytest.fixture
def whole(transactional_db: None, groups: None, settings: Any) -> Iterator[Fivetran]:
    """A portal that learnt its services from a sandbox with all of Fivetran's."""
    with processes.sandbox(catalog=openapi.FOLDER / "services.json.gz") as stand_in:
        settings.FIVETRAN_BASE_URL, settings.FIVETRAN_IS_LOCAL = stand_in.url, True
        settings.CONNECT_CARD_REDIRECT_HOSTS, settings.CREATIONS_PER_MINUTE = ["your.site"], 0
        assert not any(catalog.refresh_all().values())
        fivetran = Fivetran(stand_in.url)
        fivetran.settings(test_seconds=0)
        yield fivetran


def expected(body: Mapping[str, Any]) -> dict[str, Any]:
    """path -> text of all that should arrive: without secrets, and without what says nothing."""
    told = {key: value for key, value in body.items() if key not in OF_THE_OWNER} | {
        path: value for path, value in IDS.items() if path in body
    }
    flat = {name.replace("__", "."): text for name, text in unfolded(told).items()}
    return {
        path: text
        for path, text in flat.items()
        if MASK not in text and not (path in SAYS_NOTHING and text == str(SAYS_NOTHING[path]))
    }


def entered(client: Client, body: Mapping[str, Any]) -> ConnectionRequest | str:
    """The request that the link's page makes once it is submitted as drawn; or what the page says against it."""
    told = {name.replace(".", "__"): text for name, text in expected(body).items()}
    card = {"use_connect_card": "on"} if "connect_card_config" in body else {"use_connect_card": "off"}
    drawn = Drawn(client.get(NEW, {**told, **card, "reason": "Found in public"}).content.decode())
    answer = client.post(NEW, {**drawn.texts, "action": "submit"})
    if answer.status_code != 302:
        return answer.content.decode().partition("There is a problem")[2][:600]
    return ConnectionRequest.objects.get(pk=int(answer["Location"].strip("/").rpartition("/")[2]))


def difference(body: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """path -> what differs between what was found and what was sent; what the portal adds is its defaults."""
    arrived = {name.replace("__", "."): text for name, text in unfolded(sent).items()}
    found = expected(body)
    lost = {path: (text, arrived.get(path)) for path, text in found.items() if arrived.get(path) != text}
    defaults = {path: str(field.default).lower() for path, field in BY_PATH.items() if field.type is Type.BOOLEAN}
    defaults |= {path: str(field.default) for path, field in BY_PATH.items() if field.type is not Type.BOOLEAN}
    added = {
        path: text
        for path, text in arrived.items()
        if path not in found and path not in FOLLOWING and text != defaults.get(path)
    }
    return {**lost, **added}


def test_the_bodies_are_many_and_each_has_its_source() -> None:
    assert len(CASES) >= 40 and all(case["source"] for case in CASES)
    names = [(case["body"].get("service"), json.dumps(case["body"]["config"])) for case in CASES]
    assert len(set(names)) == len(names)
    counted = [case for case in CASES if "retired the service" not in case.get("cannot", "")]
    assert sum("cannot" in case for case in counted) * 10 <= len(counted)
    for case in CASES:
        assert case.get("cannot", "A sentence.").endswith("."), case["source"]
        secret = at(case["body"], "config.password")
        assert secret in (None, MASK), case["source"]


@pytest.mark.slow
@openapi.needed
def test_real_bodies_are_sent_as_they_stand(as_user: Any, whole: Fivetran) -> None:
    requester, approver = as_user("requester"), as_user("approver")
    wrong: dict[str, Any] = {}
    sent = 0
    for number, case in enumerate(CASES):
        name = f"{number} {case['source']}"
        made = entered(requester, case["body"])
        if isinstance(made, str):
            if "cannot" not in case:
                wrong[name] = made
            continue
        assert made.status == Status.PENDING
        approver.post(f"/requests/{made.pk}/approve/", {"digest": made.digest})
        worker.run("submit", made.pk)
        posts = whole.posts()
        assert len(posts) == sent + 1, "sent once"
        sent += 1
        different = difference(case["body"], posts[-1]["body"])
        if bool(different) is not ("cannot" in case):
            wrong[name] = different or "it can be entered after all: take its sentence out"
    assert wrong == {}, json.dumps(wrong, indent=1, default=str)[:6000]
