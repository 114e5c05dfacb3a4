"""The form of a request: new, edited or copied, and the two parts of it that follow what is typed."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from connections import limits, permissions, workflow
from connections.forms import Purpose, RequestForm
from connections.forms.offers import CLOSED
from connections.models import ConnectionRequest, StaleRow
from connections.permissions import Denied
from connections.states import Status
from connections.views.errors import limited
from connections.views.request_form import prefill, prefill_link
from connections.views.request_form.gallery import Gallery, gallery_of
from connections.views.request_form.names import taken_words
from connections.views.request_form.prefill import Page
from connections.views.request_form.review_panel import Review, review_of
from connections.views.request_page import dry_run, queries
from connections.workflow import Filing, NameTaken

FILED = "filed"  # the cookie that tells the form's script which typed texts it need not keep any longer
_DAY = 86400


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    # The query string of a GET fills it in.
    permissions.check_writes(request.user)
    page = Page(queries.reader(request))
    if request.method == "POST":
        return _posted(request, page)
    form = prefill.new_form(request, page)
    gallery = gallery_of(form, request.GET)
    return _show(request, page, form, gallery)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    edited = own_request(request, pk, tested=request.method != "POST")
    page = Page(queries.reader(request), edited=edited, preset=edited.preset)
    if request.method == "POST":
        return _posted(request, page)
    permissions.check_can_edit(page.by, edited)
    return _show(request, page, prefill.stored_form(page, edited.values))


@require_http_methods(["GET", "POST"])
def clone(request: HttpRequest, pk: int) -> HttpResponse:
    origin = get_object_or_404(permissions.visible_to(queries.reader(request)), pk=pk)
    permissions.check_writes(request.user)
    page = Page(
        queries.reader(request), origin=origin, preset=origin.preset if origin.preset and origin.preset.active else None
    )
    if request.method == "POST":
        return _posted(request, page)
    return _show(request, page, prefill.stored_form(page, workflow.clone_values(by=page.by, conn_request=origin)))


@require_http_methods(["GET", "POST"])
def config_fields(request: HttpRequest) -> HttpResponse:
    # The browser posts: a service's settings are too long for an address.
    texts = request.POST.dict() if request.method == "POST" else request.GET.dict()
    if request.method != "POST":
        texts.pop("action", None)  # a link presses no button
    form = prefill.drawn_form(texts, queries.reader(request))
    return render(request, "connections/request_form/_config_fields.html", {"form": form})


@require_POST
def review(request: HttpRequest) -> HttpResponse:
    permissions.check_writes(request.user)
    form = prefill.drawn_form(request.POST.dict(), queries.reader(request))
    number = prefill.number(request.POST.get("edited", ""))
    edited = own_request(request, number) if number else None
    shown = review_of(form, by=queries.reader(request), edited=edited)
    link = prefill_link.link(form, request.POST.get("preset", ""))
    return render(request, "connections/request_form/_review_fragment.html", {"review": shown, "link": link})


def own_request(request: HttpRequest, pk: int, *, tested: bool = False) -> ConnectionRequest:
    """404 where it does not exist for the reader, 403 where they may only read it; `tested` with its dry run."""
    related = ("preset", "team__group", "dry_run__asked_by") if tested else ("preset",)
    found = get_object_or_404(permissions.visible_to(queries.reader(request)).select_related(*related), pk=pk)
    permissions.check_own(queries.reader(request), found, "edit")
    return found


def _posted(request: HttpRequest, page: Page) -> HttpResponse:
    """Do what the pressed button says; otherwise show the form again with all that was typed."""
    page.posted = True
    action = request.POST.get("action", "submit")
    submitting = action == "submit"
    page.token = form_token(request.POST.get("form_token", ""))
    form = prefill.posted_form(request, page, Purpose.SUBMIT if submitting else Purpose.KEEP)
    if (
        _is_current(request, page, form)
        and action in {"submit", "draft", "test"}
        # A draft may hold texts that mean nothing yet, but no secret; and nobody is interrupted while typing.
        and (form.is_valid() or not (submitting or form.non_field_errors() or form.typing))
    ):
        try:
            verb = workflow.submit if submitting else workflow.save_draft
            stored = verb(by=page.by, filing=filing_of(page, form, submitting=submitting), conn_request=page.edited)
            if words := prefill.not_taken_words(form, sent=submitting):
                messages.warning(request, words)
            return _filed(request, stored, action)
        except NameTaken as taken:
            _say_taken(page, form, taken.holder)
        except limits.LimitReached as reached:
            page.banners.append(str(reached))
            return limited(_show(request, page, form), reached)
        except (Denied, StaleRow) as reason:
            page.banners.append(str(reason))
            if page.edited:
                page.edited.refresh_from_db()
    return _show(request, page, form)


def form_token(text: str) -> uuid.UUID:
    """The token that makes a form count once; a new one where `text` is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.uuid4()


