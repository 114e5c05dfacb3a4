"""Access rules in the admin: nothing is saved before whom it lets in and shuts out has been on the screen."""

from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from connections.admin.readonly import Editable
from connections.admin.refusing import Refusing, Undone
from connections.forms.access_rule import AccessRuleForm, pictured
from connections.models import AccessRule, Event, EventKind
from connections.permissions import Right, coverage
from connections.permissions.coverage import Difference
from connections.spec.differences import changed_fields

SEEN = "seen"  # the control that says which preview was on the screen
NAMED = 20  # people of whom a preview tells the names
_ASK = {Right.REQUEST: "may ask for connections into", Right.APPROVE: "may approve them into"}


@dataclass(frozen=True)
class Line:
    """Of some destinations and one right: whom the rule lets in and shuts out."""

    of: Difference

    @property
    def destinations(self) -> str:
        return ", ".join(self.of.destinations)

    @property
    def right(self) -> str:
        return _ASK[self.of.right]

    @property
    def cells(self) -> list[tuple[str, str]]:
        return [
            ("Let in", names(self.of.let_in)),
            ("Shut out", names(self.of.shut_out)),
            ("Who may then", names(self.of.then)),
        ]


def names(people: tuple[str, ...]) -> str:
    if not people:
        return "nobody"
    more = f" and {len(people) - NAMED:,} more" if len(people) > NAMED else ""
    return ", ".join(people[:NAMED]) + more


@dataclass(frozen=True)
class Preview:
    """What would be saved; `seen` names this very preview."""

    lines: list[Line]
    stranded: list[str]

    @property
    def seen(self) -> str:
        return blake2s(repr(self).encode(), digest_size=12).hexdigest()


class NotSeen(Undone):
    """Nothing is wrong, but nobody has seen yet what it does."""

    def __init__(self) -> None:
        super().__init__(["Look at whom the rule lets in and shuts out, and save it once more."])


@admin.register(AccessRule)
class AccessRuleAdmin(Refusing, Editable):
    form = AccessRuleForm
    list_display = ("name", "active", "shown_destinations", "asks", "decides")
    list_filter = ("active",)
    search_fields = ("name", "destinations__name", "destinations__group_id", "groups__group__name")
    fieldsets = (
        (None, {"fields": ("name", "active")}),
        ("Into which destinations, and of which services", {"fields": ("destinations", "services")}),
        ("Whom it lets in", {"fields": ("requesters", "approvers")}),
    )
    change_form_template = "admin/connections/accessrule/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessRule]:
        rules: QuerySet[AccessRule] = super().get_queryset(request)
        return rules.prefetch_related("destinations", "groups__group")

    @admin.display(description="destinations")
    def shown_destinations(self, rule: AccessRule) -> str:
        return names(tuple(map(str, rule.destinations.all())))

    @admin.display(description="may ask")
    def asks(self, rule: AccessRule) -> str:
        return names(tuple(str(one.group) for one in rule.groups.all() if one.may_request))

    @admin.display(description="may approve")
    def decides(self, rule: AccessRule) -> str:
        return names(tuple(str(one.group) for one in rule.groups.all() if one.may_approve))

    def look(self, request: HttpRequest, form: Any) -> None:
        before, after = request.before, coverage.read()  # type: ignore[attr-defined]
        preview = preview_of(before, after, [*form.initial.get("destinations", []), *form.cleaned_data["destinations"]])
        request.preview = preview  # type: ignore[attr-defined]
        if lines := coverage.objections(before, after):
            raise Undone(lines)
        if request.POST.get(SEEN) != preview.seen:
            request.only_to_see = True  # type: ignore[attr-defined]
            raise NotSeen
        put_on_record(request, form.instance, request.pictured)  # type: ignore[attr-defined]

    def save_model(self, request: HttpRequest, obj: AccessRule, form: Any, change: bool) -> None:
        request.pictured = dict(pictured(AccessRule.objects.get(pk=obj.pk))) if change else {}  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: AccessRule) -> None:
        # In the transaction of Django's own page.
        put_on_record(request, obj, dict(pictured(obj)), gone=True)
        super().delete_model(request, obj)

    def get_actions(self, request: HttpRequest) -> Any:
        # One rule at a time is deleted, on its own page, which says what goes with it.
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["preview"] = getattr(request, "preview", None)
        context["seen_name"] = SEEN
        if getattr(request, "only_to_see", False):
            context["errors"] = []  # nothing is wrong with what was typed
        return super().render_change_form(request, context, *args, **kwargs)


def put_on_record(request: HttpRequest, rule: AccessRule, before: dict[str, Any], *, gone: bool = False) -> None:
    """Put on record what was changed, field by field: a rule is several rows, and one event."""
    after = {} if gone else dict(pictured(rule))
    if changed := changed_fields(before, after):
        detail: dict[str, Any] = {"changed": changed, **({"deleted": True} if gone else {})}
        Event.objects.record(EventKind.RULE_CHANGED, by=request.user, about=rule, detail=detail)


def preview_of(before: coverage.Coverage, after: coverage.Coverage, group_ids: list[str]) -> Preview:
    lines = [Line(one) for one in coverage.differences(before, after, group_ids)]
    return Preview(lines, [one.words for one in coverage.newly_stranded(before, after)])
