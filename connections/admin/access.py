"""Access rules in the admin: nothing is saved before whom it lets in and shuts out has been on the screen."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from connections.admin.previewing import Previewing
from connections.admin.readonly import Editable
from connections.admin.refusing import objections
from connections.forms.access_rule import AccessRuleForm, pictured
from connections.models import AccessRule, Event, EventKind
from connections.permissions import coverage
from connections.spec.differences import changed_fields
from connections.views.audit.whom import names, preview_of


@admin.register(AccessRule)
class AccessRuleAdmin(Previewing, Editable):
    form = AccessRuleForm
    about = (
        "A rule says which groups may ask for connections into a destination, and which may approve them there. A "
        "destination that no rule names is open to everybody. docs/access-rules.md tells more."
    )
    list_display = ("name", "active", "shown_destinations", "shown_services", "asks", "decides")
    list_filter = ("active",)
    search_fields = ("name", "destinations__name", "destinations__group_id", "groups__group__name")
    fieldsets = (
        (None, {"fields": ("name", "active")}),
        ("Into which destinations, and of which services", {"fields": ("destinations", "services")}),
        ("Whom it lets in", {"fields": ("requesters", "approvers")}),
    )
    change_list_template = "admin/connections/about/change_list.html"

    def get_fieldsets(self, request: HttpRequest, obj: AccessRule | None = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        # Django looks for what cannot be changed on the rule itself, which has rows in place of the form's fields.
        return ((None, {"fields": ("name", "active", "shown_destinations", "shown_services", "asks", "decides")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AccessRule]:
        rules: QuerySet[AccessRule] = super().get_queryset(request)
        return rules.prefetch_related("destinations", "services", "groups__group")

    @admin.display(description="destinations")
    def shown_destinations(self, rule: AccessRule) -> str:
        return names(tuple(map(str, rule.destinations.all())))

    @admin.display(description="services")
    def shown_services(self, rule: AccessRule) -> str:
        return names(tuple(map(str, rule.services.all()))) if rule.services.all() else "every one"

    @admin.display(description="may ask")
    def asks(self, rule: AccessRule) -> str:
        return names(tuple(str(one.group) for one in rule.groups.all() if one.may_request))

    @admin.display(description="may approve")
    def decides(self, rule: AccessRule) -> str:
        return names(tuple(str(one.group) for one in rule.groups.all() if one.may_approve))

    def affected(self, request: HttpRequest, form: Any) -> list[str]:
        return [*form.initial.get("destinations", []), *form.cleaned_data["destinations"]]

    def look(self, request: HttpRequest, form: Any) -> None:
        super().look(request, form)
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

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        rule: AccessRule = context["object"]
        before, after = coverage.read(), coverage.read(without=rule.pk)
        context["preview"] = preview_of(before, after, [one.group_id for one in rule.destinations.all()])
        context["objections"] = objections(request, before, after)
        return super().render_delete_form(request, context)


def put_on_record(request: HttpRequest, rule: AccessRule, before: dict[str, Any], *, gone: bool = False) -> None:
    """Put on record what was changed, field by field: a rule is several rows, and one event."""
    after = {} if gone else dict(pictured(rule))
    if changed := changed_fields(before, after):
        detail: dict[str, Any] = {"changed": changed, **({"deleted": True} if gone else {})}
        Event.objects.record(EventKind.RULE_CHANGED, by=request.user, about=rule, detail=detail)
