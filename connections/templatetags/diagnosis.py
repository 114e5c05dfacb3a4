"""The diagnosis of a setup test, looked up by the test."""

from typing import Any

from django import template

register = template.Library()


@register.filter
def cards_of(cards: Any, test: Any) -> list[Any]:
    """The card for `test`, if there is one."""
    card = cards.by_test.get(test.pk) if cards else None
    return [card] if card else []
