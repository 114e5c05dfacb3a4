"""The front page and the side bar of the admin: models by what one comes for, not by the app that they are in."""

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator

# Group -> the models in it; what stands in none of them is at the end of the last one.
GROUPS: dict[str, tuple[str, ...]] = {
    "Decide": ("ConnectionRequest", "ConnectionChange"),
    "Policy": ("AccessRule", "ServiceRule", "PortalPolicy", "Preset", "CatalogEntry"),
    "Connections": ("Connection", "Handover", "SetupTestRun"),
    "People": (
        "User",
        "Group",
        "Team",
        "DirectoryRole",
        "SocialAccount",
        "AccessAttempt",
        "AccessFailureLog",
        "AccessLog",
    ),
    "Machinery": ("CircuitBreaker", "Notice", "Event", "Attempt"),
}


class PortalAdminSite(admin.AdminSite):
    site_header = site_title = "Connection portal"
    index_title = "Administration"

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        # One door: a second factor, the company's provider and the throttle stand at the portal's own log-in.
        if request.method == "GET" and self.has_permission(request):
            return redirect("admin:index")
        from portal.sign_on.views import LogIn  # the admin is loaded before there are models

        return cast(HttpResponse, LogIn.as_view(next_page="admin:index")(request))

    def password_change(  # type: ignore[override]  # a redirect is no page
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        return redirect("password_change")  # where wrong old passwords are counted

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        models = {
            model["object_name"]: model for app in super().get_app_list(request, app_label) for model in app["models"]
        }
        groups = {name: [models.pop(one) for one in wanted if one in models] for name, wanted in GROUPS.items()}
        groups["Machinery"] += models.values()
        return [
            {"name": name, "app_label": name.lower(), "app_url": "", "has_module_perms": True, "models": found}
            for name, found in groups.items()
            if found
        ]
