"""What every page shows besides its own content."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from connections import permissions
from connections.models.capped_count import CountsForReader, in_words
from portal.sign_on.local_accounts import has_local_password

FIVETRAN_HOST = "api.fivetran.com"
COUNTED = 99
# A page that counts what waits in a query of its own keeps the number under this name in the request.
WAITING = "approvals_waiting"
# The request's page asks the most, and tells beside its decision what is left.
_WITHOUT_COUNT = ("connections:request",)
_counts = CountsForReader(lambda user: [[permissions.to_approve(user)]], COUNTED)


def portal(request: HttpRequest) -> dict[str, Any]:
    """Whose portal it is and at which host; the API root while it is not Fivetran's own (for the thin bar on every
    page), and what the navigation offers.

    The rights are asked lazily: a page without a reader, as a failed one, costs no query.
    """
    root = settings.FIVETRAN_BASE_URL
    return {
        "company": settings.COMPANY_NAME,
        "portal_host": urlsplit(settings.PUBLIC_URL).netloc,
        "other_api_root": "" if urlsplit(root).hostname == FIVETRAN_HOST else root,
        "reader_is_approver": lambda: permissions.is_approver(request.user),
        "reader_has_password": lambda: has_local_password(request.user),
        "reader_writes": lambda: not permissions.reads_only(request.user),
        "navigation": lambda: list(_marked(request)),
    }


def _marked(request: HttpRequest) -> Iterator[tuple[str, str, str, bool]]:
    """With whether the page is that, or a part of it."""
    here = request.resolver_match.view_name if request.resolver_match else ""
    for name, words, count in _navigation(request):
        yield name, words, count, here == name or here.startswith(f"{name}_")


def _navigation(request: HttpRequest) -> Iterator[tuple[str, str, str]]:
    """(name of the address, words, how much waits there) of the pages that the navigation leads to."""
    yield "connections:history", "Requests", ""
    if permissions.is_approver(request.user):
        yield "connections:approvals", "Approvals", _waiting(request)
    if permissions.is_operator(request.user) or permissions.reads_record(request.user):
        yield "connections:operations", "Operations", ""
    if permissions.reads_record(request.user):
        yield "connections:audit", "Record", ""


def _waiting(request: HttpRequest) -> str:
    """How much waits for the approver: one query at most, and none on a page that has counted."""
    if request.resolver_match and request.resolver_match.view_name in _WITHOUT_COUNT:
        return ""
    count = getattr(request, WAITING, None)
    if count is None:
        reader = permissions.logged_in(request.user)
        (count,) = _counts.of(reader, permissions.sight_of(reader))
    return in_words(count, COUNTED) if count else ""
