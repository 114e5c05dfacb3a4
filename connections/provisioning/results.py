"""Storing what Fivetran says of a connection: its status object and its setup tests, whatever their shape."""

from collections.abc import Mapping
from typing import Any

from connections.models import Connection, SetupTest, SetupTestRun

# Stated lengths: what is longer is cut, so that no answer can fill the database or a page.
MAX_TESTS = 200
MAX_TITLE = 300
MAX_MESSAGE = 4_000
MAX_DETAILS = 20_000


def status_columns(data: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of `Connection` that come from the answer's `status` object (any shape is kept, none is trusted)."""
    status = data.get("status")
    status = _bounded(status) if isinstance(status, dict) else {}
    state = status.get("setup_state") if isinstance(status, dict) else ""
    return {"fivetran_status": status, "setup_state": str(state or "")[:50]}


def store_run(connection: Connection, data: Mapping[str, Any], *, asked_by_id: int | None = None) -> SetupTestRun:
    """Store one run of the setup tests from an answer's `data`; call it inside a transaction.

    Unknown statuses, missing messages and any `details` are kept as they come, cut to the lengths above.
    """
    found = data.get("setup_tests")
    tests = [test for test in found if isinstance(test, dict)] if isinstance(found, list) else []
    run = SetupTestRun.objects.create(
        connection=connection,
        asked_by_id=asked_by_id,
        setup_state=status_columns(data)["setup_state"],
        left_out=max(0, len(tests) - MAX_TESTS),
    )
    SetupTest.objects.bulk_create(
        SetupTest(
            run=run,
            position=position,
            title=_text(test.get("title"), MAX_TITLE) or "(no title)",
            status=_text(test.get("status"), 50) or "(no status)",
            message=_text(test.get("message"), MAX_MESSAGE),
            details=_bounded(test.get("details")),
        )
        for position, test in enumerate(tests[:MAX_TESTS])
    )
    Connection.objects.filter(pk=connection.pk).update(tests="stored", tests_note="")
    return run


def _text(value: object, length: int) -> str:
    """`value` as text that any database takes: no NUL, no half of a surrogate pair, no longer than `length`."""
    text = "" if value is None else str(value)
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:length]


def _bounded(value: Any) -> Any:
    """`value` if any database takes it and its text is short enough to keep, else the beginning of that text."""
    text = repr(value)
    if "\\x00" in text or "\\ud" in text or len(text) > MAX_DETAILS:
        return _text(text, MAX_DETAILS)
    return value
