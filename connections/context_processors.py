"""What every page shows besides its own content."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from connections import permissions

FIVETRAN_HOST = "api.fivetran.com"


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
        "navigation": lambda: list(_navigation(request.user)),
    }


def _navigation(user: permissions.Person) -> Iterator[tuple[str, str]]:
    """(name of the address, words) of the pages that the navigation leads to."""
    yield "connections:history", "Requests"
    if permissions.is_approver(user):
        yield "connections:approvals", "Approvals"
    if permissions.is_operator(user):
        yield "connections:operations", "Operations"
