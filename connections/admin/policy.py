"""The company's policy: which services people may request, and how destination names begin."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from connections.admin.previewing import Previewing
from connections.admin.readonly import Editable, ReadOnlyAdmin
from connections.models import CatalogEntry, Kind, PortalPolicy, ServiceRule, Stance
from connections.permissions.rule_effects import UNNAMED


class ServiceRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameters at run time
    def clean_service(self) -> str:
        # An empty copy of Fivetran's list refuses nothing: the policy can be written before the first refresh.
        service: str = self.cleaned_data["service"].strip()
        known = CatalogEntry.objects.filter(kind=Kind.SERVICE)
        if service != self.instance.service and known.exists() and not known.filter(fivetran_id=service).exists():
            raise ValidationError("Fivetran offers no service with this id. “Offers of Fivetran” shows them all.")
        return service


@admin.register(ServiceRule)
class ServiceRuleAdmin(Editable):
    form = ServiceRuleForm
    list_display = ("service", "name", "stance", "position", "note")
    list_editable = ("stance", "position", "note")
    list_filter = ("stance",)
    search_fields = ("service", "note")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceRule]:
        offered = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=OuterRef("service")).order_by()
        rules: QuerySet[ServiceRule] = super().get_queryset(request)
        return rules.annotate(offered_name=Subquery(offered.values("name")[:1]))

    @admin.display(description="name at Fivetran", empty_value="not offered")
    def name(self, row: Any) -> str | None:
        # Empty where Fivetran no longer offers the service; the rule stays, in case it comes back.
        name: str | None = row.offered_name
        return name


@admin.register(PortalPolicy)
class PortalPolicyAdmin(Previewing, Editable):
    # One row holds the rules for all services, so the list leads straight to it.
    fieldsets = (
        ("Services", {"fields": ("only_listed_services",)}),
        ("Destinations", {"fields": ("closed_without_rule",)}),
        ("Names", {"fields": ("naming_template", "naming_help")}),
        ("Record", {"fields": ("erase_after_days",)}),
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        if PortalPolicy.objects.filter(pk=1).exists():
            return redirect(reverse("admin:connections_portalpolicy_change", args=[1]))
        return redirect(reverse("admin:connections_portalpolicy_add"))

    def affected(self, request: HttpRequest, form: Any) -> list[str]:
        switched = form.cleaned_data["closed_without_rule"] != request.before.closed  # type: ignore[attr-defined]
        return [UNNAMED] if switched else []

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not PortalPolicy.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Emptied fields say the same as no row.
        return False

    def save_model(self, request: HttpRequest, obj: PortalPolicy, form: Any, change: bool) -> None:
        obj.pk = 1
        super().save_model(request, obj, form, change)


def stance_action(stance: Stance, words: str) -> Any:
    @admin.action(description=words, permissions=["rule"])
    def action(model_admin: Any, request: HttpRequest, queryset: QuerySet[CatalogEntry]) -> None:
        services = list(queryset.filter(kind=Kind.SERVICE).values_list("fivetran_id", flat=True))
        for service in services:
            rule, _ = ServiceRule.objects.update_or_create(service=service, defaults={"stance": stance})
            model_admin.log_change(request, rule, stance.label)
        model_admin.message_user(
            request, f"{stance.label.partition(':')[0]}: {len(services)} services.", messages.SUCCESS
        )

    action.__name__ = f"rule_{stance.value}"
    return action


@admin.register(CatalogEntry)
class CatalogEntryAdmin(ReadOnlyAdmin):
    list_display = ("name", "fivetran_id", "kind", "detail_at")
    list_filter = ("kind",)
    search_fields = ("name", "fivetran_id")
    actions = (
        stance_action(Stance.RECOMMENDED, "Recommend the selected services"),
        stance_action(Stance.ALLOWED, "Allow the selected services"),
        stance_action(Stance.DENIED, "Deny the selected services"),
    )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_rule_permission(request)

    def has_rule_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perms(["connections.add_servicerule", "connections.change_servicerule"])
