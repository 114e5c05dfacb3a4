"""A request's body as a curl command, JSON and Terraform, on a page and as files."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections import workflow
from connections.models import ConnectionRequest
from connections.spec import export, payloads
from connections.views.request_page import queries

_FILES: dict[str, tuple[str, Callable[[ConnectionRequest], str]]] = {
    "sh": (
        "text/x-shellscript",
        lambda conn_request: export.as_script(body_of(conn_request), settings.FIVETRAN_BASE_URL),
    ),
    "json": ("application/json", lambda conn_request: f"{export.as_json(body_of(conn_request))}\n"),
    "tf": ("text/plain", lambda conn_request: export.as_terraform(body_of(conn_request), living_id(conn_request))),
}


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    conn_request = queries.find(request.user, pk)
    body = body_of(conn_request)
    context = {
        "row": conn_request,
        "note": note_of(conn_request),
        "has_secret": payloads.MASK in export.as_json(body),
        "curl": export.as_curl(body, settings.FIVETRAN_BASE_URL),
        "json": export.as_json(body),
        "terraform": export.as_terraform(body, living_id(conn_request)),
    }
    return render(request, "connections/request_page/export.html", context)


@require_safe
def download(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    conn_request = queries.find(request.user, pk)
    if kind not in _FILES:
        raise Http404
    content_type, write = _FILES[kind]
    headers = {
        "Content-Disposition": f'attachment; filename="connection-{conn_request.pk}.{kind}"',
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(write(conn_request), content_type=f"{content_type}; charset=utf-8", headers=headers)


def note_of(conn_request: ConnectionRequest) -> tuple[str, str] | None:
    """The colour of an alert, and what to know before the body is used elsewhere."""
    if not conn_request.payload:
        return "info", "This is a draft: each holds what was filled in so far."
    if living_id(conn_request):
        words = "The command would ask for a second one; Terraform takes over the one that is there."
        return "warning", f"The connection exists. {words}"
    if conn_request.deleted_at_fivetran_at:
        return "warning", "The connection is no longer at Fivetran. Each of these would create it anew."
    return None


def body_of(conn_request: ConnectionRequest) -> dict[str, Any]:
    # With the changes that were made since the approval; a draft has what was filled in so far.
    return payloads.masked(
        workflow.approved_values(conn_request) if conn_request.payload else payloads.build_body(conn_request.values)
    )


def living_id(conn_request: ConnectionRequest) -> str | None:
    """The id of the connection that came of the request, while Fivetran has it."""
    return None if conn_request.deleted_at_fivetran_at else conn_request.connection_id
