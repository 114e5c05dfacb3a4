"""Requests in the admin, and the decisions on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse

from connections import permissions, workflow
from connections.admin.readonly import AttemptInline, EventInline, ReadOnlyAdmin
from connections.evidence import evidence_of
from connections.forms import ReasonForm
from connections.models import ConnectionRequest, StaleRow, with_turn
from connections.models.request import ConnectionRequestQuerySet
from connections.spec import characters, payloads
from connections.views.request_page.queries import denied_reason

_TEXTS = (
    "reason",
    "source_owner",
    "service_name",
    "group_name",
    "schema",
    "decision_reason",
    "failure_message",
    "note",
)
AT_ONCE = 20  # requests on one confirmation page: more than that nobody reads
DIGEST = "digest_"  # the confirmation's hidden controls: digest_<id> holds what was shown of that request


@dataclass(frozen=True)
class Decision:
    action: str
    button: str
    done: str
    carry_out: Callable[[User, ConnectionRequest, str, str], None]  # who, which, the digest as seen, the reason
    needs_reason: bool = True


APPROVE = Decision(
    "approve",
    "Approve",
    "is approved",
    lambda by, conn_request, digest, _reason: workflow.approve(by=by, conn_request=conn_request, digest=digest),
    needs_reason=False,
)
REJECT = Decision(
    "reject",
    "Reject",
    "is rejected",
    lambda by, conn_request, digest, reason: workflow.reject(
        by=by, conn_request=conn_request, reason=reason, digest=digest
    ),
)
REQUEST_CHANGES = Decision(
    "request_changes",
    "Request changes",
    "went back to its requester",
    lambda by, conn_request, digest, reason: workflow.request_changes(
        by=by, conn_request=conn_request, reason=reason, digest=digest
    ),
)


@admin.register(ConnectionRequest)
class ConnectionRequestAdmin(ReadOnlyAdmin):
    # Each decision has a confirmation page with the body and its digest: nobody approves what they have not seen.
    drafts = True
    list_display = ("id", "label", "whose_turn", "service_name", "group_name", "schema", "requester", "submitted_at")
    list_filter = ("status", "submitted_at")
    list_select_related = ("requester",)
    search_fields = ("=id", "schema", "service", "group_id", "requester__username")
    ordering = ("-id",)
    actions = ("approve", "reject", "request_changes", "make_preset")
    inlines = (EventInline, AttemptInline)
    fieldsets = (
        (
            None,
            {"fields": ("label", "whose_turn", "status_since", "requester", "reason", "source_owner", "submitted_at")},
        ),
        ("To notice", {"fields": ("evidence",)}),
        ("What will be sent", {"fields": ("service_name", "group_name", "schema", "body", "digest", "version")}),
        (
            "Decision",
            {"fields": ("decided_by", "decided_at", "decision_reason", "approved_digest", "approved_account")},
        ),
        (
            "At Fivetran",
            {"fields": ("connection_id", "note", "failure_code", "failure_message", "deleted_at_fivetran_at")},
        ),
    )
    readonly_fields = tuple(str(name) for _title, part in fieldsets for name in part["fields"])

    def get_queryset(self, request: HttpRequest) -> ConnectionRequestQuerySet:
        return with_turn(super().get_queryset(request))

    @admin.display(description="status", ordering="status")
    def label(self, conn_request: ConnectionRequest) -> str:
        return conn_request.state.label

    @admin.display(description="whose turn")
    def whose_turn(self, conn_request: ConnectionRequest) -> str:
        turn: str = conn_request.turn_now  # type: ignore[attr-defined]  # read by get_queryset()
        return turn

    @admin.display(description="body")
    def body(self, conn_request: ConnectionRequest) -> str:
        return render_to_string("admin/connections/_body.html", {"body": payloads.masked(conn_request.payload or {})})

    @admin.display(description="to notice before deciding")
    def evidence(self, conn_request: ConnectionRequest) -> str:
        return render_to_string("admin/connections/_evidence.html", {"evidence": conn_request.evidence})  # type: ignore[attr-defined]  # set by get_object()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        # The page is only shown and never saved, so the texts can lose the characters that hide others.
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.evidence = evidence_of([row], request.user)[row.pk]
            for name in _TEXTS:
                setattr(row, name, characters.visible(getattr(row, name)))
        return row

    def view_on_site(self, obj: Model) -> str:
        return reverse("connections:request", args=[obj.pk])

    def has_decide_permission(self, request: HttpRequest) -> bool:
        # The actions are for approvers, not for staff as such.
        return permissions.is_approver(request.user)

    @admin.action(description="Approve…", permissions=["decide"])
    def approve(self, request: HttpRequest, queryset: QuerySet[ConnectionRequest]) -> TemplateResponse | None:
        return self._decide_or_confirm(request, queryset, APPROVE)

    @admin.action(description="Reject…", permissions=["decide"])
    def reject(self, request: HttpRequest, queryset: QuerySet[ConnectionRequest]) -> TemplateResponse | None:
        return self._decide_or_confirm(request, queryset, REJECT)

    @admin.action(description="Request changes…", permissions=["decide"])
    def request_changes(self, request: HttpRequest, queryset: QuerySet[ConnectionRequest]) -> TemplateResponse | None:
        return self._decide_or_confirm(request, queryset, REQUEST_CHANGES)

    def has_preset_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("connections.add_preset")

    @admin.action(description="Make a preset from the selected request…", permissions=["preset"])
    def make_preset(self, request: HttpRequest, queryset: QuerySet[ConnectionRequest]) -> HttpResponse | None:
        chosen = list(queryset.values_list("pk", flat=True)[:2])
        if len(chosen) != 1:
            self.message_user(request, "Select one request: a preset begins as one of them.", messages.ERROR)
            return None
        return redirect(f"{reverse('admin:connections_preset_add')}?from_request={chosen[0]}")

    def _decide_or_confirm(
        self, request: HttpRequest, queryset: QuerySet[ConnectionRequest], decision: Decision
    ) -> TemplateResponse | None:
        """Show the confirmation page; then, posted from there, decide on exactly what it showed."""
        seen = shown_digests(request)
        if not seen:  # the request comes from the list
            return self._confirmation(request, list(queryset[: AT_ONCE + 1]), decision, ReasonForm())
        # Not the action's own queryset: a filter of the list would silently drop what moved on meanwhile.
        rows = list(
            permissions.visible_to(request.user).filter(pk__in=list(seen)[:AT_ONCE]).select_related("requester")
        )
        form = ReasonForm(request.POST)
        if decision.needs_reason and not form.is_valid():
            return self._confirmation(request, rows, decision, form)
        reason = form.cleaned_data["decision_reason"] if decision.needs_reason else ""
        for conn_request in rows:
            try:
                decision.carry_out(permissions.logged_in(request.user), conn_request, seen[conn_request.pk], reason)
            except permissions.Denied as denied:
                self.message_user(request, f"Request #{conn_request.pk}: {denied.reason}", messages.ERROR)
            except StaleRow:
                why = "it changed since you looked, so nothing was decided. Please look again."
                self.message_user(request, f"Request #{conn_request.pk}: {why}", messages.WARNING)
            else:
                self.message_user(request, f"Request #{conn_request.pk} {decision.done}.", messages.SUCCESS)
        return None

    def _confirmation(
        self, request: HttpRequest, rows: list[ConnectionRequest], decision: Decision, form: ReasonForm
    ) -> TemplateResponse | None:
        if len(rows) > AT_ONCE:
            self.message_user(request, f"Select at most {AT_ONCE} requests, so that each can be read.", messages.ERROR)
            return None
        evidence, check = evidence_of(rows, permissions.logged_in(request.user)), permissions.check_can_decide
        shown = [
            (
                conn_request,
                payloads.masked(conn_request.payload or {}),
                evidence[conn_request.pk],
                denied_reason(check, request.user, conn_request),
            )
            for conn_request in rows
        ]
        context = self.admin_site.each_context(request) | {
            "title": f"{decision.button}: look at what will be sent",
            "opts": self.opts,
            "decision": decision,
            "shown": shown,
            "possible": any(not denied_reason for *_facts, denied_reason in shown),
            "form": form,
        }
        return TemplateResponse(request, "admin/connections/connectionrequest/decide.html", context)


def shown_digests(request: HttpRequest) -> dict[int, str]:
    """id -> digest of what the confirmation page showed."""
    names = {name.removeprefix(DIGEST): name for name in request.POST if name.startswith(DIGEST)}
    return {int(number): request.POST[name] for number, name in names.items() if number.isdecimal()}
