"""Start-up of the site itself, and which static files of the packages are collected."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class PortalConfig(AppConfig):
    name = "portal"


class PortalAdmin(AdminConfig):
    default_site = "portal.admin_site.PortalAdminSite"


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
