"""Every service of Fivetran's, asked for through the pages alone: what is drawn is filled, posted, approved and sent.

Among what is typed stand white space, unseen characters, several lines and values outside the lists.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from connections import catalog, worker, workflow
from connections.models import ConnectionRequest
from connections.spec import payloads
from connections.states import Status
from connections.worker import account
from tests import processes
from tests.contract import openapi
from tests.sandbox_client import Fivetran

pytestmark = [pytest.mark.slow, openapi.needed]

NEW, SWITCH = "/requests/new/", "/requests/new/config/"
GROUP = "gentle_prairie"
NAMING = ("schema", "table", "table_group_name", "schema_prefix")
WHITE = {r"\t": "\t", " ": " ", ", ": ", "}  # typed into a separator -> sent
SEPARATORS = ("delimiter", "quote_char", "escape_char", "null_sequence", "line_separator")
BEYOND = "outside the list"
ABOUT_A_LIST = f"'{BEYOND}' is not one of"  # what the OpenAPI file says of it


class Drawn(HTMLParser):
    """The controls of a fragment: name -> the values of a select; None for a text, "" for one of several lines.

    `ruled` are the paths that a rule may hide though they are filled, and `conditions` those that decide whether
    another one applies.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.controls: dict[str, list[str] | str | None] = {}
        self._select: list[str] = []
        self.feed(text)
        found = re.search(r'<script id="config-rules"[^>]*>(.*?)</script>', text, re.S)
        rules = json.loads(found[1])["rules"] if found else []
        self.ruled = {rule["path"] for rule in rules if rule["effect"] == "applies"}
        self.conditions = {when["path"] for rule in rules for when in rule["when"]}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a control, or an option of the one before it."""
        told = dict(attrs)
        name = told.get("name") or ""
        if tag == "option":
            self._select.append(told.get("value") or "")
        elif name.startswith(("config__", "external_secrets_")):
            self._select = []
            self.controls[name] = self._select if tag == "select" else "" if tag == "textarea" else None


@pytest.fixture
def fivetran(transactional_db: None, groups: None, settings: Any) -> Iterator[Fivetran]:
    """A portal that learnt its services from a sandbox with all of Fivetran's, and sends to it."""
    settings.CREATIONS_PER_MINUTE = settings.OPEN_REQUESTS = settings.SUBMISSIONS_PER_MINUTE = 0  # no limits
    account._known.clear()  # the account of another test
    with processes.sandbox(catalog=openapi.FOLDER / "services.json.gz") as stand_in:
        settings.FIVETRAN_BASE_URL = stand_in.url
        settings.FIVETRAN_IS_LOCAL = True
        assert not any(catalog.refresh_all().values())
        found = Fivetran(stand_in.url)
        found.settings(test_seconds=0)
        yield found


def published(service: str) -> dict[str, Any]:
    """The settings of a service in Fivetran's OpenAPI file."""
    told = openapi.document()["components"]["schemas"][f"{service}_config_V1"].get("properties", {})
    found: dict[str, Any] = told.get("config", {}).get("properties", {})
    return found


