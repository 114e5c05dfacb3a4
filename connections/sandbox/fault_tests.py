"""Setup tests that fail on demand. Each takes the connection, the passed results and whether its trust is given."""

import base64
import hashlib
from typing import Any

Results = list[dict[str, Any]]


def expected_hash(connection_id: str) -> str:
    """The hash of the certificate or fingerprint that this connection's source shows."""
    return base64.b64encode(hashlib.sha256(connection_id.encode()).digest()).decode()


def certificate(doc: dict[str, Any], passed: Results, trusted: bool) -> Results:
    """Validate Certificate with `details` as an array, as on Fivetran's page on certificates."""
    if trusted:
        return [result("Validate Certificate"), *passed]
    encoded = base64.b64encode(f"certificate of {doc['id']}".encode()).decode()
    details = [
        {
            "hash": expected_hash(doc["id"]),
            "name": "CN=Example Root CA, OU=Databases, O=Example Ltd, C=DE",
            "public_key": "Sun RSA public key, 2048 bits\n  modulus: 7685655455\n  public exponent: 65537",
            "encoded_cert": encoded,
            "sha1": hashlib.sha1(encoded.encode(), usedforsecurity=False).hexdigest(),
            "sha256": hashlib.sha256(encoded.encode()).hexdigest(),
        }
    ]
    return _failed("Validate Certificate", "No trust anchors for this connection", details, passed)


def fingerprint(doc: dict[str, Any], passed: Results, trusted: bool) -> Results:
    """SSH Tunnel Connection with `details` as an object, as on Fivetran's page on fingerprints."""
    if trusted:
        return [result("SSH Tunnel Connection"), *passed]
    public_key = base64.b64encode(f"ssh host key of {doc['id']}".encode()).decode()
    details = {
        "hash": expected_hash(doc["id"]),
        "public_key": f"ssh-rsa {public_key}",
        "type": "ssh-rsa",
        "name": "bastion.example.com",
    }
    return _failed("SSH Tunnel Connection", "The ssh key might have changed", details, passed)


def failed(doc: dict[str, Any], passed: Results, trusted: bool) -> Results:
    details = "Authentication failed (401 Unauthorized). Verify the provided credentials and permissions."
    others = [test for test in passed if test["title"] != "Validate Login"]
    return _failed("Validate Login", "Invalid login credentials", details, others)


def warned(doc: dict[str, Any], passed: Results, trusted: bool) -> Results:
    return [
        *passed,
        result("Checking quota", "WARNING", "The source allows 100 calls a day; a first sync may take days"),
    ]


def odd(doc: dict[str, Any], passed: Results, trusted: bool) -> Results:
    """Shapes that the documents do not promise: unknown status, details of every type, HTML, right-to-left text."""
    return [
        *passed,
        result("Checking something new", "PENDING_REVIEW", "A status that no document names"),
        result("Details as text", "WARNING", "See details") | {"details": "plain text <b>with</b> markup"},
        result("Details as a list", "WARNING", "See details") | {"details": ["one", 2, None, {"three": 3}]},
        result("Details as a number", "PASSED") | {"details": 42},
        result(
            "<script>alert('title')</script>", "FAILED", "<script>alert('message')</script><img src=x onerror=alert(1)>"
        ),
        result("Right to left", "WARNING", "\u202eتعذر الاتصال\u202c (connection refused)"),
        {"title": "No message at all", "status": "PASSED"},
        result("Job", "JOB_FAILED", "The job that runs this test did not start"),
    ]


def huge(doc: dict[str, Any], passed: Results, trusted: bool) -> Results:
    """Many tests with long messages, one of them without a place to break the line."""
    long = (
        "The source answered slowly and Fivetran tried again, which may happen when a firewall inspects the traffic. "
        * 4
    )
    many = [result(f"Checking table {number:02} of 60", "PASSED", long) for number in range(1, 60)]
    return [*many, result("Checking an unbreakable name", "WARNING", "x" * 600)]


def result(title: str, status: str = "PASSED", message: str = "") -> dict[str, Any]:
    return {"title": title, "status": status, "message": message}


def _failed(title: str, message: str, details: Any, others: Results) -> Results:
    bad = result(title, "FAILED", message) | {"details": details}
    return [bad, *(one | {"status": "SKIPPED"} for one in others)]
