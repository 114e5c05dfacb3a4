"""Admin pages that show records and change nothing."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from connections import permissions
from connections.models import (
    Attempt,
    CircuitBreaker,
    Connection,
    ConnectionChange,
    ConnectionRequest,
    Event,
    Handover,
    Notice,
    SetupTest,
    SetupTestRun,
)
from connections.people import display_name
from connections.spec import characters

LONGEST_SEARCH = 200  # characters: Django splits a search in time that is the square of its length


class Searched(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameters at run time
    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return super().get_search_results(request, queryset, search_term[:LONGEST_SEARCH])


class ReadOnly:
    # Records are evidence: nobody adds, changes or deletes them by hand, superusers included.
    to_request: str | None = None  # the way to the request, as `permissions.seen` takes it; None where there is none

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What belongs to no request is for who sees everything.
        sees = permissions.sees_everything if self.to_request is None else permissions.sees_others
        return sees(request.user)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_module_permission = has_view_permission
    has_change_permission = has_delete_permission = has_add_permission


class ReadOnlyAdmin(ReadOnly, Searched):
    # Counting the whole table, or facets of it, would take longer than the page.
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    drafts = False  # whether drafts, or what is known of them, are among the rows

    def get_queryset(self, request: HttpRequest) -> Any:
        rows, path = super().get_queryset(request), self.to_request
        if path is not None and (self.drafts or not permissions.sees_everything(request.user)):
            return rows.filter(permissions.seen(request.user, path))
        return rows


class Asked:
    """Of what somebody asks for: who, by the real name."""

    @admin.display(description="requester", ordering="requester__username")
    def asked_by(self, row: ConnectionRequest | ConnectionChange) -> str:
        return characters.visible(display_name(row.requester))


class Editable(Searched):
    """Pages for whoever holds Django's own permission; each change is in the admin's log."""

    list_per_page = 100
    about = ""  # what the rows of the list are, with the template that says it

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {**(extra_context or {}), "about": self.about})

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        # A control in a row of the list has no label beside it.
        form: Any = super().get_changelist_form(request, **kwargs)

        class Labelled(form):
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, **more)
                for bound in self.visible_fields():
                    bound.field.widget.attrs["aria-label"] = f"{bound.label} of {self.instance}"

        return Labelled


class ReadOnlyInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # as above
    extra = 0
    to_request = ""  # of a page that exists for the reader
    template = "admin/connections/_records.html"  # Django's own has heads without a word, and scrolls sideways


class EventInline(ReadOnlyInline):
    model = Event
    fields = ("at", "kind", "source", "target", "actor", "by", "reason")


class AttemptInline(ReadOnlyInline):
    model = Attempt
    fields = ("started_at", "call", "ending", "http_status", "code", "message", "duration_ms", "x_request_id")


class SetupTestInline(ReadOnlyInline):
    model = SetupTest
    fields = ("title", "status", "message", "details")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    drafts, to_request = True, "request__"
    list_display = ("id", "at", "request", "kind", "source", "target", "actor", "by")
    list_filter = ("kind", "target", "at")
    list_select_related = ("request", "by")
    search_fields = ("=request__id", "by__username")

    def get_queryset(self, request: HttpRequest) -> Any:
        # What concerns no request, as who logged in from where, is for whoever reads the record.
        if permissions.reads_record(request.user):
            return permissions.events_visible_to(request.user).order_by("-id")
        return super().get_queryset(request)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    to_request = "request__"
    list_display = ("id", "started_at", "request", "call", "ending", "http_status", "code", "duration_ms")
    list_filter = ("call", "ending", "started_at")
    list_select_related = ("request",)
    search_fields = ("=request__id", "=x_request_id")


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    to_request = "request__"
    list_display = ("request", "setup_state", "tests", "adopted", "seen_at")
    list_filter = ("tests", "adopted")
    list_select_related = ("request",)
    search_fields = ("=request__id", "=request__connection_id")


@admin.register(Handover)
class HandoverAdmin(ReadOnlyAdmin):
    to_request = "request__"
    # Whoever reads `nonce`, `code_nonce` or `return_hash` could build a link or a code: they are not shown.
    list_display = ("request", "owner", "address", "state", "sent_at", "opened_at", "card_at", "returned_at", "done_at")
    list_filter = ("state",)
    list_select_related = ("request", "owner")
    search_fields = ("=request__id", "owner__username", "=address")
    exclude = ("nonce", "code_nonce", "return_hash")


@admin.register(SetupTestRun)
class SetupTestRunAdmin(ReadOnlyAdmin):
    to_request = "connection__request__"
    list_display = ("id", "finished_at", "connection", "setup_state", "asked_by")
    list_select_related = ("connection", "asked_by")
    inlines = (SetupTestInline,)


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "open_since", "not_before", "unclear_in_a_row", "paused_by", "paused_at")


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    to_request = "request__"
    list_display = ("id", "request", "kind", "recipient", "created_at", "sent_at", "tries", "error")
    list_filter = ("kind", "sent_at")
    list_select_related = ("request", "recipient")
    search_fields = ("=request__id", "recipient__username")