def spec_of(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """What the OpenAPI file says of the control `name`: the services' own file leaves out the values of lists."""
    spec: dict[str, Any] = {"properties": properties}
    for part in name.split("__")[1:]:
        spec = spec.get("items", {}) if part.isdigit() else spec.get("properties", {}).get(part, {})
    return spec


def typed(drawn: Drawn, service: str, name: str, white: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What a person could type, and by its path what that is in a body.

    Texts are numbers too, with unseen ends; a list has a value of its list and one outside it.
    """
    texts: dict[str, str] = {}
    wanted: dict[str, Any] = {}
    for control, kind in drawn.controls.items():
        path = control.replace("__", ".")
        spec = spec_of(control, published(service))
        if control.removeprefix("config__") in NAMING:
            texts[control] = wanted[path] = name
        elif isinstance(kind, list):
            is_free = path not in drawn.conditions and set(kind) - {"", "true", "false"}
            listed = "csv" if "csv" in kind else kind[-1]  # a file with separators
            texts[control] = BEYOND if is_free and len(kind) % 2 else listed
            wanted[path] = texts[control]
        elif kind is None:
            is_separator = control.rpartition("__")[2] in SEPARATORS
            texts[control] = white if is_separator else "\u200b 5\u00a0"
            wanted[path] = WHITE[white] if is_separator else "5"
        elif spec.get("type") == "array":
            listed = spec.get("items", {}).get("enum")
            lines = [str(listed[0]), BEYOND] if listed else ["5", "7"]
            texts[control] = "\r\n".join(lines)
            wanted[path] = lines
        else:
            texts[control], wanted[path] = "-----BEGIN\r\n5\r\n-----END", "-----BEGIN\n5\n-----END"
    return texts, wanted


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, text) of everything in a body that is no object and no list of objects; of a list its texts."""
    entries = list(value.items()) if isinstance(value, Mapping) else None
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        entries = [(str(place), one) for place, one in enumerate(value)]
    if entries is not None:
        for key, inner in entries:
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, [as_text(one) for one in value] if isinstance(value, list) else as_text(value)


def as_text(value: Any) -> str:
    """A text as it is, a number and a truth as they are typed."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else f"{value:g}"


def wrong_with(client: Client, service: dict[str, Any], name: str, white: str, *, whole: bool) -> str:
    """File a request for `service` by what its form draws; what is wrong with its stored body, empty for nothing.

    `whole`: with every setting filled, else with the names alone.
    """
    about = {"service": service["id"], "group_id": GROUP, "reason": "Weekly\r\nreport"}
    texts = {f"config__{key}": name for key in service["naming"]}
    wanted: dict[str, Any] = {f"config.{key}": name for key in service["naming"]}
    ruled: set[str] = set()
    if whole:
        drawn = Drawn(client.post(SWITCH, about).content.decode())
        names = {key for key in NAMING if f"config__{key}" in drawn.controls}
        if names != set(service["naming"]):
            return f"the form asks for {sorted(names)}"
        (texts, wanted), ruled = typed(drawn, service["id"], name, white), drawn.ruled
    answer = client.post(NEW, {**about, "run_setup_tests": "on", **texts})
    if answer.status_code != 302:
        return f"refused: {re.findall(r'field-error.*?</div>', html.unescape(answer.content.decode()), re.S)}"
    stored = ConnectionRequest.objects.get(pk=int(answer["Location"].strip("/").rpartition("/")[2]))
    assert stored.status == Status.PENDING and stored.payload is not None
    if stored.schema.split(".")[0] != name:
        return f"it is named by {stored.schema}"
    found = {path: value for path, value in leaves(stored.payload) if path.startswith(("config.", "external_"))}
    differs = [f"{path}: {value!r}" for path, value in found.items() if path in wanted and wanted[path] != value]
    lost = [path for path in wanted.keys() - found.keys() if not _is_below(path, ruled)]
    errors = openapi.schema_errors(f"{service['id']}_NewConnectorRequestV1", stored.payload)
    return "; ".join([*differs, *lost, *(error for error in errors if ABOUT_A_LIST not in error)])


def _is_below(path: str, others: set[str]) -> bool:
    return any(path == other or path.startswith(f"{other}.") for other in others)


def is_noted(body: dict[str, Any], noted: dict[str, Any]) -> bool:
    """Whether the sandbox noted `body`: what is named like a secret is masked there."""
    sent, got = dict(leaves(body)), dict(leaves(noted))
    masked = {path for path, value in got.items() if value == payloads.MASK}
    plain = {path: value for path, value in sent.items() if not _is_below(path, masked)}
    return plain == {path: value for path, value in got.items() if path not in masked}


@pytest.mark.parametrize("whole", [True, False], ids=["every setting", "names alone"])
def test_a_request_for_every_service_is_filed_approved_and_sent_as_typed(
    as_user: Any, cast: dict[str, User], fivetran: Fivetran, whole: bool
) -> None:
    client, services = as_user("requester"), openapi.read("services.json.gz")["services"]
    offered = {row[0] for row in client.get("/requests/new/services.json").json()["services"]}
    assert len(services) > 700 and set(services) <= offered
    naming = {service: told["schema_format"].split("+") for service, told in sorted(services.items())}
    wrong = {}
    for number, (service, keys) in enumerate(naming.items()):
        white = list(WHITE)[number % len(WHITE)]
        if found := wrong_with(client, {"id": service, "naming": keys}, f"name_{number}", white, whole=whole):
            wrong[service] = found
    assert wrong == {}, json.dumps(wrong, indent=1)[:4000]
    asked = list(ConnectionRequest.objects.order_by("pk"))
    assert len(asked) == len(services)
    for conn_request in asked:
        workflow.approve(by=cast["approver"], conn_request=conn_request, digest=conn_request.digest)
        worker.run("submit", conn_request.pk)
    statuses = ConnectionRequest.objects.in_bulk()
    beyond = {
        conn_request.pk for conn_request in asked if BEYOND in json.dumps(conn_request.payload)
    }  # the sandbox may refuse these
    assert [
        f"{one.service}: {one.failure_message}"
        for pk, one in statuses.items()
        if one.status != Status.CREATED and pk not in beyond
    ] == []
    sent = {payloads.natural_key(post["body"]["config"]): post["body"] for post in fivetran.posts()}
    assert [
        conn_request.service
        for conn_request in asked
        if not is_noted(conn_request.payload or {}, sent[conn_request.schema])
    ] == []
    if not whole:
        return
    bodies = [conn_request.payload or {} for conn_request in asked]
    assert sum(len(body["config"]) for body in bodies) > 3 * len(services), "the settings are in the bodies"
    separators = [value for body in bodies for path, value in leaves(body) if path.rpartition(".")[2] in SEPARATORS]
    assert len(separators) > 20 and set(separators) == set(WHITE.values())
