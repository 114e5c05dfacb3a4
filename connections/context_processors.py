"""What every page shows besides its own content."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from connections import permissions

FIVETRAN_HOST = "api.fivetran.com"


def portal(request: HttpRequest) -> dict[str, Any]:
    """The API root while it is not Fivetran's own (for the thin bar on every page), and what the navigation offers.

    The rights are asked lazily: a page without a reader, as a failed one, costs no query.
    """
    root = settings.FIVETRAN_BASE_URL
    user = getattr(request, "user", None)
    return {
        "other_api_root": "" if urlsplit(root).hostname == FIVETRAN_HOST else root,
        "reader_is_operator": lambda: user is not None and permissions.is_operator(user),
        "reader_is_approver": lambda: user is not None and permissions.is_approver(user),
    }
