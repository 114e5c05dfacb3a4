"""What follows from the answers of a form (the body, its spelling, the name) is worked out once for each page."""

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from django.http import HttpResponse

from connections.spec import payloads
from tests import catalogs
from tests.forms.test_request_form import COMPLETE, NEW

pytestmark = pytest.mark.django_db
WORK = ("build_body", "canonical", "digest", "natural_key", "phrases")


def worked_out(ask: Callable[[], HttpResponse]) -> tuple[int, dict[str, int]]:
    """The status of the answer, and how often each function of `payloads` that reads all answers was called for it."""
    called: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename == payloads.__file__ and frame.f_code.co_name in WORK:
            called[frame.f_code.co_name] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        status = ask().status_code
    finally:
        sys.setprofile(before)
    return status, dict(called)


def test_a_submission_works_out_each_thing_once(as_user: Any) -> None:
    catalogs.offered()
    client = as_user("requester")
    # What was typed is measured as well as the body, so there are two spellings.
    once = {"build_body": 1, "canonical": 2, "digest": 1, "natural_key": 1}
    assert worked_out(lambda: client.post(NEW, COMPLETE)) == (302, once)


def test_a_form_with_an_error_works_out_each_thing_once(as_user: Any) -> None:
    catalogs.offered()
    client = as_user("requester")
    once = {"build_body": 1, "natural_key": 1, "phrases": 1}
    assert worked_out(lambda: client.post(NEW, {**COMPLETE, "reason": ""})) == (200, once)
    assert worked_out(lambda: client.post("/requests/new/review/", COMPLETE)) == (200, once)


def test_a_draft_has_no_body(as_user: Any) -> None:
    client = as_user("requester")
    kept = {"canonical": 1, "natural_key": 1}
    assert worked_out(lambda: client.post(NEW, {"action": "draft", "reason": "later"})) == (302, kept)
