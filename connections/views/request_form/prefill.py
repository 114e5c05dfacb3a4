"""What a new request begins with: nothing, a link, a preset, or a connection as it is at Fivetran now."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.contrib.auth.models import Group, User
from django.forms.utils import flatatt
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator

from connections import permissions, workflow
from connections.forms import Purpose, RequestForm, presets
from connections.forms.strangers import named, strangers, words_of_path
from connections.forms.typed_text import tidy
from connections.models import ConnectionRequest, Preset, Team
from connections.people import display_name
from connections.spec import characters
from connections.states import Status
from connections.views.request_page import sharing

_NO_PRESET = "That preset is no longer offered. Below is what you typed, without it."
_LOOKED_AT = "This request is waiting for approval. When you submit the changes, approvers have to look at it anew."
_OF_REQUEST = "The values are those of request {}. Nothing is stored until you type or submit."
_OF_CONNECTION = (
    "The values are those of the connection <code>{}</code> as it is at Fivetran now. Secrets are never copied. "
    "Nothing is stored until you type or submit."
)
_OF_PRESET = "You fill in the rest, an approver decides, and the portal creates it at Fivetran."
_NEW = (
    "You say what is to be connected, an approver decides, and the portal creates it at Fivetran. Passwords are never "
    "asked for here."
)
_OF_GALLERY = ("q", "category")  # parameters that fill in nothing
_NAMED = 8  # settings that a sentence lists


_ALONE = "You are in no team: once it is submitted, you see it, and approvers, operators and auditors."


@dataclass
class Page:
    """One display of the form: what it is about, and the banners above it."""

    by: User
    edited: ConnectionRequest | None = None
    draft: ConnectionRequest | None = None  # that this form was saved as before, where it is not what is edited
    origin: ConnectionRequest | None = None
    live_origin: str = ""
    preset: Preset | None = None
    team: int | None = None  # as it was posted; 0 for none
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    banners: list[str] = field(default_factory=list)
    posted: bool = False
    is_closed: bool = False  # no destination is open to `by`

    @cached_property
    def may_ask(self) -> permissions.MayAsk:
        return permissions.may_ask(self.by)

    @property
    def title(self) -> str:
        if self.edited:
            return f"Edit draft {self.edited.pk}" if self.is_draft else f"Edit request {self.edited.pk}"
        if self.origin:
            return f"Copy of request {self.origin.pk}"
        return f"New request: {self.preset}" if self.preset else "New request"

    @property
    def is_draft(self) -> bool:
        # A new request may be kept as a draft too.
        return self.edited is None or self.edited.state is Status.DRAFT

    @property
    def intro(self) -> str:
        if self.edited and self.edited.state is Status.PENDING:
            return _LOOKED_AT
        if self.edited and self.edited.decision_reason:
            reason = Truncator(self.edited.decision_reason).chars(2000)
            who = display_name(self.edited.decided_by) if self.edited.decided_by else "an approver"
            return format_html("Asked for by {}: <q>{}</q>", characters.visible(who), reason)
        if self.origin:
            return _OF_REQUEST.format(self.origin.pk)
        if self.live_origin:
            return format_html(_OF_CONNECTION, Truncator(self.live_origin).chars(100))
        return (self.preset.description or _OF_PRESET) if self.preset else _NEW

    @property
    def deciders(self) -> list[Group]:
        return [self.preset.approvers] if self.preset and self.preset.approvers else []

    @property
    def attributes(self) -> str:
        found: dict[str, Any] = {"data-posted": self.posted}
        if not (self.posted or self.edited or self.origin or self.live_origin):
            found["data-address"] = reverse("connections:new")  # it names the service that is chosen
        if self.is_draft:
            found["data-autosave"] = reverse("connections:autosave")
            found["data-discard"] = reverse("connections:discard_draft")
        if self.edited:
            found["action"] = reverse("connections:edit", args=[self.edited.pk])
        return flatatt(found)

    @property
    def buttons(self) -> list[tuple[str, str, str, str]]:
        """(action, words, class, words while it is being sent) of each."""
        submit = ("submit", "Submit for approval", "btn-primary", "Sending…")
        # A dry run tests what is stored, and of what was submitted nothing is stored before it is submitted again:
        # the form then says so, and leads to the test of the request as it is.
        of_draft = [("draft", "Save draft", "Saving…"), ("test", "Test request", "Saving…")] if self.is_draft else []
        others = [(name, words, "btn-outline-secondary", busy) for name, words, busy in of_draft]
        return others if self.is_closed else [submit, *others]

    @property
    def hidden(self) -> list[tuple[str, object]]:
        edited = self.edited
        carried = {
            "preset": self.preset and self.preset.pk,
            "origin": self.origin and self.origin.pk,
            "edited": edited and edited.pk,
            "version": edited.version if edited else None,
        }
        return [(name, value) for name, value in carried.items() if value is not None]

    @property
    def keep(self) -> str:
        # The browser keeps texts under this name: another form, or another version, has another name.
        return f"{self.edited.pk}.{self.edited.version}" if self.edited else str(self.token)

    @cached_property
    def teams(self) -> list[tuple[int, str, bool]]:
        """(id, name, whether it is chosen) of the requester's teams, where there are several to choose from."""
        chosen = self.team if self.team is not None else self.edited.team_id if self.edited else None
        mine = self._own_teams
        return [(team.pk, str(team), team.pk == chosen) for team in mine] if len(mine) > 1 else []

    @cached_property
    def _own_teams(self) -> list[Team]:
        theirs = self.edited is not None and self.edited.requester_id != self.by.pk
        if not self.is_draft or theirs or not permissions.in_a_team(self.by):
            return []
        return list(Team.objects.of(self.by.pk).select_related("group").order_by("group__name"))

    @property
    def readers(self) -> list[str]:
        """Who will see it, in a sentence; nothing where that is chosen, or known already."""
        mine = self._own_teams
        if len(mine) == 1:
            return [
                f"Once it is submitted, your team “{characters.visible(str(mine[0]))}” sees it and can continue it."
            ]
        return [_ALONE] if self.edited is None and not mine else []

    @cached_property
    def sharing(self) -> list[tuple[str, str]]:
        """The buttons of a draft that is stored, for people in a team."""
        return list(sharing.buttons(self.by, self.edited)) if self.edited else []

    @property
    def seen_by(self) -> str:
        return sharing.words(self.edited) if self.edited else ""

    @property
    def back(self) -> str:
        other = self.origin or (None if self.is_draft else self.edited)
        return reverse("connections:request", args=[other.pk]) if other else reverse("connections:home")


