"""The commands by hand and for cron: state_diagram stands in test_states."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from connections.models import BreakerReason, CatalogEntry, CatalogRefresh, CircuitBreaker, ConnectionRequest, Kind
from connections.states import Status
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.sql]


def test_sweep_brings_back_a_dead_claim_and_says_what_is_due(capsys: pytest.CaptureFixture[str]) -> None:
    due, claimed = factories.approved(), factories.request_in(Status.CLAIMED)
    lost = factories.request_in(Status.SENDING)
    past = Now() - timedelta(seconds=1)
    ConnectionRequest.objects.filter(pk=claimed.pk).update(lease_until=past)
    ConnectionRequest.objects.filter(pk=lost.pk).update(deadline_at=past)
    call_command("sweep")
    assert capsys.readouterr().out == "Due: 2 to send, 1 to look up, 0 to test.\n"
    after = ConnectionRequest.objects.in_bulk([due.pk, claimed.pk, lost.pk])
    assert [after[r.pk].status for r in (due, claimed, lost)] == ["approved", "approved", "unknown"]


def test_sweep_expires_what_nobody_decided() -> None:
    old, young = factories.submitted(), factories.submitted()
    ConnectionRequest.objects.filter(pk=old.pk).update(status_since=Now() - timedelta(days=31))
    call_command("sweep", verbosity=0)
    assert ConnectionRequest.objects.get(pk=old.pk).status == Status.EXPIRED
    assert ConnectionRequest.objects.get(pk=young.pk).status == Status.PENDING


def test_sweep_sends_nothing_through_a_closed_gate(capsys: pytest.CaptureFixture[str]) -> None:
    factories.approved()
    CircuitBreaker.objects.update_or_create(pk=1, defaults={"reason": BreakerReason.AUTH})
    call_command("sweep")
    assert "Due: 0 to send" in capsys.readouterr().out


def test_refresh_catalog_says_a_line_a_kind(sandbox: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("refresh_catalog")
    lines = capsys.readouterr().out.splitlines()
    assert {line.split(":")[0] for line in lines} == {kind.label for kind in Kind}
    assert len(lines) == len(Kind)
    services = CatalogEntry.objects.filter(kind=Kind.SERVICE).count()
    assert f"Services: {services}" in lines
    assert services >= 25


def test_refresh_catalog_fails_only_when_nothing_came(capsys: pytest.CaptureFixture[str]) -> None:
    CatalogEntry.objects.create(kind=Kind.SERVICE, fivetran_id="mysql", name="MySQL")
    with pytest.raises(CommandError, match="Nothing could be fetched: NotSent"):
        call_command("refresh_catalog")
    assert "Services: not refreshed, 1 kept (NotSent" in capsys.readouterr().out
    assert CatalogRefresh.objects.get(kind=Kind.SERVICE).fetched_at is None
