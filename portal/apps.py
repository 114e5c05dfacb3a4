"""Start-up of the site itself, and which static files of the packages are collected."""

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.http import HttpRequest
from django.utils import timezone

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        user_logged_in.connect(limit_session, dispatch_uid="portal.limit_session")


class PortalAdmin(AdminConfig):
    default_site = "portal.admin_site.PortalAdminSite"


def limit_session(sender: type, request: HttpRequest, user: "User", **_kwargs: Any) -> None:
    """Whoever decides logs in more often: that is when the company's directory is asked for their roles."""
    limit = settings.SESSION_ABSOLUTE_LIMIT
    if user.has_perm("connections.approve_request"):
        limit = min(limit, settings.SESSION_APPROVER_LIMIT)
    # A date, which Django keeps: a number of seconds would begin anew with each write.
    request.session.set_expiry(timezone.now() + limit)


class TrimmedStaticFiles(StaticFilesConfig):
    """Collects only what the pages use: the packages bring several builds of each file, 20 MB of them."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "*.rtl.*",
        "bootstrap-grid*",
        "bootstrap-reboot*",
        "bootstrap-utilities*",
        "bootstrap.css*",
        "bootstrap.js*",
        "bootstrap.min.js*",
        "bootstrap.esm*",
        "bootstrap.bundle.js*",
        "htmx-4*",
        "htmx-2-compat*",
        "htmax*",
        "hx-*",
    ]
