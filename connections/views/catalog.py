"""What Fivetran offers: the list for the service picker, and the gallery with the age of the portal's copy."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2s
from typing import Any

from django.contrib import messages
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition, require_POST, require_safe

from connections import catalog, permissions
from connections.catalog.search import aliases, search
from connections.forms.offers import services_open_to
from connections.models import CatalogEntry, CatalogRefresh, Kind, PortalPolicy, ServiceRule, StaleRow, Stance
from connections.views import labels
from connections.workflow import operations

_SHAPE = 2  # of a row in the JSON; a browser's copy of another shape is no longer valid
SHOWN = 200  # tiles on one page, which so weighs a tenth of what a page may
_RECOMMENDED, _OTHER = "Recommended", "Other"
_UNDER_WAY = timedelta(minutes=1)  # the longest time for which the page waits for an answer


@dataclass(frozen=True)
class Version:
    """What the list for one reader depends on."""

    fetched_at: Any
    may_ask: permissions.MayAsk
    tag: str


def version_of(request: HttpRequest) -> Version:
    """Read once for the tag and the list."""
    found: Version | None = getattr(request, "services_version", None)
    if found is None:
        found = request.services_version = _version(request)  # type: ignore[attr-defined]
    return found


def _version(request: HttpRequest) -> Version:
    # A browser's copy of the list is good as long as none of these has changed.
    fetched = CatalogRefresh.objects.filter(kind=Kind.SERVICE).values_list("fetched_at", flat=True).first()
    rules = ServiceRule.objects.aggregate(number=Count("pk"), last=Max("changed_at"))
    policy = PortalPolicy.objects.filter(pk=1).first()
    may_ask = permissions.may_ask(request.user)
    tag = f'"{_SHAPE}/{fetched}/{rules["number"]}/{rules["last"]}/{policy and policy.changed_at}'
    if may_ask != permissions.EVERYTHING:  # another reader of the same browser may ask for other services
        tag += f"/{blake2s(repr(may_ask).encode(), digest_size=9).hexdigest()}"
    return Version(fetched, may_ask, f'{tag}"'.replace(" ", "_"))


def list_version(request: HttpRequest) -> str:
    return version_of(request).tag


@require_safe
@cache_control(private=True, no_cache=True)
@condition(etag_func=list_version)
def services_json(request: HttpRequest) -> HttpResponse:
    """Each service as [id, name, category, lifecycle, guide, recommended, note], in the order to show."""
    version = version_of(request)
    services = services_open_to(version.may_ask)
    rows = [[s.id, s.name, s.group, s.lifecycle, s.guide, s.recommended, s.note] for s in services]
    told = {"fetched_at": version.fetched_at, "services": rows, "aliases": aliases()}
    return JsonResponse(told, json_dumps_params={"separators": (",", ":")})


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    return render(
        request,
        "connections/catalog/catalog.html",
        _catalog_state() | _gallery(request) | {"can_refresh": permissions.can_refresh(request.user)},
    )


@require_POST
def refresh(request: HttpRequest) -> HttpResponse:
    # The worker asks Fivetran: no page waits for it.
    try:
        if operations.refresh_catalog(by=permissions.logged_in(request.user)):
            messages.success(request, "Fivetran is being asked. The copy below stays until its answer is here.")
        else:
            messages.warning(request, "The worker cannot be reached just now. The scheduler refreshes by itself.")
    except StaleRow as moved:
        messages.info(request, str(moved))
    return redirect("connections:catalog")


@dataclass(frozen=True)
class Tile:
    service: catalog.Service
    tag: SafeString | str
    refusal: str


def _gallery(request: HttpRequest) -> dict[str, Any]:
    """The services of one category, or those that a search finds: all at once would weigh too much."""
    words = request.GET.get("q", "").strip()[:200].lower()
    listed = catalog.every_service()
    sizes = Counter(one.service.group or _OTHER for one in listed)
    recommended = [one for one in listed if one.service.recommended]
    first = _RECOMMENDED if recommended else next(iter(sorted(sizes)), "")
    chosen = request.GET.get("category", "") or first
    if words:
        by_id = {one.service.id: one for one in listed}
        found = [by_id[service.id] for service in search([one.service for one in listed], words)]
    elif chosen == _RECOMMENDED:
        found = recommended
    else:
        found = [one for one in listed if (one.service.group or _OTHER) == chosen]
    categories = ([(_RECOMMENDED, len(recommended))] if recommended else []) + sorted(sizes.items())
    current = "" if words else chosen
    return {
        "words": words,
        "categories": [(one, size, "page" if one == current else "false") for one, size in categories],
        "tiles": [_tile(one) for one in found[:SHOWN]],
        "more": len(found) > SHOWN,
    }


def _tile(one: catalog.Listed) -> Tile:
    if one.refusal:
        return Tile(one.service, labels.tag("danger", "not allowed"), one.refusal)
    if one.service.recommended:
        return Tile(one.service, labels.tag("success", "recommended"), "")
    return Tile(one.service, labels.tag("", one.service.lifecycle) if one.service.lifecycle else "", "")


def _catalog_state() -> dict[str, Any]:
    counts = dict(CatalogEntry.objects.order_by().values_list("kind").annotate(Count("pk")))
    rows = {row.kind: row for row in CatalogRefresh.objects.all()}
    kinds = [
        _described_kind(kind.label, counts.get(kind.value, 0), catalog.freshness_of(rows.get(kind.value)))
        for kind in Kind
        if kind is not Kind.ACCOUNT
    ]
    asked = rows[Kind.SERVICE].asked_at if Kind.SERVICE in rows else None
    waiting = (
        asked is not None
        and abs(timezone.now() - asked) < _UNDER_WAY
        and any(row.tried_at is None or row.tried_at < asked for row in rows.values())
    )
    rules = dict.fromkeys(Stance.values, 0)
    rules |= dict(ServiceRule.objects.order_by().values_list("stance").annotate(Count("pk")))
    return {"kinds": kinds, "waiting": waiting, "policy": PortalPolicy.objects.current(), "rules": rules}


def _described_kind(label: str, count: int, fresh: catalog.Freshness) -> dict[str, Any]:
    state, look = ("whole", "tag-success") if fresh.fetched_at else ("not asked yet", "")
    if fresh.words:
        state, look = "old copy", "tag-warning"
    return {"label": label, "count": count, "fresh": fresh, "state": state, "look": look}
