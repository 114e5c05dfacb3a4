"""Connections that Fivetran has and no request holds, and the adoption of one of them."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from connections import catalog, permissions
from connections.catalog import existing_connections
from connections.forms.decisions import AdoptForm
from connections.models import CatalogEntry, ConnectionRequest, Kind
from connections.views.request_form.prefill import number
from connections.views.request_page import queries
from connections.workflow import operations

SHOWN = 50
LAST_PAGE = 1000  # beyond that a search finds it sooner


@require_safe
def unclaimed(request: HttpRequest) -> HttpResponse:
    permissions.check_can_operate(request.user)
    words = request.GET.get("q", "").replace("\0", "").strip()[:200]
    without_logs = bool(request.GET.get("without_logs"))
    page = min(number(request.GET.get("page", "")) or 1, LAST_PAGE)
    found = existing_connections.unclaimed(words, without_logs=without_logs).defer("detail")
    rows = list(found[(page - 1) * SHOWN : page * SHOWN + 1])
    query = {"q": words, **({"without_logs": "on"} if without_logs else {})}
    turns = ("Previous", page - 1, page > 1), ("Next", page + 1, len(rows) > SHOWN and page < LAST_PAGE)
    context = {
        "rows": [shown_entry(entry) for entry in rows[:SHOWN]],
        "words": words,
        "without_logs": without_logs,
        "pages": [(label, urlencode({**query, "page": number})) for label, number, exists in turns if exists],
        "freshness": catalog.freshness(Kind.CONNECTION),
    }
    return render(request, "connections/operations/adopt_list.html", context)


def shown_entry(entry: CatalogEntry) -> dict[str, str]:
    data = entry.data if isinstance(entry.data, dict) else {}
    keys = ("service", "group_id", "setup_state", "created_at")
    return {"id": entry.fivetran_id, "name": entry.name, **{key: str(data.get(key) or "") for key in keys}}


@require_http_methods(["GET", "HEAD", "POST"])
def adopt(request: HttpRequest, connection_id: str) -> HttpResponse:
    permissions.check_can_operate(request.user)
    if "\0" in connection_id:
        raise Http404
    holder = ConnectionRequest.objects.filter(connection_id=connection_id).first()
    if holder is not None:
        messages.warning(request, f"This connection belongs to request #{holder.pk} already.")
        return redirect("connections:request", pk=holder.pk)
    entry = get_object_or_404(CatalogEntry.objects.defer("detail"), kind=Kind.CONNECTION, fivetran_id=connection_id)
    form = AdoptForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and (made := _adopt(request, entry, form)):
        messages.success(request, f"The connection is adopted as request #{made.pk}. Its owner is told.")
        return redirect("connections:request", pk=made.pk)
    return render(request, "connections/operations/adopt.html", {"form": form, "connection": shown_entry(entry)})


def _adopt(request: HttpRequest, entry: CatalogEntry, form: Any) -> ConnectionRequest | None:
    try:
        return operations.adopt_foreign(
            by=queries.reader(request),
            connection_id=entry.fivetran_id,
            owner=form.cleaned_data["owner"],
            reason=form.cleaned_data["reason"],
        )
    except operations.NoOwner as unfit:
        form.add_error("owner", str(unfit))
    except operations.DoesNotFit as misfit:
        form.add_error(None, str(misfit))
    except operations.Unreachable:
        form.add_error(None, "Fivetran gave no answer. Try again in a moment.")
    return None
