"""Setup tests: what a run of them finds, and what it does to the connection."""

import time
from typing import TYPE_CHECKING, Any

from . import faults
from .catalog import Service
from .fault_tests import expected_hash, result
from .masking import STARS

if TYPE_CHECKING:
    from .app import Sandbox

BAD = ("FAILED", "JOB_FAILED")


def run(
    app: "Sandbox", doc: dict[str, Any], *, trust_certificates: bool = False, trust_fingerprints: bool = False
) -> None:
    """Run the tests of a connection, as long as the settings say, and put results and new state into `doc`."""
    time.sleep(app.settings.test_seconds)  # as long as real tests take is what the portal must bear
    judge(app, doc, trust_certificates=trust_certificates, trust_fingerprints=trust_fingerprints)


def judge(app: "Sandbox", doc: dict[str, Any], *, trust_certificates: bool, trust_fingerprints: bool) -> None:
    """What the tests find, without the time they take."""
    service = app.catalog.get(doc["service"])
    fault = faults.find(doc["_first_name"])
    if fault and fault.tests:
        given = trust_certificates if fault.trust == "certificate" else trust_fingerprints
        results = fault.tests(doc, passed(service), given or _is_approved(app, doc, fault.trust))
    else:
        results = found(doc, service)
    doc["setup_tests"] = results
    settle(doc)


def _is_approved(app: "Sandbox", doc: dict[str, Any], kind: str) -> bool:
    return expected_hash(doc["id"]) in {item["hash"] for item in app.state.items(kind, f"connections/{doc['id']}")}


def tell(app: "Sandbox", doc: dict[str, Any]) -> None:
    """Deliver how the tests of a connection ended."""
    # Call it once the connection is stored: the receiver may ask at once.
    connected = doc["status"]["setup_state"] == "connected"
    app.deliveries.tell("connection_successful" if connected else "connection_failure", doc)


def settle(doc: dict[str, Any]) -> None:
    """Derive the setup state from the results in `doc`: connected, incomplete, or broken if it was connected before."""
    status = doc["status"]
    if any(result["status"] in BAD for result in doc["setup_tests"]):
        status["setup_state"] = "incomplete" if status["setup_state"] == "incomplete" else "broken"
    else:
        status["setup_state"] = "connected"
    reconnect = {"code": "reconnect", "message": "Reconnect the connection", "details": ""}
    status["tasks"] = [reconnect] if status["setup_state"] == "broken" else []


def passed(service: Service | None) -> list[dict[str, Any]]:
    return [result(test["title"]) for test in (service.tests if service else ())]


def found(doc: dict[str, Any], service: Service | None) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for test in service.tests if service else ():
        if any(earlier["status"] in BAD for earlier in results):
            results.append(result(test["title"], "SKIPPED"))
        else:
            results.append(_one(test, doc, service))
    return results


def _one(test: dict[str, Any], doc: dict[str, Any], service: Service | None) -> dict[str, Any]:
    config = doc["config"]
    if "only_with" in test and not config.get(test["only_with"]):
        return result(test["title"], "SKIPPED")
    if any(config.get(name) == value for name, value in test.get("unless", {}).items()):
        return result(test["title"])
    missing = [name for name in test.get("needs", ()) if not _has(doc, service, name)]
    if missing:
        return result(test["title"], test.get("otherwise", "FAILED"), test.get("message", "Invalid login credentials"))
    if (
        test.get("needs")
        and doc.get("_wrong_secret")
        and any(config.get(n) == STARS or n[0] == "@" for n in test["needs"])
    ):
        return result(test["title"], "FAILED", "Invalid login credentials")
    return result(test["title"])


def _has(doc: dict[str, Any], service: Service | None, name: str) -> bool:
    if name != "@credentials":
        return bool(doc["config"].get(name))
    return bool(doc.get("_auth")) or any(doc["config"].get(secret) for secret in (service.secrets if service else ()))
