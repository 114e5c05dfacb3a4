"""Changes of connections in the admin: read-only, because decisions are taken on their own pages."""

from django.contrib import admin
from django.db.models import Model
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from connections.admin.readonly import Asked, ReadOnlyAdmin
from connections.models import ConnectionChange
from connections.models.request import WAITING_FIRST
from connections.views import labels
from connections.views.changes import change_labels


@admin.register(ConnectionChange)
class ConnectionChangeAdmin(Asked, ReadOnlyAdmin):
    to_request = "request__"
    list_display = ("id", "kind", "label", "request", "asked_by", "created_at", "decided_by")
    list_filter = ("status", "kind", "created_at")
    list_select_related = ("request", "requester", "decided_by")
    search_fields = ("=id", "=request__id", "request__schema", "requester__username")
    ordering = (WAITING_FIRST.asc(), "-id")
    fieldsets = (
        (None, {"fields": ("kind", "label", "status_since", "request", "asked_by", "reason", "created_at")}),
        ("What will be sent", {"fields": ("shown_body", "digest", "before", "version")}),
        (
            "Decision",
            {"fields": ("decided_by", "decided_at", "decision_reason", "approved_digest", "approved_account")},
        ),
        ("At Fivetran", {"fields": ("note", "attempts_used", "next_try_at", "failure_code", "failure_message")}),
    )
    readonly_fields = tuple(str(name) for _title, part in fieldsets for name in part["fields"])

    @admin.display(description="status", ordering="status")
    def label(self, row: ConnectionChange) -> SafeString:
        return labels.tag(change_labels.tone(row.status), row.state.label)

    @admin.display(description="body")
    def shown_body(self, row: ConnectionChange) -> str:
        return render_to_string("admin/connections/_body.html", {"body": row.body})

    def view_on_site(self, obj: Model) -> str:
        return reverse("connections:change", args=[obj.pk])
