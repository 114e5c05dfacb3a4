"""What the checker lets pass and what it does not."""

import pytest

from tests.chaos.checker import Verdict, _check_posts

pytestmark = pytest.mark.django_db
CUT = {"n": 7, "body": None, "effect": None, "events": [{"phase": "headers", "ms": 1}, {"phase": "gone", "ms": 2}]}


def test_a_call_whose_body_never_came_is_nobodys() -> None:
    verdict = Verdict()
    _check_posts(verdict, {}, [CUT])
    assert verdict.wrong == []


@pytest.mark.parametrize(
    "more", [{"events": [{"phase": "body", "ms": 1}, {"phase": "gone", "ms": 2}]}, {"effect": "a_b"}, {"body": {}}]
)
def test_a_call_that_arrived_is_somebodys(more: dict[str, object]) -> None:
    verdict = Verdict()
    _check_posts(verdict, {}, [{**CUT, **more}])
    assert verdict.wrong == ["POST 7 is for {}, which nobody asked for"]
