"""The diagnosis of a setup test, looked up by the test."""

from typing import Any

from django import template

register = template.Library()


@register.filter
def card_of(cards: Any, test: Any) -> Any:
    """None where there is no card for `test`."""
    return cards.by_test.get(test.pk) if cards else None
