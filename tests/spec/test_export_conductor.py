"""A body as an HTTP task of Conductor: what is sent is the body, whatever was typed, and one secret is asked for."""

import json
from typing import Any

import pytest
from hypothesis import given

from connections.limits import STORED_BYTES
from connections.spec import export
from connections.spec.payloads import MASK
from tests.clients import through_conductor_models
from tests.spec.conductor_run import rendered
from tests.spec.export_samples import HOSTILE, JSON, ROOT, TEXT, body_of

SECRETS = {"FIVETRAN_BASIC": "a2V5OnNlY3JldA==", "OTHER": "the secret of somebody else"}


def definition(body: dict[str, Any], owner: str = "ann@example.com") -> Any:
    return json.loads(export.as_conductor(body, ROOT, owner))


def sent(request: dict[str, Any]) -> Any:
    """A text is sent as it stands, everything else as JSON."""
    body = request["body"]
    return json.loads(body) if isinstance(body, str) else body


def test_one_task_holds_the_whole_request() -> None:
    body = body_of(schema="sales_eu")
    workflow = definition(body)
    assert workflow["name"] == "create_fivetran_connection_sales_eu"
    assert (workflow["version"], workflow["schemaVersion"], workflow["ownerEmail"]) == (1, 2, "ann@example.com")
    [task] = workflow["tasks"]
    assert (task["type"], task["retryCount"]) == ("HTTP", 0), "a creation is not to be sent a second time"
    request = task["inputParameters"]["http_request"]
    assert request == {
        "uri": "https://api.fivetran.com/v1/connections",
        "method": "POST",
        "accept": "application/json;version=2",
        "contentType": "application/json",
        "headers": {"Authorization": "Basic ${workflow.secrets.FIVETRAN_BASIC}"},
        "connectionTimeOut": 10_000,
        "readTimeOut": 600_000,
        "body": body,
    }
    assert workflow["outputParameters"] == {"connection_id": "${create_connection.output.response.body.data.id}"}
    assert "ownerEmail" not in definition(body, ""), "who has no address gives none"


@pytest.mark.parametrize("text", ["plain", *HOSTILE])
def test_the_models_of_conductor_give_it_back_unchanged(text: str) -> None:
    body = body_of(**{text: text, "none": None, "list": [1.5, {"inner": text}]})
    workflow, task = through_conductor_models(definition(body))
    assert workflow == definition(body)
    [there] = workflow["tasks"]
    assert task["inputParameters"] == there["inputParameters"] and task["type"] == there["type"]


@given(value=JSON, key=TEXT)
def test_what_is_sent_is_the_body(value: Any, key: str) -> None:
    body = body_of(field={key: value}) | {key: value}
    request = rendered(definition(body), SECRETS)
    assert sent(request) == body
    assert request["headers"] == {"Authorization": f"Basic {SECRETS['FIVETRAN_BASIC']}"}


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_was_typed_is_an_expression(text: str) -> None:
    workflow = definition(body_of(**{text: text, "list": [text]}))
    request = rendered(workflow, SECRETS)
    assert sent(request)["config"] == {text: text, "list": [text]}
    assert SECRETS["OTHER"] not in json.dumps(request)
    assert ("\\u0024" in workflow["description"]) == ("${" in text), "it says why the body is a text"
    shown = export.as_conductor(body_of(**{text: text}), ROOT)
    assert shown.count("${") == 2, "the secret and the id that comes out"
    assert shown.replace("\n", "").isprintable()


def test_the_escape_of_conductor_would_hand_out_secrets() -> None:
    """Why the body is a text then: the second look finds what the first one has unescaped."""
    task = {"inputParameters": {"http_request": {"body": {"schema": "$${workflow.secrets.OTHER}"}}}}
    assert rendered({"tasks": [task]}, SECRETS)["body"]["schema"] == SECRETS["OTHER"]


def test_the_largest_body_fits_into_a_task() -> None:
    """From 3 MiB on Conductor keeps an input elsewhere, where it fills in no secret."""
    largest = export.as_conductor(body_of(schema='${"' * (STORED_BYTES // 3)), ROOT)
    assert len(largest.encode()) < 1024**2


def test_it_says_which_conductor_it_needs() -> None:
    """An older one sends `Basic null`, or repeats a call that takes minutes."""
    assert "Conductor 3.32 or newer, or Orkes" in definition(body_of())["description"]


def test_a_masked_secret_is_spoken_of() -> None:
    assert MASK in definition(body_of(schema="s", password=MASK))["description"]
    assert MASK not in definition(body_of(schema="s"))["description"]
