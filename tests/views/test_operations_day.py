"""The last day on the operators' page: each hour's creations, what was on its way at its end, and its oldest."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connections.models import ConnectionRequest
from connections.states import Status
from connections.views.bars import TALLEST
from connections.views.operations.charts import HOURS, charts, last_day
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.sql]
NOW = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)


def stay(status: Status, approved: float, ended: float = 0) -> None:
    """A request that was approved so many minutes ago, and has its status since `ended` minutes."""
    pk = factories.request_in(status).pk
    moments = {"approved_at": NOW - timedelta(minutes=approved), "status_since": NOW - timedelta(minutes=ended)}
    ConnectionRequest.objects.filter(pk=pk).update(**moments)


def test_an_hour_tells_what_was_created_and_what_was_left_at_its_end() -> None:
    stay(Status.CREATED, 95, 90)  # within the hour from 10
    stay(Status.CREATED, 130, 15)  # waited over the ends of two hours
    stay(Status.FAILED, 25, 10)  # over the end of one, and came to nothing
    stay(Status.UNKNOWN, 5)
    stay(Status.CREATED, 60 * 30, 60 * 29)  # the day before
    stay(Status.ATTENTION, 60 * 40, 60 * 39)  # waits for a person since
    factories.submitted()
    hours = last_day(NOW)
    assert len(hours) == HOURS and [hour.words for hour in hours[-3:]] == ["10:00", "11:00", "12:00"]
    assert [hour.created for hour in hours[-3:]] == [1, 0, 1] and sum(hour.created for hour in hours) == 2
    assert [hour.waiting for hour in hours[-3:]] == [1, 2, 1]
    assert [hour.oldest / 60 for hour in hours[-3:]] == [50, 110, 5]
    assert [hour.oldest_words for hour in hours[-4:]] == ["—", "50 min", "2 h", "5 min"]


def test_the_charts_say_it_in_words_and_bars() -> None:
    stay(Status.CREATED, 130, 15)
    created, waiting, oldest = charts(last_day(NOW))
    assert created.said == "1 in a day, at most 1 in the hour from 12:00"
    assert waiting.said == "0 now; at the ends of hours at most 1, after 10:00"
    assert oldest.said == "— now; at the ends of hours at most 2 h, after 11:00"
    assert [(bar.y, bar.height) for bar in created.bars[-2:]] == [(TALLEST, 0), (0, TALLEST)]
    assert created.bars[-1].words == "12:00: 1"


def test_nothing_is_said_to_be_nothing() -> None:
    assert [chart.said for chart in charts(last_day(NOW))] == [
        "None.",
        "None at the end of an hour.",
        "None waited at the end of an hour.",
    ]


def test_the_page_shows_three_pictures_and_a_table(as_user: Any, django_assert_num_queries: Any) -> None:
    factories.request_in(Status.CREATED)
    operator = as_user("operator")
    operator.get("/operations/")
    with django_assert_num_queries(2):
        last_day(NOW)
    page = operator.get("/operations/").content.decode()
    assert page.count("<rect") == 3 * HOURS and "1 in a day" in page
    assert len(re.findall(r'<th scope="row">\d\d:00</th>', page)) == HOURS
    assert "style=" not in page[page.index("<main") : page.index("</main")]