def offered(may_ask: Callable[[], permissions.MayAsk]) -> list[Preset]:
    """Without those that are fixed to a destination or service which the person may not ask for."""
    found = list(Preset.objects.offered().select_related("approvers"))
    if not any(place_of(one)[0] for one in found):
        return found  # and no rule need be read
    told = may_ask()
    return [one for one in found if is_open(one, told)]


def place_of(preset: Preset) -> tuple[str, str]:
    """The destination and the service to which it is fixed."""
    imposed = presets.imposed_values(preset)
    return str(imposed.get("group_id") or ""), str(imposed.get("service") or "")


def is_open(preset: Preset, may_ask: permissions.MayAsk) -> bool:
    group_id, service = place_of(preset)
    return not group_id or may_ask.is_open(group_id, service)


def preset_of(number: int, may_ask: permissions.MayAsk) -> Preset | None:
    preset = Preset.objects.offered().filter(pk=number).first()
    return preset if preset is not None and is_open(preset, may_ask) else None


def to_choose(page: Page) -> list[Preset]:
    # A form that is about something already offers no preset.
    busy = page.posted or page.edited or page.origin or page.preset or page.live_origin
    return [] if busy else offered(lambda: page.may_ask)


def number(text: str) -> int:
    """0, which no row has, where `text` is no number of a row."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def new_form(request: HttpRequest, page: Page) -> RequestForm:
    """As the query string wants it; the banners say what could not be done."""
    query = _read_once(request, page)
    wanted = query.pop("preset", "")
    page.preset = preset_of(number(wanted), page.may_ask) if wanted else None
    if wanted and page.preset is None:
        page.banners.append("That preset is no longer offered. Here is the whole form.")
    if connection_id := query.pop("from_connection", "").replace("\0", ""):
        _leave_out(query, page)
        return _form_of_existing(connection_id, page)
    fixed = presets.imposed(page.preset).items()
    refused = [name for name, text in fixed if tidy(name, query.get(name, "")) not in ("", text)]
    begun = {**_begun(page), **query}
    form = RequestForm.from_link(presets.laid_over(begun, page.preset), page.may_ask)
    if refused:
        labels = ", ".join(str(form.fields[name].label) for name in refused if name in form.fields)
        page.banners.append(f"The preset “{page.preset}” decides these, whatever the link says: {labels}.")
    presets.lock(form, page.preset)
    return form


def _begun(page: Page) -> dict[str, str]:
    """What the preset fills in, without a destination that is merely proposed and closed to the reader."""
    begun = presets.beginning(page.preset)
    if not page.may_ask.is_open(begun.get("group_id", ""), begun.get("service", "")):
        begun.pop("group_id", None)
    return begun


def _read_once(request: HttpRequest, page: Page) -> dict[str, str]:
    # Of a parameter that is there more than once the last counts, as in all of Django.
    if twice := [name for name, texts in request.GET.lists() if len(set(texts)) > 1]:
        page.banners.append(f"The link has these more than once, and the last one counts: {named(twice)}.")
    return {name: text for name, text in request.GET.dict().items() if name not in _OF_GALLERY}


def _leave_out(query: dict[str, str], page: Page) -> None:
    if others := strangers(query, ()):
        words = "The values are those of the connection, so these of the link are left out"
        page.banners.append(f"{words}: {named(others)}.")


def _form_of_existing(connection_id: str, page: Page) -> RequestForm:
    try:
        values = workflow.live_values(by=page.by, connection_id=connection_id)
    except workflow.Unreachable:
        page.banners.append("Fivetran does not answer just now, so its connection cannot be copied. Try again later.")
        return RequestForm.from_link({}, page.may_ask)
    except workflow.Unknown as unknown:
        page.banners.append(str(unknown))
        return RequestForm.from_link({}, page.may_ask)
    page.live_origin = connection_id
    return RequestForm.from_values(values, may_ask=page.may_ask)


def stored_form(page: Page, values: dict[str, object]) -> RequestForm:
    """The form for stored `values`; the banners say what it cannot keep of them."""
    form = RequestForm.from_values({**values, **presets.imposed_values(page.preset)}, may_ask=page.may_ask)
    presets.lock(form, page.preset)
    if lost := form.without_control:
        page.banners.append(_lost_words(form, lost))
    return form


def _lost_words(form: RequestForm, lost: dict[str, str]) -> str:
    named_values = listed(lost)
    if form.config.known:
        return f"Fivetran no longer lists these settings of the service, so they are left out here: {named_values}."
    return f"Fivetran has not told the settings of this service, so these are left out here: {named_values}."


def listed(values: dict[str, str]) -> str:
    """Names with their values in one line; of many the first ones."""
    shown = [f"{name[:80]} (“{characters.one_line(text, 80)}”)" if text else name[:80] for name, text in values.items()]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return f"{', '.join(shown[:_NAMED])}{more}"


def not_taken_words(form: RequestForm, *, sent: bool) -> str:
    # As long as nothing is `sent`, what is merely hidden still stands in the form.
    without = {words_of_path(path): text for path, text in form.without_control.items() if text}
    if left := form.not_taken if sent else without:
        return f"Not taken, because it does not apply to what was chosen: {listed(left)}."
    return ""


def posted_form(request: HttpRequest, page: Page, purpose: Purpose) -> RequestForm:
    # The preset of a stored request is that request's for good; a new one has the preset it was opened with.
    page.team = number(request.POST["team"]) if "team" in request.POST else None
    wanted = request.POST.get("preset", "")
    stored = page.edited or ConnectionRequest.objects.filter(requester=page.by, idempotency_key=page.token).first()
    if stored is not None:
        page.preset = stored.preset
    elif wanted:
        page.preset = preset_of(number(wanted), page.may_ask)
        if page.preset is None:
            page.banners.append(_NO_PRESET)
    form = RequestForm.from_post(presets.laid_over(request.POST.dict(), page.preset), purpose, page.may_ask)
    presets.lock(form, page.preset)
    return form


def drawn_form(texts: dict[str, str], by: User) -> RequestForm:
    # Nothing of a drawn form is stored, so a preset that is no longer offered is drawn too; but not what somebody else
    # presets for a destination that is closed to the reader.
    may_ask = permissions.may_ask(by)
    preset = Preset.objects.filter(pk=number(texts.get("preset", ""))).first()
    if preset is not None and not is_open(preset, may_ask) and not preset.requests.filter(requester=by).exists():
        preset = None
    form = RequestForm.from_post(presets.laid_over(texts, preset), Purpose.KEEP, may_ask)
    form.edited = number(texts.get("edited", ""))
    presets.lock(form, preset)
    return form
