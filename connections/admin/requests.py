"""Requests in the admin, and the decisions on them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from connections import permissions, workflow
from connections.admin.readonly import Asked, AttemptInline, EventInline, ReadOnlyAdmin
from connections.evidence import evidence_of, evidence_of_body
from connections.forms import ReasonForm
from connections.models import ConnectionRequest, StaleRow, with_turn
from connections.models.request import WAITING_FIRST, ConnectionRequestQuerySet
from connections.spec import characters, payloads
from connections.states import Status
from connections.views import labels
from connections.views.request_page.dry_run import panel_of
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
    done: str  # said of one request; of several with "are" and "their requesters"
    verb: Callable[..., None]
    needs_reason: bool = True


APPROVE = Decision("approve", "Approve", "approved", workflow.approve, needs_reason=False)
REJECT = Decision("reject", "Reject", "rejected", workflow.reject)
REQUEST_CHANGES = Decision("request_changes", "Request changes", "sent back for changes", workflow.request_changes)

EVIDENCE = "To notice before deciding"


@dataclass(frozen=True)
class DecisionBar:
    """The three buttons on a request's own page, which post to the list as the confirmation page does."""

    form: ReasonForm
    denied_reason: str
    rejects_only: str  # why it cannot be approved, where it can be rejected

    @property
    def reason(self) -> str:
        return self.denied_reason or self.rejects_only

    @property
    def buttons(self) -> list[tuple[Decision, str, str]]:
        """(decision, look, why not)"""
        return [
            (APPROVE, "button" if self.rejects_only else "button default", self.reason),
            (REJECT, "button decide-reject", self.denied_reason),
            (REQUEST_CHANGES, "button decide-changes", self.denied_reason),
        ]


@admin.register(ConnectionRequest)
class ConnectionRequestAdmin(Asked, ReadOnlyAdmin):
    # Each decision has a confirmation page with the body and its digest: nobody approves what they have not seen.
    drafts, to_request = True, ""
    list_display = ("number", "label", "wanted", "asked_by", "submitted", "whose_turn")
    list_filter = ("status", "submitted_at")
    list_select_related = ("requester",)
    search_fields = ("=id", "schema", "service", "group_id", "requester__username")
    ordering = (WAITING_FIRST.asc(), "-id")
    actions = ("approve", "reject", "request_changes", "make_preset")
    inlines = (EventInline, AttemptInline)
    fieldsets = (
        (
            None,
            {"fields": ("label", "whose_turn", "status_since", "asked_by", "reason", "source_owner", "submitted_at")},
        ),
        (EVIDENCE, {"fields": ("evidence",)}),
        (
            "What is asked for",
            {"fields": ("service_name", "group_name", "schema", "in_words", "body", "digest", "version")},
        ),
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

    @admin.display(description="#", ordering="id")
    def number(self, conn_request: ConnectionRequest) -> str:
        return f"#{conn_request.pk}"

    @admin.display(description="status", ordering="status")
    def label(self, conn_request: ConnectionRequest) -> SafeString:
        return labels.status_tag(conn_request.status)

    @admin.display(description="what is asked for", ordering="schema")
    def wanted(self, conn_request: ConnectionRequest) -> str:
        waits = conn_request.state is Status.PENDING
        context = {"row": conn_request, "evidence": evidence_of_body(conn_request) if waits else []}
        return render_to_string("admin/connections/connectionrequest/_wanted.html", context)

    @admin.display(description="submitted", ordering="submitted_at", empty_value="—")
    def submitted(self, conn_request: ConnectionRequest) -> str | None:
        since = conn_request.submitted_at
        return labels.relative(since, timezone.now()) if since else None

    @admin.display(description="whose turn")
    def whose_turn(self, conn_request: ConnectionRequest) -> str:
        turn: str = conn_request.turn_now  # type: ignore[attr-defined]  # read by get_queryset()
        return turn

    @admin.display(description="in words")
    def in_words(self, conn_request: ConnectionRequest) -> str:
        return " · ".join(payloads.in_words(conn_request.values))

    @admin.display(description="body")
    def body(self, conn_request: ConnectionRequest) -> str:
        context = {"body": payloads.masked(conn_request.payload or {}), "row": conn_request}
        return render_to_string("admin/connections/_body.html", context)

    @admin.display(description="evidence")
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

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        # What is still to come is no row of dashes.
        waits = obj and obj.state is Status.PENDING
        known = {EVIDENCE: waits, "Decision": obj and obj.decided_at, "At Fivetran": obj and obj.approved_at}
        return [part for part in self.fieldsets if known.get(str(part[0]), True)]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        conn_request = context["original"]
        context["title"] = f"Request #{conn_request.pk}"
        context["subtitle"] = f"{conn_request.service_name} → {conn_request.group_name}: {conn_request.schema}"
        context["panel"] = panel_of(conn_request, request.path)
        if conn_request.state is Status.PENDING and permissions.is_approver(request.user):
            checks = permissions.check_can_decide, permissions.check_can_approve
            denied, rejects_only = (denied_reason(check, request.user, conn_request) for check in checks)
            context["decision"] = DecisionBar(ReasonForm(), denied, "" if denied else rejects_only)
        return super().render_change_form(request, context, *args, **kwargs)

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
        given = {"reason": form.cleaned_data["decision_reason"]} if decision.needs_reason else {}
        by = permissions.logged_in(request.user)
        done: list[str] = []
        obstacles: list[str] = []
        for conn_request in rows:
            try:
                decision.verb(by=by, conn_request=conn_request, digest=seen[conn_request.pk], **given)
            except permissions.Denied as denied:
                obstacles.append(f"Request #{conn_request.pk}: {denied.reason}")
            except StaleRow:
                why = "it changed since you looked, so nothing was decided. Please look again."
                obstacles.append(f"Request #{conn_request.pk}: {why}")
            else:
                done.append(f"#{conn_request.pk}")
        self._say(request, decision, done, obstacles)
        return None

    def _say(self, request: HttpRequest, decision: Decision, done: list[str], obstacles: list[str]) -> None:
        """One message of what was done, however many requests there were, and one of what was not."""
        waiting = permissions.waiting_for(request.user).count()
        left = f"{waiting} left to decide." if waiting else "Nothing is left to decide."
        if len(done) == 1:
            self.message_user(request, f"Request {done[0]} is {decision.done}. {left}", messages.SUCCESS)
        elif done:
            words = f"{len(done)} requests are {decision.done}: {', '.join(done)}. {left}"
            self.message_user(request, words, messages.SUCCESS)
        if obstacles:
            self.message_user(request, " ".join(obstacles), messages.WARNING)

    def _confirmation(
        self, request: HttpRequest, rows: list[ConnectionRequest], decision: Decision, form: ReasonForm
    ) -> TemplateResponse | None:
        if len(rows) > AT_ONCE:
            self.message_user(request, f"Select at most {AT_ONCE} requests, so that each can be read.", messages.ERROR)
            return None
        evidence = evidence_of(rows, permissions.logged_in(request.user))
        check = permissions.check_can_approve if decision is APPROVE else permissions.check_can_decide
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
    # A number of more digits is none of a row, and SQLite would take it for an error.
    numbers = {number: name for number, name in names.items() if number.isdecimal() and len(number) < 18}
    return {int(number): request.POST[name] for number, name in numbers.items()}
