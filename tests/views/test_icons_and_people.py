"""Pictures of services and people: what they show, and that no text gets out of them."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.template import Context, Template

from connections import people


def drawn(source: str, **context: object) -> str:
    return Template("{% load icons people %}" + source).render(Context(context))


@pytest.mark.parametrize(
    "name, letters",
    [
        ("Ada Lovelace", "AL"),
        ("Ana María de la Cruz", "AC"),
        ("jo.smith", "JS"),
        ("requester2", "RE"),
        ("李 小龙", "李小"),
        ("X", "X"),
        ("(Acme) Google Sheets", "GS"),
        ("??", "??"),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert people.initials(name) == letters


def test_a_person_has_a_real_name_and_is_you_to_oneself() -> None:
    ada, other = User(pk=1, username="ada", first_name="Ada", last_name="Lovelace"), User(pk=2, username="bo.b")
    assert "Ada Lovelace" in drawn("{% person who %}", who=ada, user=other)
    assert "<bdi>you</bdi>" in drawn("{% person who %}", who=ada, user=ada)
    assert "<bdi>You</bdi>" in drawn("{% person who 'You' %}", who=ada, user=ada)
    assert "<bdi>bo.b</bdi>" in drawn("{% person who %}", who=other, user=AnonymousUser())
    assert drawn("{% person who %}", who=None, user=ada) == ""


def test_an_icon_has_the_class_of_its_style() -> None:
    assert 'class="icon"' in drawn("{% icon 'key' 24 %}")


def test_a_hostile_name_stays_text() -> None:
    hostile = User(username="x", first_name='<img src="x">', last_name="a\u202eb")
    shown = drawn("{% person who %}{{ who|person_name }}", who=hostile)
    assert "<img" not in shown and "\u202e" not in shown and "[U+202E]" in shown
    assert "<b>" not in drawn("{% service_icon service name %}", service="<b>", name="<b>x")


def test_a_service_shows_its_kind_or_its_initials() -> None:
    assert "<svg" in drawn("{% service_icon 'postgres' 'PostgreSQL' %}")
    assert ">ON</span>" in drawn("{% service_icon 'oracle_netsuite_openair' 'Oracle NetSuite' %}")
    assert ">ST</span>" in drawn("{% service_icon 'stripe' 'Stripe' %}")
    assert ">ST</span>" in drawn("{% service_icon 'stripe' '' 'lg' %}")


def test_an_icon_says_nothing_to_a_screen_reader() -> None:
    assert 'aria-hidden="true"' in drawn("{% icon 'clock' %}")
