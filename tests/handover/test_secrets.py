"""Canaries: a card's address and its token, the state, the code and the link stand nowhere but where they must."""

import io
import logging
import urllib.parse
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client

from connections import notifications, worker
from connections.models import Handover
from portal import logs
from tests import factories
from tests.handover import CARD, logged_in, mailed_code, page_of
from tests.handover.test_card_and_return import GIVEN, fill, open_card, way_back
from tests.sandbox_client import Fivetran

OUTSIDE = "olga@elsewhere.example"


def database() -> str:
    """Everything that stands in any table."""
    out = io.StringIO()
    call_command("dumpdata", stdout=out, verbosity=0)
    return out.getvalue()


def pages(row: Handover) -> str:
    """What everybody else sees of it."""
    urls = ["/", "/requests/", f"/requests/{row.request_id}/", f"/requests/{row.request_id}/status/", "/operations/"]
    urls += ["/requests/export.csv", "/requests/export.json", "/approvals/"]
    urls += ["/admin/connections/handover/", f"/admin/connections/handover/{row.pk}/change/"]
    urls += ["/admin/connections/attempt/", "/admin/connections/event/", "/admin/connections/notice/"]
    people = [row.request.requester, *(factories.person(r) for r in ("approver", "operator", "auditor", "superuser"))]
    answers = [logged_in(person).get(url) for person in people for url in urls]
    assert {answer.status_code for answer in answers} <= {200, 302, 403, 404}
    return "".join(a.getvalue().decode() if a.streaming else a.content.decode() for a in answers)


@pytest.mark.parametrize("outcome", ["came back", "stayed away"])
def test_the_canaries_are_found_nowhere(
    fivetran: Fivetran, approve: Any, caplog: pytest.LogCaptureFixture, outcome: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        request = approve("canary", **CARD, source_owner=OUTSIDE)
        worker.run("submit", request.pk)
        row = Handover.objects.select_related("request__requester", "request__connection", "owner").get()
        client = Client()
        client.post(page_of(row, "send-code/"))
        during = database()  # while the code is valid
        code = mailed_code(OUTSIDE)
        assert client.post(page_of(row, "code/"), {"code": code}).status_code == 302
        card = open_card(client, row)
        back = way_back(card)
        if outcome == "came back":
            client.get(fill(card, **GIVEN))
            worker.run("check", request.pk)
            worker.run("run_tests", request.pk)
        worker.sweep()
        notifications.send_due()
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(card).query)
    [token], [state] = query["auth"], urllib.parse.parse_qs(urllib.parse.urlsplit(back).query)["state"]
    nonce = state.partition("-")[2].partition(".")[0]
    # Every token of the stand-in's begins so: that of the card in the answer to the creation too, which nobody opened.
    first = f"{token.partition('.')[0]}."
    digits = code.replace(" ", "")
    mails = [(m.to, str(m.subject) + str(m.body)) for m in mail.outbox]
    seen = {"tables": during + database(), "logs": caplog.text, "pages of others": pages(row)}
    for where, text in seen.items():
        for canary in (card, token, state, nonce, "connect-card/setup", row.token, first):
            assert canary not in text, f"{canary[:20]}… stands in {where}"
        assert digits not in text and code not in text, f"the code stands in {where}"
    for to, text in mails:
        assert not any(canary in text for canary in (card, token, state, nonce, "connect-card/setup", first))
        assert (code in text) == ("Your code" in text)
        assert row.token not in text or to == [OUTSIDE]
    assert any(row.token in text for _to, text in mails)


def test_a_log_line_names_no_link_and_no_state() -> None:
    path = (
        "/handover/1-abc.DEF_g/card/ and /handover/return/?state=1-x.y&a=b, /accounts/login/?next=%2Fhandover%2F1-q%2F"
    )
    record = logging.LogRecord("django.request", logging.WARNING, "", 0, path, None, None)
    line = logs.OneLine("{message}", style="{").format(record)
    assert line == (
        "/handover/[hidden]/card/ and /handover/return/?[hidden] /accounts/login/?next=%2Fhandover%2F[hidden]%2F"
    )


def test_nor_a_state_that_waits_behind_the_log_in_nor_the_webhooks_secret(settings: Any) -> None:
    settings.FIVETRAN_WEBHOOK_SECRET = "shared-canary"
    text = "/accounts/login/?next=/handover/return/%3Fstate%3D1-x.y and next=%2fhandover%2freturn%2f%3fstate%3d1-x.y"
    assert logs.redacted(f"{text} shared-canary") == (
        "/accounts/login/?next=/handover/return/%3F[hidden] and next=%2fhandover%2freturn%2f%3f[hidden] [hidden]"
    )
