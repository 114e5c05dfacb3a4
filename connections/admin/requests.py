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
    """One of the three decisions: its action, its words, and how it is carried out for one request."""

    action: str
    button: str
    done: str
    carry_out: Callable[[User, ConnectionRequest, str, str], None]  # who, which, the digest as seen, the reason
    needs_reason: bool = True


APPROVE = Decision(
    "approve",
    "Approve",
    "is approved",
    lambda by, row, digest, _reason: workflow.approve(by=by, request=row, digest=digest),
    needs_reason=False,
)
REJECT = Decision(
    "reject",
    "Reject",
    "is rejected",
    lambda by, row, digest, reason: workflow.reject(by=by, request=row, reason=reason, digest=digest),
)
REQUEST_CHANGES = Decision(
    "request_changes",
    "Request changes",
    "went back to its requester",
    lambda by, row, digest, reason: workflow.request_changes(by=by, request=row, reason=reason, digest=digest),
)


@admin.register(ConnectionRequest)
class ConnectionRequestAdmin(ReadOnlyAdmin):
    """Requests, and the decisions on them: each on a confirmation page with the body and its digest."""

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
        ("At Fivetran", {"fields": ("connection_id", "note", "failure_code", "failure_message", "gone_at")}),
    )
    readonly_fields = tuple(str(name) for _title, part in fieldsets for name in part["fields"])

    def get_queryset(self, request: HttpRequest) -> ConnectionRequestQuerySet:
        """The requests, each with what tells whose turn it is."""
        return with_turn(super().get_queryset(request))

    @admin.display(description="status", ordering="status")
    def label(self, row: ConnectionRequest) -> str:
        """The status as people read it."""
        return row.state.label

    @admin.display(description="whose turn")
    def whose_turn(self, row: ConnectionRequest) -> str:
        """Who has to act next."""
        turn: str = row.turn_now  # type: ignore[attr-defined]  # read by get_queryset()
        return turn

    @admin.display(description="body")
    def body(self, row: ConnectionRequest) -> str:
        """The body, secrets masked, as indented JSON."""
        return render_to_string("admin/connections/_body.html", {"body": _body(row)})

    @admin.display(description="to notice before deciding")
    def evidence(self, row: ConnectionRequest) -> str:
        """What an approver should notice, as on the request's own page."""
        return render_to_string("admin/connections/_evidence.html", {"evidence": row.evidence})  # type: ignore[attr-defined]  # set by get_object()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The request with its evidence, gathered for whoever looks, and its texts without characters that hide.

        It is only shown: nobody can save it here.
        """
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.evidence = evidence_of([row], request.user)[row.pk]
            for name in _TEXTS:
                setattr(row, name, characters.visible(getattr(row, name)))
        return row

    def view_on_site(self, obj: Model) -> str:
        """The request's own page."""
        return reverse("connections:request", args=[obj.pk])

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the three actions are offered: to approvers, not to staff as such."""
        return permissions.is_approver(request.user)

    @admin.action(description="Approve…", permissions=["decide"])
    def approve(self, request: HttpRequest, queryset: QuerySet[ConnectionRequest]) -> TemplateResponse | None:
        """Approve the selected requests, after a look at each body."""
        return self._decide(request, queryset, APPROVE)

    @admin.action(description="Reject…", permissions=["decide"])
    def reject(self, request: HttpRequest, queryset: QuerySet[ConnectionRequest]) -> TemplateResponse | None:
        """Reject the selected requests, with one reason."""
        return self._decide(request, queryset, REJECT)

    @admin.action(description="Request changes…", permissions=["decide"])
    def request_changes(self, request: HttpRequest, queryset: QuerySet[ConnectionRequest]) -> TemplateResponse | None:
        """Send the selected requests back, with one reason."""
        return self._decide(request, queryset, REQUEST_CHANGES)

    def has_preset_permission(self, request: HttpRequest) -> bool:
        """Whether a preset may be made."""
        return request.user.has_perm("connections.add_preset")

    @admin.action(description="Make a preset from the selected request…", permissions=["preset"])
    def make_preset(self, request: HttpRequest, queryset: QuerySet[ConnectionRequest]) -> HttpResponse | None:
        """On to the form of a new preset, filled with what the one selected request asked for."""
        chosen = list(queryset.values_list("pk", flat=True)[:2])
        if len(chosen) != 1:
            self.message_user(request, "Select one request: a preset begins as one of them.", messages.ERROR)
            return None
        return redirect(f"{reverse('admin:connections_preset_add')}?from_request={chosen[0]}")

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[ConnectionRequest], decision: Decision
    ) -> TemplateResponse | None:
        """First the confirmation page; then, from there, the decision on exactly what it showed."""
        seen = _seen(request)
        if not seen:
            return self._confirmation(request, list(queryset[: AT_ONCE + 1]), decision, ReasonForm())
        # Not the action's own queryset: a filter of the list would silently drop what moved on meanwhile.
        rows = list(
            permissions.visible_to(request.user).filter(pk__in=list(seen)[:AT_ONCE]).select_related("requester")
        )
        form = ReasonForm(request.POST)
        if decision.needs_reason and not form.is_valid():
            return self._confirmation(request, rows, decision, form)
        reason = form.cleaned_data["decision_reason"] if decision.needs_reason else ""
        for row in rows:
            self._decide_one(request, row, decision, seen[row.pk], reason)
        return None

    def _decide_one(
        self, request: HttpRequest, row: ConnectionRequest, decision: Decision, digest: str, reason: str
    ) -> None:
        by: User = request.user  # type: ignore[assignment]  # the admin lets nobody in who is not logged in
        try:
            decision.carry_out(by, row, digest, reason)
        except permissions.Denied as denied:
            self.message_user(request, f"Request #{row.pk}: {denied.reason}", messages.ERROR)
        except StaleRow:
            why = "it changed since you looked, so nothing was decided. Please look again."
            self.message_user(request, f"Request #{row.pk}: {why}", messages.WARNING)
        else:
            self.message_user(request, f"Request #{row.pk} {decision.done}.", messages.SUCCESS)

    def _confirmation(
        self, request: HttpRequest, rows: list[ConnectionRequest], decision: Decision, form: ReasonForm
    ) -> TemplateResponse | None:
        if len(rows) > AT_ONCE:
            self.message_user(request, f"Select at most {AT_ONCE} requests, so that each can be read.", messages.ERROR)
            return None
        by: User = request.user  # type: ignore[assignment]  # the admin lets nobody in who is not logged in
        evidence = evidence_of(rows, by)
        shown = [
            (row, _body(row), evidence[row.pk], denied_reason(permissions.check_can_decide, request.user, row))
            for row in rows
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


def _seen(request: HttpRequest) -> dict[int, str]:
    """id -> digest of what the confirmation page showed; empty when the request comes from the list."""
    names = {name.removeprefix(DIGEST): name for name in request.POST if name.startswith(DIGEST)}
    return {int(number): request.POST[name] for number, name in names.items() if number.isdecimal()}


def _body(row: ConnectionRequest) -> dict[str, Any]:
    return payloads.masked(row.payload or {})
