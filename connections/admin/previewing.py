"""What changes who may ask and approve is saved only after a page has said whom it lets in and shuts out."""

from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

from django.http import HttpRequest, HttpResponse

from connections.admin.refusing import Refusing, Undone, objections
from connections.permissions import Right, coverage, rule_effects
from connections.permissions.rule_effects import Difference

SEEN = "seen"  # the control that says which preview was on the screen
NAMED = 20  # people of whom a preview tells the names
_VERBS = {Right.REQUEST: "ask for", Right.APPROVE: "approve"}
_EVERYBODY = {Right.REQUEST: "everybody", Right.APPROVE: "every approver"}


@dataclass(frozen=True)
class Line:
    """Of some destinations and services, and one right: whom the change lets in and shuts out."""

    of: Difference

    @property
    def heading(self) -> str:
        services = [name or "all other services" for name in self.of.services]
        what = ", ".join(services) or "connections"
        return f"Who may {_VERBS[self.of.right]} {what} into {names(self.of.destinations)}"

    @property
    def cells(self) -> list[tuple[str, str]]:
        then = names(self.of.then)
        if self.of.everybody:
            then = f"{_EVERYBODY[self.of.right]}: {then}"
        changed = [("Let in", self.of.let_in), ("Shut out", self.of.shut_out)]
        told = [(heading, names(people)) for heading, people in changed if people]
        return [*(told or [("Changes", "nothing")]), ("Who may then", then)]


def names(found: tuple[str, ...]) -> str:
    if not found:
        return "nobody"
    more = f" and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


@dataclass(frozen=True)
class Preview:
    """What would be saved; `seen` names this very preview."""

    lines: list[Line]

    @property
    def seen(self) -> str:
        return blake2s(repr(self).encode(), digest_size=12).hexdigest()


def preview_of(before: coverage.Coverage, after: coverage.Coverage, group_ids: list[str]) -> Preview:
    return Preview([Line(one) for one in rule_effects.differences(before, after, group_ids)])


class NotSeen(Undone):
    """Nothing is wrong, but nobody has seen yet what it does."""

    def __init__(self) -> None:
        super().__init__(["Look at whom it lets in and shuts out, and save it once more."])


class Previewing(Refusing):
    change_form_template = "admin/connections/preview/change_form.html"

    def affected(self, request: HttpRequest, form: Any) -> list[str]:
        """The destinations of which the preview tells; none: it is saved without one."""
        raise NotImplementedError

    def look(self, request: HttpRequest, form: Any) -> None:
        before, after = request.before, coverage.read()  # type: ignore[attr-defined]
        affected = self.affected(request, form)
        preview = preview_of(before, after, affected) if affected else None
        request.preview = preview  # type: ignore[attr-defined]
        if lines := objections(request, before, after):
            raise Undone(lines)
        if preview is not None and request.POST.get(SEEN) != preview.seen:
            request.only_to_see = True  # type: ignore[attr-defined]
            raise NotSeen

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["preview"] = getattr(request, "preview", None)
        context["seen_name"] = SEEN
        context["only_to_see"] = getattr(request, "only_to_see", False)
        if context["only_to_see"]:
            context["errors"] = []  # nothing is wrong with what was typed
            context["title"] = f"Not saved yet: {context['title']}"
        return super().render_change_form(request, context, *args, **kwargs)
