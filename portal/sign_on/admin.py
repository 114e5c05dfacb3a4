"""The table of roles, and which person of the provider has which account."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.sign_on import people_admin, roles
from portal.sign_on.models import DirectoryRole

__all__ = ["people_admin"]

# What allauth would offer and the portal does not: providers stand in the environment, an address is changed with its
# account, and a second factor is removed with a reason, on the record.
for model in (SocialApp, SocialToken, SocialAccount, EmailAddress, Authenticator):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(DirectoryRole)
class DirectoryRoleAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no parameters at run time
    list_display = ("directory_group", "of", "group", "gives_staff", "gives_superuser", "is_on", "from_setting")
    list_filter = ("is_on", "group")
    search_fields = ("directory_group",)
    fields = ("provider", "directory_group", "group", "gives_staff", "gives_superuser", "is_on")

    @admin.display(description="provider", ordering="provider")
    def of(self, role: DirectoryRole) -> str:
        return role.get_provider_display() if role.provider else "any"

    def _mine(self, request: HttpRequest) -> bool:
        # Whoever edits this table could give themselves everything: no lesser right is enough.
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False))

    def get_readonly_fields(self, request: HttpRequest, obj: DirectoryRole | None = None) -> tuple[str, ...]:
        # Changed, it would come back as it was beside what became of it.
        return ("provider", "directory_group", "group") if obj and roles.is_configured(obj) else ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._mine(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._mine(request)

    def has_delete_permission(self, request: HttpRequest, obj: DirectoryRole | None = None) -> bool:
        # A row of the environment would come back with the next migration: it is switched off instead.
        return self._mine(request) and not (obj and roles.is_configured(obj))


@admin.register(SocialAccount)
class LinkAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # no parameters at run time
    """Which account a person of the provider has. To take a link away lets the next log-in join by the address anew."""

    list_display = ("user", "provider", "date_joined", "last_login")
    search_fields = ("user__username", "user__email")
    fields = readonly_fields = ("user", "provider", "uid", "date_joined", "last_login")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_superuser", False))

    def delete_model(self, request: HttpRequest, obj: SocialAccount) -> None:
        super().delete_model(request, obj)
        _end_sessions(obj.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SocialAccount]) -> None:
        for link in queryset.select_related("user"):
            self.delete_model(request, link)


def _end_sessions(user: User) -> None:
    # Without the link nobody asks the directory any more. A session is good for one password; none is a new one too.
    if not user.has_usable_password():
        user.set_unusable_password()
        user.save(update_fields=["password"])
