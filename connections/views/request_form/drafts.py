"""Drafts: the form's script saves them while somebody types; the first page lists and deletes them."""

from contextlib import suppress

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from connections import limits, permissions, workflow
from connections.forms import Purpose
from connections.models import ConnectionRequest, StaleRow
from connections.states import Status
from connections.views.errors import limited
from connections.views.request_form import prefill
from connections.views.request_form.form import filing_of, form_token, own_request
from connections.views.request_form.prefill import Page
from connections.views.request_page import queries

_SUBMITTED = "The draft is not saved: this form was already submitted as request {}."
_ELSEWHERE = "The draft is not saved: it was changed in another window. “Save draft” replaces what is stored."
_OTHER = "The draft is not saved: somebody else is logged in now. What you typed is kept in this tab."


@require_POST
def autosave(request: HttpRequest) -> HttpResponse:
    """Answers JSON: the draft, or (409, 422, 429) why it was not saved."""
    permissions.check_writes(request.user)
    if request.POST.get("user") != str(request.user.pk):
        return refused(_OTHER)
    page = _page_of_draft(request)
    if page.edited and page.edited.state is not Status.DRAFT:
        return refused(_SUBMITTED.format(page.edited.pk))
    if page.edited and not has_last_version(request, page.edited):
        return refused(_ELSEWHERE)
    try:
        stored = _store_typed(request, page)
    except (permissions.Denied, StaleRow):
        return refused(_ELSEWHERE)
    except limits.LimitReached as reached:
        return limited(refused(f"The draft is not saved. {reached} What you typed is kept in this tab."), reached)
    if stored is None:
        return refused("The draft is not saved as long as there is something in it that the portal must not keep.")
    return JsonResponse({"id": stored.pk, "version": stored.version})


@require_POST
def discard(request: HttpRequest) -> HttpResponse:
    permissions.check_writes(request.user)
    # A draft that was changed elsewhere holds more than this form, and stays.
    draft = _page_of_draft(request).edited
    if draft is not None and draft.state is Status.DRAFT and has_last_version(request, draft):
        with suppress(StaleRow):  # submitted a moment ago: then there is no draft any more
            workflow.withdraw(by=queries.reader(request), conn_request=draft)
    return HttpResponse(status=204)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    drafts = permissions.visible_to(request.user).filter(status=Status.DRAFT)
    try:
        workflow.withdraw(by=queries.reader(request), conn_request=get_object_or_404(drafts, pk=pk))
    except StaleRow:
        messages.warning(request, "The draft was submitted in the meantime, so it was not deleted.")
    else:
        messages.success(
            request, f"Draft {pk} is deleted. It stands among your requests as withdrawn, and can be cloned from there."
        )
    return redirect("connections:home")


def _page_of_draft(request: HttpRequest) -> Page:
    """The page of the draft that is edited, else of the draft that this very form was saved as before."""
    by = queries.reader(request)
    page = Page(by, token=form_token(request.POST.get("form_token", "")))
    own = ConnectionRequest.objects.filter(requester=by).select_related("preset")
    number = prefill.number(request.POST.get("edited", ""))
    page.edited = own_request(request, number) if number else own.filter(idempotency_key=page.token).first()
    page.origin = permissions.visible_to(by).filter(pk=prefill.number(request.POST.get("origin", ""))).first()
    return page


def _store_typed(request: HttpRequest, page: Page) -> ConnectionRequest | None:
    form = prefill.posted_form(request, page, Purpose.KEEP)
    if form.non_field_errors():
        return None
    filing = filing_of(page, form, submitting=False)
    if page.edited and page.edited.values == filing.values:
        return page.edited
    return workflow.save_draft(by=page.by, filing=filing, conn_request=page.edited)


def has_last_version(request: HttpRequest, draft: ConnectionRequest) -> bool:
    # A form without a version counts as up to date.
    return request.POST.get("version", str(draft.version)) == str(draft.version)


def refused(words: str) -> HttpResponse:
    return JsonResponse({"words": words}, status=409)
