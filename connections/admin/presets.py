"""Presets in the admin: made from nothing, or from a request that turned out well."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest

from connections import permissions
from connections.admin.readonly import Editable
from connections.admin.refusing import Refusing
from connections.forms.preset_editor import PresetForm
from connections.models import Preset
from connections.spec import payloads

_REQUESTERS_OWN = ("reason", "source_owner", "service", "group_id")


@admin.register(Preset)
class PresetAdmin(Refusing, Editable):
    form = PresetForm
    list_display = ("name", "service", "group_id", "approvers", "position", "active")
    list_editable = ("position", "active")
    list_filter = ("active",)
    list_select_related = ("approvers",)
    search_fields = ("name", "description", "service", "group_id")
    fieldsets = (
        (None, {"fields": ("name", "description", "position", "active")}),
        ("What a request begins with", {"fields": ("service", "group_id", "values")}),
        ("What is not the requester's to decide", {"fields": ("fixed", "hidden")}),
        ("Who decides", {"fields": ("approvers",)}),
    )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        # `?from_request=<id>` begins with the values of that request, without what belongs to its requester alone.
        source = request.GET.get("from_request", "")
        visible = permissions.visible_to(request.user)
        conn_request = visible.filter(pk=int(source)).first() if source.isdecimal() and len(source) < 18 else None
        if conn_request is None:
            return super().get_changeform_initial_data(request)
        values = payloads.copied(conn_request.values, keep_names=False)
        return {
            "name": f"{conn_request.service_name}, as in request {conn_request.pk}"[:100],
            "service": conn_request.service,
            "group_id": conn_request.group_id,
            "values": {path: value for path, value in values.items() if path not in _REQUESTERS_OWN and value != ""},
            "fixed": ["service"],
        }

    def look(self, request: HttpRequest, form: Any) -> None:
        # A preset whose group has no approver is kept, with a warning: its requests could not be submitted.
        super().look(request, form)
        preset: Preset = form.instance
        if preset.approvers and not permissions.approvers_for(AnonymousUser(), preset).exists():
            words = f"Nobody in the group “{preset.approvers}” may approve yet, so requests of this preset are refused."
            self.message_user(request, words, messages.WARNING)
