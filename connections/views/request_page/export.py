"""A request's body to take along in five ways, on a page and as files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections import permissions, workflow
from connections.models import ConnectionRequest
from connections.spec import export, payloads
from connections.views.request_page import queries

_VARIABLES = "Key and secret are read from FIVETRAN_API_KEY and FIVETRAN_API_SECRET in your environment."


@dataclass(frozen=True)
class Asked:
    """What is taken along, and by whom."""

    body: dict[str, Any]
    living_id: str | None
    reader_email: str


@dataclass(frozen=True)
class Way:
    """A way to take it along: its name, who uses it, what it needs, and how its text and its file are made."""

    name: str
    for_whom: str
    needs: str
    content_type: str
    text: Callable[[Asked], str]
    file: Callable[[Asked], str] | None = None  # where a file says more than the page


WAYS = {
    "sh": Way(
        "curl",
        "For somebody at a command line.",
        _VARIABLES,
        "text/x-shellscript",
        lambda asked: export.as_curl(asked.body, settings.FIVETRAN_BASE_URL),
        lambda asked: export.as_script(asked.body, settings.FIVETRAN_BASE_URL),
    ),
    "py": Way(
        "Python",
        "For somebody who scripts: it prints id and setup tests.",
        f"It needs Python 3 and no package. {_VARIABLES}",
        "text/x-python",
        lambda asked: export.as_python(asked.body, settings.FIVETRAN_BASE_URL),
    ),
    "json": Way(
        "JSON",
        "For any other program that calls Fivetran.",
        "The body of POST /v1/connections, which Fivetran's own command line takes as well: "
        "fivetran beta connection create --config-file",
        "application/json",
        lambda asked: f"{export.as_json(asked.body)}\n",
    ),
    "tf": Way(
        "Terraform",
        "For a team that keeps its connections as code.",
        "It needs Fivetran's own provider. An import block, where one stands, needs Terraform 1.5 or later.",
        "text/plain",
        lambda asked: export.as_terraform(asked.body, asked.living_id),
    ),
    "conductor": Way(
        "Conductor",
        "For a team that builds workflows: one HTTP task, ready to register.",
        "It needs Conductor 3.32 or newer, or Orkes: an older one has no secrets, or may send a slow call twice. Store "
        "a secret FIVETRAN_BASIC there: the Base64 form of API key, colon and API secret.",
        "application/json",
        lambda asked: f"{export.as_conductor(asked.body, settings.FIVETRAN_BASE_URL, asked.reader_email)}\n",
    ),
}


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    conn_request = queries.find(request.user, pk)
    asked = _asked(request, conn_request)
    _record(request, conn_request, "page")
    context = {
        "row": conn_request,
        "note": note_of(conn_request),
        "has_secret": payloads.MASK in export.as_json(asked.body),
        "ways": [(kind, way, way.text(asked)) for kind, way in WAYS.items()],
    }
    return render(request, "connections/request_page/export.html", context)


@require_safe
def download(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    conn_request = queries.find(request.user, pk)
    if kind not in WAYS:
        raise Http404
    way = WAYS[kind]
    headers = {
        "Content-Disposition": f'attachment; filename="connection-{conn_request.pk}.{kind}"',
        "X-Content-Type-Options": "nosniff",
    }
    text = (way.file or way.text)(_asked(request, conn_request))
    _record(request, conn_request, kind)
    return HttpResponse(text, content_type=f"{way.content_type}; charset=utf-8", headers=headers)


def _record(request: HttpRequest, conn_request: ConnectionRequest, form: str) -> None:
    if request.method == "GET":  # HEAD takes nothing along
        workflow.record_export(by=permissions.logged_in(request.user), about=conn_request, form=form)


def _asked(request: HttpRequest, conn_request: ConnectionRequest) -> Asked:
    return Asked(body_of(conn_request), living_id(conn_request), getattr(request.user, "email", ""))


def note_of(conn_request: ConnectionRequest) -> tuple[str, str] | None:
    """The colour of an alert, and what to know before the body is used elsewhere."""
    if not conn_request.payload:
        return "info", "This is a draft: each holds what was filled in so far."
    if living_id(conn_request):
        words = "Terraform takes over the one that is there; each of the others would ask for a second one."
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