def _is_current(request: HttpRequest, page: Page, form: RequestForm) -> bool:
    """Whether nothing happened meanwhile to the request of this form; otherwise a banner says what."""
    if page.banners:
        return False
    if page.edited:
        if request.POST.get("version", str(page.edited.version)) == str(page.edited.version):
            return True
        page.banners.append(
            "It was changed in another window since you opened it. Below is what you typed; submit or save it again "
            "to replace what is stored."
        )
        return False
    sent = ConnectionRequest.objects.filter(requester=page.by, idempotency_key=page.token).first()
    if sent is None or sent.values in (form.values(), form.kept()):
        page.draft = sent if sent and sent.state is Status.DRAFT else None
        return True
    if permissions.can_edit(page.by, sent):
        page.edited = sent
        if sent.state is Status.DRAFT:
            return True  # Back, then saved or submitted once more: the same draft
        page.banners.append(
            f"This form was already submitted as request {sent.pk}. Below is what you typed since; submit it again "
            "to change that request."
        )
    else:
        page.token = uuid.uuid4()
        page.banners.append(
            f"This form was already submitted as request {sent.pk} ({sent.state.label}). Submit it again to ask for "
            "another connection."
        )
    return False


def filing_of(page: Page, form: RequestForm, *, submitting: bool) -> Filing:
    # A draft keeps all that was typed; a submission only what applies.
    return Filing(
        values=form.values() if submitting else form.kept(),
        service_name=form.name_of("service")[:200],
        group_name=form.name_of("group_id")[:200],
        idempotency_key=page.token,
        cloned_from=page.origin,
        preset=page.preset,
        team=page.team,
    )


def _filed(request: HttpRequest, stored: ConnectionRequest, action: str) -> HttpResponse:
    if action == "submit":
        messages.success(request, f"Request {stored.pk} was submitted. An approver decides next.")
        answer = redirect("connections:request", stored.pk)
    elif stored.state is not Status.DRAFT:  # Back after submitting, then Save draft with the same texts
        messages.info(request, f"This form was already submitted as request {stored.pk}. Nothing was changed.")
        answer = redirect("connections:request", stored.pk)
    elif action == "test":
        _test(request, stored)
        answer = redirect(f"{reverse('connections:edit', args=[stored.pk])}#dry-run")
    else:
        messages.success(request, f"Draft {stored.pk} was saved. Nobody is asked before you submit it.")
        answer = redirect("connections:edit", stored.pk)
    kept = request.POST.get("keep", "")[:80]
    filed = kept if kept.isascii() else ""  # the script's own name is; no header can hold another
    answer.set_cookie(FILED, filed, max_age=_DAY, secure=request.is_secure(), samesite="Lax")
    return answer


def _test(request: HttpRequest, stored: ConnectionRequest) -> None:
    try:
        workflow.ask_for_dry_run(by=queries.reader(request), conn_request=stored)
    except limits.TooMany as reached:
        messages.warning(request, f"Draft {stored.pk} was saved, and is not tested. {reached}")
    else:
        messages.success(request, f"Draft {stored.pk} was saved, and is being tested.")


def _say_taken(page: Page, form: RequestForm, holder: ConnectionRequest) -> None:
    # Another table in the same schema is another name: the last part is the one to change.
    name = next((f.name for f in reversed(form.naming.fields) if form.data.get(f.name)), None)
    form.add_error(name, taken_words(page.by, holder))
    if name and permissions.visible_to(page.by).filter(pk=holder.pk).exists():
        address = reverse("connections:request", args=[holder.pk])
        form.fields[name].addresses = [address]  # type: ignore[attr-defined]  # the template reads it


def _show(request: HttpRequest, page: Page, form: RequestForm, gallery: Gallery | None = None) -> HttpResponse:
    page.is_closed = form.is_closed
    if page.is_closed:
        page.banners.append(CLOSED)
    if page.edited is None and not page.posted:
        try:
            permissions.check_can_file(page.by, page.preset)
        except Denied as denied:
            page.banners.append(denied.reason)
        page.banners += limits.notes(page.by)
    if page.posted and (words := prefill.not_taken_words(form, sent=False)):
        page.banners.append(words)
    form.edited = page.edited.pk if page.edited else 0
    shown: Review = review_of(form, by=page.by, edited=page.edited)
    link = prefill_link.link(form, str(page.preset.pk) if page.preset else "")
    context = {"form": form, "page": page, "review": shown, "link": link, "gallery": gallery}
    context["presets"] = prefill.to_choose(page) if gallery else []
    context |= _tested(page, form)
    return render(request, "connections/request_form/form.html", context)


def _tested(page: Page, form: RequestForm) -> dict[str, Any]:
    stored = page.edited or page.draft
    if stored is None:
        return {"panel": dry_run.Panel()}
    panel = dry_run.panel_of(stored, reverse("connections:edit", args=[stored.pk]))
    return {"panel": panel, "typed_since": page.posted and stored.values != form.kept()}
