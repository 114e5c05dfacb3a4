"""Buttons on a draft: share it with a team, and stop sharing it."""

from collections.abc import Iterator
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from connections import permissions, workflow
from connections.models import ConnectionRequest, Team
from connections.permissions import Person
from connections.spec.characters import visible
from connections.states import Status
from connections.views.errors import decided
from connections.views.request_page import queries


def buttons(user: Person, conn_request: ConnectionRequest) -> Iterator[tuple[str, str]]:
    """(words, address) of each button of the requester; none for people without a team."""
    mine = conn_request.requester_id == user.pk and conn_request.state is Status.DRAFT
    if not mine or permissions.reads_only(user):
        return
    if conn_request.shared_at is not None and conn_request.team_id is not None:
        yield "Stop sharing", reverse("connections:stop_sharing", args=[conn_request.pk])
        return
    if not permissions.in_a_team(user):
        return
    for team in Team.objects.of(user.pk).select_related("group").order_by("group__name"):
        yield f"Share with {visible(str(team))}", reverse("connections:share_draft", args=[conn_request.pk, team.pk])


def words(conn_request: ConnectionRequest) -> str:
    if conn_request.shared_at is None or conn_request.team is None:
        return "Only you see this draft."
    return f"The team “{visible(str(conn_request.team))}” sees this draft and can continue it."


@require_POST
def share(request: HttpRequest, pk: int, team: int) -> HttpResponse:
    user, conn_request = queries.reader(request), queries.find(request.user, pk)
    chosen = get_object_or_404(Team.objects.of(user.pk).select_related("group"), pk=team)
    return decided(
        request,
        partial(workflow.share_draft, by=user, conn_request=conn_request, team=chosen),
        done=f"The team “{visible(str(chosen))}” sees draft {pk} now, and can continue it.",
        back=redirect("connections:request", pk),
    )


@require_POST
def stop(request: HttpRequest, pk: int) -> HttpResponse:
    user, conn_request = queries.reader(request), queries.find(request.user, pk)
    return decided(
        request,
        lambda: workflow.stop_sharing(by=user, conn_request=conn_request),
        done=f"Draft {pk} is yours alone again.",
        back=redirect("connections:request", pk),
    )
