"""Changes in the admin that would shut everybody out, or strand what waits for a decision, are refused in words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from connections import permissions
from connections.models import AccessGroup, ConnectionRequest
from connections.permissions import coverage, rule_effects
from connections.permissions.coverage import Coverage, Open
from connections.spec.characters import visible
from portal.sign_on.people_admin import PeopleAdmin

_MORE = "Nothing was saved."
_LOCK = 7_207_911_164_311_552_088  # any number that nothing else in this database uses
_UNTOLD = "relationships"  # Django's own rows between two tables, which it can only call “object (12)”
LISTED = 20  # requests that a sentence names


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
        try:
            with _alone() as before:
                request.before = before  # type: ignore[attr-defined]
                return show()
        except Undone as undone:
            request.objections = undone.lines  # type: ignore[attr-defined]
        return show()  # with what was typed, and the reasons

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        self.look(request, form)

    def look(self, request: HttpRequest, form: Any) -> None:
        """Raises Undone. All is saved, in a transaction that is still open."""
        _object(request, request.before)  # type: ignore[attr-defined]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        lines: list[str] | None = getattr(request, "objections", None)
        return form if lines is None else _refusing(form, lines)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        found, counts, lacking, protected = super().get_deleted_objects(objs, request)
        told = {words: count for words, count in counts.items() if not str(words).endswith(_UNTOLD)}
        return _without_unnamed(found), told, lacking, _without_unnamed(protected)

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
        with _alone() as before:
            super().delete_model(request, obj)
            _object(request, before)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with _alone() as before:
            super().delete_queryset(request, queryset)
            _object(request, before)


@contextmanager
def _alone() -> Iterator[Coverage]:
    """A transaction that waits for other administrators: otherwise two who each leave one approver leave none. Yields
    what was before. SQLite has one writer at a time anyway.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        yield coverage.read()


def _object(request: HttpRequest, before: Coverage) -> None:
    if lines := objections(request, before, coverage.read()):
        raise Undone(lines)


def objections(request: HttpRequest, before: Coverage, after: Coverage) -> list[str]:
    """Why the change must not be, with links to what it would strand."""
    lines = rule_effects.objections(before, after)
    if stranded := rule_effects.newly_stranded(before, after):
        listed = _linked(request.user, stranded[:LISTED])
        rest = f"; and {len(stranded) - LISTED} more groups of requests" if len(stranded) > LISTED else ""
        words = "Nobody could decide any more on what waits for approval: {}{}."
        lines.append(format_html(words, listed, rest))
    return lines


def _linked(user: Any, stranded: list[Open]) -> SafeString:
    """Those that `user` may see by name, the others by number."""
    requests = [one.first for one in stranded if not one.is_change]
    changes = [one.first for one in stranded if one.is_change]
    names = {(False, one.pk): _name(one) for one in permissions.visible_to(user).filter(pk__in=requests)}
    for change in permissions.changes_visible_to(user).filter(pk__in=changes).select_related("request"):
        names[True, change.pk] = _name(change.request)
    return format_html_join("; ", "{}", ((_link(one, names.get((one.is_change, one.first), "")),) for one in stranded))


def _name(conn_request: ConnectionRequest) -> str:
    return visible(f" {conn_request.service_name} {conn_request.schema}")


def _link(one: Open, name: str) -> SafeString:
    view, what = ("change", f"change #{one.first} of") if one.is_change else ("request", f"#{one.first}")
    rest = f" and {one.count - 1} more" if one.count > 1 else ""
    address = reverse(f"connections:{view}", args=[one.first])
    return format_html(
        '<a href="{}"><bdi>{}{}</bdi></a> into “<bdi>{}</bdi>”{}',
        address,
        what if name else what.removesuffix(" of"),
        name,
        visible(one.group_name or one.group_id),
        rest,
    )


def _without_unnamed(nested: list[Any]) -> list[Any]:
    """Django's list of what goes with something, without the rows that have no words of their own."""
    kept = (one for one in nested if not (isinstance(one, str) and " relationship: " in one))
    return [_without_unnamed(one) if isinstance(one, list) else one for one in kept]


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
    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        found, counts, lacking, protected = super().get_deleted_objects(objs, request)
        named = AccessGroup.objects.filter(group__in=list(objs)).select_related("rule", "group").order_by("rule__name")
        others = [one for one in protected if not str(one).startswith("Access group: ")]
        return found, counts, lacking, [*map(_needed_by, named), *others]


def _needed_by(one: AccessGroup) -> SafeString:
    address = reverse("admin:connections_accessrule_change", args=[one.rule_id])
    words = 'The access rule <a href="{}">“<bdi>{}</bdi>”</a> names “<bdi>{}</bdi>”.'
    return format_html(words, address, visible(one.rule.name), visible(one.group.name))
