"""Sessions that strangers make by beginning log-ins: they end soon, and cost nobody anything."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from portal import sessions
from tests.sign_on.providers import Mock
from tests.sign_on.saml import SamlProvider, begin

MINUTES = timedelta(minutes=15)


def left(client: Client) -> timedelta:
    return Session.objects.get(pk=client.session.session_key).expire_date - timezone.now()


@pytest.mark.sql
def test_a_log_in_that_was_begun_is_kept_for_minutes_and_one_that_ended_for_hours(provider: Mock, log_in: Any) -> None:
    provider.has("s-mia", preferred_username="mia")
    client = Client()
    assert client.get("/accounts/oidc/login/").status_code == 302
    assert timedelta() < left(client) <= MINUTES
    assert log_in(client, "s-mia").status_code == 302
    assert left(client) > 2 * MINUTES
    assert Session.objects.count() == 1


@pytest.mark.database
def test_the_same_by_saml(saml: SamlProvider) -> None:
    begin(client := Client())
    assert timedelta() < left(client) <= MINUTES


@pytest.mark.sql
def test_what_a_session_holds_already_is_not_ended_sooner(provider: Mock) -> None:
    client = Client()
    session = client.session
    session["proofs"] = {}
    session.save()
    client.cookies["sessionid"] = str(session.session_key)
    assert client.get("/accounts/oidc/login/").status_code == 302
    assert left(client) > 2 * MINUTES


@pytest.mark.sql
def test_to_end_a_persons_sessions_reads_none_of_strangers(
    provider: Mock, as_user: Callable[[str], Client], cast: dict[str, User], caplog: Any
) -> None:
    here, there, other = as_user("operator"), as_user("operator"), as_user("approver")
    for _ in range(3):
        Client().get("/accounts/oidc/login/")
    strangers = Session.objects.exclude(pk__in=[one.session.session_key for one in (here, there, other)])
    assert strangers.update(session_data="nobody can read this") == 3
    sessions.end_all_of(cast["operator"].pk, keep=here.session.session_key)
    assert "corrupted" not in caplog.text
    kept = set(Session.objects.values_list("pk", flat=True))
    assert {here.session.session_key, other.session.session_key} <= kept and len(kept) == 5
