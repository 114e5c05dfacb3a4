"""Changes in the admin that would shut everybody out, or strand what waits for a decision, are refused in words."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from connections.permissions import coverage
from portal.sign_on.people_admin import PeopleAdmin

_MORE = "Nothing was saved."


class Undone(Exception):
    """What was done is taken back; `lines` say why not."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(*lines)
        self.lines = lines


class Refusing(admin.ModelAdmin):  # type: ignore[type-arg]  # Django's class takes no parameters at run time
    """Whatever is saved or deleted is done, looked at, and taken back where there are objections."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        def show() -> HttpResponse:
            return super(Refusing, self).changeform_view(request, object_id, form_url, extra_context)

        if request.method != "POST":
            return show()
        request.before = coverage.read()  # type: ignore[attr-defined]
        try:
            with transaction.atomic():
                return show()
        except Undone as undone:
            request.objections = undone.lines  # type: ignore[attr-defined]
        return show()  # with what was typed, and the reasons

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        self.look(request, form)

    def look(self, request: HttpRequest, form: Any) -> None:
        """Raises Undone. All is saved, in a transaction that is still open."""
        if lines := coverage.objections(request.before, coverage.read()):  # type: ignore[attr-defined]
            raise Undone(lines)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        lines: list[str] | None = getattr(request, "objections", None)
        return form if lines is None else _refusing(form, lines)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return self._or_say(request, lambda: super(Refusing, self).delete_view(request, object_id, extra_context))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        return self._or_say(request, lambda: super(Refusing, self).changelist_view(request, extra_context))

    def _or_say(self, request: HttpRequest, show: Callable[[], HttpResponse]) -> HttpResponse:
        try:
            return show()
        except Undone as undone:
            for line in (*undone.lines, _MORE):
                self.message_user(request, line, messages.ERROR)
            return redirect(request.get_full_path())

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            before = coverage.read()
            super().delete_model(request, obj)
            _object(before)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            before = coverage.read()
            super().delete_queryset(request, queryset)
            _object(before)


def _object(before: coverage.Coverage) -> None:
    if lines := coverage.objections(before, coverage.read()):
        raise Undone(lines)


def _refusing(form: Any, lines: list[str]) -> Any:
    class Refused(form):
        def clean(self) -> Any:
            cleaned = super().clean()
            self.add_error(None, [forms.ValidationError(line) for line in (*lines, _MORE)])
            return cleaned

    return Refused


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(Refusing, PeopleAdmin):
    pass


@admin.register(Group)
class PeopleGroupAdmin(Refusing, GroupAdmin):
    pass
