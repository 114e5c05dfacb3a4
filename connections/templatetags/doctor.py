"""The card of a setup test, looked up by the test."""

from typing import Any

from django import template

register = template.Library()


@register.filter
def card_of(cards: Any, test: Any) -> Any:
    """The card of `test` among `cards` (`views.cards.Cards`); None where there is none."""
    return cards.by_test.get(test.pk) if cards else None
