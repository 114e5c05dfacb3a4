"""The company's policy: which services people may ask for, and how destination names begin."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from connections.admin.readonly import Editable, ReadOnlyAdmin
from connections.models import CatalogEntry, Kind, PortalPolicy, ServiceRule, Stance

if TYPE_CHECKING:  # Django's class takes no parameters at run time
    _ModelForm = forms.ModelForm[ServiceRule]
else:
    _ModelForm = forms.ModelForm


class ServiceRuleForm(_ModelForm):
    """A rule for a service that exists, as far as the portal knows what exists."""

    def clean_service(self) -> str:
        """Raise ValidationError for an id that is not in the copy of Fivetran's list, if there is one."""
        service: str = self.cleaned_data["service"].strip()
        known = CatalogEntry.objects.filter(kind=Kind.SERVICE)
        if service != self.instance.service and known.exists() and not known.filter(fivetran_id=service).exists():
            raise ValidationError("Fivetran offers no service with this id. The catalog entries show them all.")
        return service


@admin.register(ServiceRule)
class ServiceRuleAdmin(Editable):
    """Recommended, allowed and denied services."""

    form = ServiceRuleForm
    list_display = ("service", "name", "stance", "position", "note")
    list_editable = ("stance", "position", "note")
    list_filter = ("stance",)
    search_fields = ("service", "note")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ServiceRule]:
        """The rules, each with the name of its service."""
        offered = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=OuterRef("service")).order_by()
        rules: QuerySet[ServiceRule] = super().get_queryset(request)
        return rules.annotate(offered_name=Subquery(offered.values("name")[:1]))

    @admin.display(description="name at Fivetran", empty_value="not offered")
    def name(self, row: Any) -> str | None:
        """What Fivetran calls it; nothing where Fivetran does not offer it any more."""
        name: str | None = row.offered_name
        return name


@admin.register(PortalPolicy)
class PortalPolicyAdmin(Editable):
    """The one row of rules that concern all services; the list leads straight to it."""

    fieldsets = (
        ("Services", {"fields": ("only_listed_services",)}),
        ("Names", {"fields": ("naming_template", "naming_help")}),
    )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """On to the policy, or to the page that makes it."""
        if not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        if PortalPolicy.objects.filter(pk=1).exists():
            return redirect(reverse("admin:connections_portalpolicy_change", args=[1]))
        return redirect(reverse("admin:connections_portalpolicy_add"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only the first row."""
        return super().has_add_permission(request) and not PortalPolicy.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: emptied fields say the same."""
        return False

    def save_model(self, request: HttpRequest, obj: PortalPolicy, form: Any, change: bool) -> None:
        """As the one row."""
        obj.pk = 1
        super().save_model(request, obj, form, change)


def _rule(stance: Stance, words: str) -> Any:
    """An action of the catalog's list that gives the selected services this stance."""

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
    """What Fivetran offers, as last heard, with actions that recommend, allow or deny the selected services."""

    list_display = ("name", "fivetran_id", "kind", "detail_at")
    list_filter = ("kind",)
    search_fields = ("name", "fivetran_id")
    actions = (
        _rule(Stance.RECOMMENDED, "Recommend the selected services"),
        _rule(Stance.ALLOWED, "Allow the selected services"),
        _rule(Stance.DENIED, "Deny the selected services"),
    )

    def has_rule_permission(self, request: HttpRequest) -> bool:
        """Whoever may change the rules."""
        return request.user.has_perms(["connections.add_servicerule", "connections.change_servicerule"])
