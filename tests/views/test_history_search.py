"""The search of the history: words, literally, in every row, with nothing that breaks it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from connections import workflow
from connections.models import ConnectionRequest, search
from tests import factories
from tests.views.conftest import BULK
from tests.views.test_history import LIST, ids, link

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


HOSTILE = [
    *("'", '"', "%", "_", "\\", "*", "^", "(", ")", "NEAR", "a OR b", "AND", "NOT x", '"" OR ""', "a*", "{a}", "a:b"),
    *(
        "<script>alert(1)</script>",
        "{{ 7*7 }}",
        "🦀",
        "İstanbul",
        "ß",
        "\u202e",
        "\ud7ff",
        "ab",
        "a",
        "ab c",
        "%00",
        "--",
    ),
    *("search:a", "rowid:1", "x" * 200, "a " * 90, "\t\n", "é", "ﬀ", "0x41", "1e309", "-1", "NaN", "null", "[]", "{}"),
    *("../../etc/passwd", "$(id)", "`id`", ";", "|", "a\\", "\\%", "☃☃☃", "\U0010ffff" * 3, "ǅungla", "KELVIN"),
]


def test_no_text_breaks_the_search_or_the_filters(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    factories.submitted(cast["requester"])
    reader = as_user("auditor")
    assert len(HOSTILE) >= 50
    for text in HOSTILE:
        for name in ("q", "service", "group_id", "requester"):
            response = reader.get(LIST, {name: text})
            assert response.status_code == 200, (name, text)
            assert b"<script>alert" not in response.content


@pytest.mark.parametrize("text", ["100%", "a_b", 'qu"ote', "back\\slash", "*star", "straße", "日本語です"])
def test_search_takes_its_words_literally(as_user: Callable[..., Client], cast: dict[str, Any], text: str) -> None:
    conn_request = factories.submitted(cast["requester"])
    other = factories.submitted(cast["requester"])
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(search=f"before {text}after")
    ConnectionRequest.objects.filter(pk=other.pk).update(
        search="before 100x axb quote backslash star strase 日本です after"
    )
    assert ids(as_user("auditor").get(LIST, {"q": text.upper() if text.isascii() else text})) == [conn_request.pk]


def test_search_follows_the_row(as_user: Callable[..., Client], cast: dict[str, Any]) -> None:
    conn_request, reader = factories.draft(cast["requester"], config__schema="oldname"), as_user("requester")
    assert ids(reader.get(LIST, {"q": "oldname"})) == [conn_request.pk]
    workflow.save_draft(
        by=cast["requester"], filing=factories.filing(config__schema="newname"), conn_request=conn_request
    )
    assert ids(reader.get(LIST, {"q": "oldname"})) == []
    assert ids(reader.get(LIST, {"q": "newname"})) == [conn_request.pk]
    ConnectionRequest.objects.filter(pk=conn_request.pk).update(status_since=Now())
    assert ids(reader.get(LIST, {"q": "newname"})) == [conn_request.pk]


def test_search_finds_what_lies_beyond_the_first_look(
    as_user: Callable[..., Client], ample: list[ConnectionRequest]
) -> None:
    assert search.NEWEST < BULK
    reader = as_user("auditor")
    assert ids(reader.get(LIST, {"q": "mass_000"})) == [ample[1].pk]
    listed = reader.get(LIST, {"q": "mass"})
    assert ids(listed) == [conn_request.pk for conn_request in reversed(ample[70:])]
    # SQLite's first look is the newest matches themselves: it fills the page without having seen all of them.
    count = "More than 50 requests" if connection.vendor == "sqlite" else "119 requests"
    assert count in listed.content.decode()
    older = reader.get(link(listed, "Older →"))
    assert ids(older) == [conn_request.pk for conn_request in reversed(ample[20:70])]
    assert ids(reader.get(link(older, "← Newer"))) == ids(listed)
    assert ids(reader.get(LIST, {"q": "bulk", "status": "pending"})) == []
    assert len(ids(reader.get(LIST, {"q": "bulk"}))) == 50


def test_short_words_are_looked_for_among_the_newest_and_the_page_says_so(
    as_user: Callable[..., Client], cast: dict[str, Any], ample: list[ConnectionRequest]
) -> None:
    assert search.SHORT_NEWEST == BULK  # so that none of the crowd, which has `_0` in its names, is looked at
    reader = as_user("auditor")
    response = reader.get(LIST, {"q": "_0"})
    assert "newest 20,000 requests only" in response.content.decode()
    assert ids(response) == []
    new = factories.submitted(cast["requester"], config__schema="new_0")
    assert ids(reader.get(LIST, {"q": "_0"})) == [new.pk]
    assert ids(reader.get(LIST, {"q": "_0 mass_01"})) == [
        conn_request.pk for conn_request in reversed(ample) if "mass_01" in conn_request.schema
    ]
