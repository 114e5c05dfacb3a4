"""Teams in the admin: which groups are teams, and what becomes of their requests."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import Count, OuterRef, Q, QuerySet
from django.http import HttpRequest

from connections.admin.readonly import Editable
from connections.models import ConnectionRequest, Team
from connections.models.capped_count import CappedCount, in_words

COUNTED = 1000
_NOBODY = (
    "Nobody with an active account is in the team “{}”. Its requests wait for their requesters; where those have left, "
    "an operator hands them over under Operations."
)
_GONE = (
    "The group “{}” is no team any more. Its requests and shared drafts belong to their requesters alone; where those "
    "have left, an operator hands them over under Operations."
)


class TeamForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameters at run time
    class Meta:
        model = Team
        fields = ("group",)
        error_messages = {"group": {"unique": "This group is a team already."}}


@admin.register(Team)
class TeamAdmin(Editable):
    form = TeamForm
    change_list_template = "admin/connections/about/change_list.html"
    about = (
        "The members of a team see and continue each other’s requests. Make the group of people first, "
        "then make it a team here. docs/teams.md tells more."
    )
    list_display = ("name", "members", "requests")
    list_select_related = ("group",)
    search_fields = ("group__name",)
    ordering = ("group__name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        counts = {
            "active": Count("group__user", filter=Q(group__user__is_active=True)),
            "filed": CappedCount(ConnectionRequest.objects.filter(team=OuterRef("pk")), most=COUNTED),
        }
        found: QuerySet[Team] = super().get_queryset(request).annotate(**counts)
        return found

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Another group would be another team, to which the requests of this one are not to go unseen.
        return ("group", "members", "requests") if obj is not None else ()

    @admin.display(description="team", ordering="group__name")
    def name(self, team: Team) -> str:
        return team.group.name

    @admin.display(description="active members")
    def members(self, team: Any) -> str:
        number: int = team.active
        return str(number or "nobody: only an operator can hand its requests over")

    @admin.display(description="requests")
    def requests(self, team: Any) -> str:
        return in_words(team.filed, COUNTED)

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.group.user_set.filter(is_active=True).exists():
            self.message_user(request, _NOBODY.format(obj), messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: Team) -> None:
        name = str(obj)
        super().delete_model(request, obj)
        self.message_user(request, _GONE.format(name), messages.WARNING)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Team]) -> None:
        for team in queryset:  # each takes the right from its group
            self.delete_model(request, team)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "group":
            kwargs["queryset"] = Group.objects.filter(team=None).order_by("name")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
