"""What changes who may ask and approve is saved only after a page has said whom it lets in and shuts out."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from connections.admin.refusing import Refusing, Undone, objections
from connections.permissions import coverage
from connections.views.audit.whom import preview_of

SEEN = "seen"  # the control that says which preview was on the screen


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
