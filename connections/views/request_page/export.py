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
    "sh": ("text/x-shellscript", lambda row: export.as_script(body_of(row), settings.FIVETRAN_BASE_URL)),
    "json": ("application/json", lambda row: f"{export.as_json(body_of(row))}\n"),
    "tf": ("text/plain", lambda row: export.as_terraform(body_of(row), living_id(row))),
}


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    row = queries.find(request.user, pk)
    body = body_of(row)
    context = {
        "row": row,
        "note": note_of(row),
        "has_secret": payloads.MASK in export.as_json(body),
        "curl": export.as_curl(body, settings.FIVETRAN_BASE_URL),
        "json": export.as_json(body),
        "terraform": export.as_terraform(body, living_id(row)),
    }
    return render(request, "connections/request_page/export.html", context)


@require_safe
def download(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    row = queries.find(request.user, pk)
    if kind not in _FILES:
        raise Http404
    content_type, write = _FILES[kind]
    headers = {
        "Content-Disposition": f'attachment; filename="connection-{row.pk}.{kind}"',
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(write(row), content_type=f"{content_type}; charset=utf-8", headers=headers)


def note_of(row: ConnectionRequest) -> tuple[str, str] | None:
    """The colour of an alert, and what to know before the body is used elsewhere."""
    if not row.payload:
        return "info", "This is a draft: each holds what was filled in so far."
    if living_id(row):
        words = "The command would ask for a second one; Terraform takes over the one that is there."
        return "warning", f"The connection exists. {words}"
    if row.deleted_at_fivetran_at:
        return "warning", "The connection is no longer at Fivetran. Each of these would create it anew."
    return None


def body_of(row: ConnectionRequest) -> dict[str, Any]:
    # With the changes that were made since the approval; a draft has what was filled in so far.
    return payloads.masked(workflow.approved_values(row) if row.payload else payloads.build_body(row.values))


def living_id(row: ConnectionRequest) -> str | None:
    """The id of the connection that came of the request, while Fivetran has it."""
    return None if row.deleted_at_fivetran_at else row.connection_id
