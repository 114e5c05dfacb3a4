"""Start-up of the site itself, and which static files of the packages are collected."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.signals import user_logged_in
from django.contrib.staticfiles.apps import StaticFilesConfig
from django.http import HttpRequest
from django.utils import timezone


class PortalConfig(AppConfig):
    name = "portal"

    def ready(self) -> None:
        user_logged_in.connect(limit_session, dispatch_uid="portal.limit_session")


class PortalAdmin(AdminConfig):
    default_site = "portal.admin_site.PortalAdminSite"


def limit_session(sender: type, request: HttpRequest, **_kwargs: Any) -> None:
    # A date, which Django keeps: a number of seconds would begin anew with each write.
    request.session.set_expiry(timezone.now() + settings.SESSION_ABSOLUTE_LIMIT)


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
