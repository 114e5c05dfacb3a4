"""Handing the requests of a person, or one request, to somebody else."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from connections import permissions, workflow
from connections.forms.reassign import ALL, ReassignForm
from connections.models import ConnectionRequest, Event, EventKind, StaleRow
from connections.models.capped_count import CappedCount, in_words
from connections.models.request import ConnectionRequestQuerySet
from connections.people import display_name
from connections.spec.characters import visible
from connections.states import LIVE, Status
from connections.views.request_form.prefill import number
from connections.views.request_page import queries

AT_ONCE = 200  # of one person in one go, also those that are refused: each is a few statements
LISTED = 50
COUNTED = 1000
# What of a person somebody has to answer for. A draft that was thrown away is nobody's business.
_KINDS = {
    "requests": Q(submitted_at__isnull=False) & ~Q(status=Status.CREATED),
    "connections": Q(status=Status.CREATED),
    "drafts": Q(status=Status.DRAFT),
}
_WORDS = {"requests": "request{} without a connection", "connections": "connection{}", "drafts": "draft{}"}
_OPEN = Q(status__in=[Status.DRAFT, *sorted(LIVE)]) | Q(status=Status.CREATED, deleted_at_fivetran_at=None)


@dataclass(frozen=True)
class Subject:
    """What is handed over: all of `person`, or `conn_request` alone."""

    person: User
    conn_request: ConnectionRequest | None = None
    former: str = ""  # the user name of who had it: only what came from there, to be handed back or on
    after: int = 0  # the last request that was tried: only later ones

    @property
    def title(self) -> str:
        what = f"request #{self.conn_request.pk}" if self.conn_request else "the requests"
        return f"Hand over {what} of {visible(display_name(self.person))}"

    @property
    def query(self) -> str:
        one = self.conn_request
        all_of_them = {"person": self.person.get_username(), "from": self.former, "after": self.after}
        chosen = {"request": one.pk} if one else all_of_them
        return f"?{urlencode({name: value for name, value in chosen.items() if value})}"

    def rows(self, kinds: Iterable[str]) -> ConnectionRequestQuerySet:
        if self.conn_request is not None:
            return ConnectionRequest.objects.filter(pk=self.conn_request.pk)
        chosen = Q(pk__in=[])
        for kind in kinds:
            chosen |= _KINDS[kind]
        found = ConnectionRequest.objects.filter(chosen, requester=self.person, pk__gt=self.after).order_by("id")
        if not self.former:
            return found
        words = f"From {self.former} to {self.person.get_username()}: "
        came = Event.objects.filter(request=OuterRef("pk"), kind=EventKind.REASSIGNED, reason__startswith=words)
        return found.filter(Exists(came))

    @property
    def counts(self) -> list[str]:
        if self.conn_request is not None:
            return []
        counted = {kind: CappedCount(self.rows([kind]), most=COUNTED) for kind in _KINDS}
        found = User.objects.filter(pk=self.person.pk).values_list(*counted.values()).get()
        rest = [f"Without those that were tried: up to #{self.after}"] if self.after else []
        return rest + [
            f"{in_words(count, COUNTED)} {_WORDS[kind].format('' if count == 1 else 's')}"
            for kind, count in zip(counted, found, strict=True)
        ]

    @property
    def without_rows(self) -> str:
        return "Drafts alone, which are not listed." if self.rows(["drafts"]).exists() else "There is nothing."


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    permissions.check_can_operate(request.user)
    subject = _subject(request)
    if subject is None:
        return _people(request)
    form = ReassignForm(request.POST if request.method == "POST" else None, with_kind=not subject.conn_request)
    looks = request.POST.get("action") == "look"
    if request.method == "POST" and form.is_valid() and not looks:
        return _handed_over(request, subject, form)
    to = getattr(form, "cleaned_data", {}).get("to") if looks else None
    rows = list(_listed(subject, to, queries.reader(request)))
    context = {"subject": subject, "form": form, "rows": rows, "counts": subject.counts, "to": to}
    return render(request, "connections/operations/reassign.html", context)


def _listed(subject: Subject, to: User | None, by: User) -> Iterator[tuple[ConnectionRequest, str]]:
    """The newest, drafts not among them; with why it does not move to `to`, where that is known and so."""
    rows = subject.rows(("requests", "connections")).select_related("requester").order_by("-id")
    for conn_request in rows[:LISTED]:
        yield conn_request, _obstacle(conn_request, to, by) if to else ""


def _obstacle(conn_request: ConnectionRequest, to: User, by: User) -> str:
    try:
        permissions.check_can_reassign(to, conn_request, by)
    except permissions.Denied as denied:
        return denied.reason
    return ""


def _subject(request: HttpRequest) -> Subject | None:
    if pk := number(request.GET.get("request", "")):
        conn_request = queries.find(request.user, pk)
        return Subject(conn_request.requester, conn_request)
    wanted = request.GET.get("person", "").replace("\0", "").strip()[:150]
    person = User.objects.filter(username=wanted).first() if wanted else None
    if wanted and person is None:
        messages.warning(request, "Nobody has this user name.")
    former = request.GET.get("from", "").replace("\0", "").strip()[:150]
    after = number(request.GET.get("after", ""))
    return Subject(person, former=former, after=after) if person is not None else None


def _people(request: HttpRequest) -> HttpResponse:
    return render(request, "connections/operations/reassign_people.html", {"people": list(left_behind()[:LISTED])})


def left_behind() -> Any:
    """The people without an active account who have something that somebody must answer for."""
    theirs = ConnectionRequest.objects.filter(_OPEN, requester=OuterRef("pk"))
    return User.objects.filter(Exists(theirs), is_active=False).order_by("username")


def _handed_over(request: HttpRequest, subject: Subject, form: Any) -> HttpResponse:
    given = form.cleaned_data
    kinds = _KINDS if given.get("kind", ALL) == ALL else [given["kind"]]
    rows = subject.rows(kinds).select_related("requester")
    tried = list(rows[:AT_ONCE])
    done, obstacles = _moved(tried, queries.reader(request), given["to"], given["reason"])
    # From here on by id: those that are refused stay in front of all others.
    after = tried[-1].pk if len(tried) == AT_ONCE and rows.filter(pk__gt=tried[-1].pk).exists() else 0
    for level, words in _said(len(done), obstacles, display_name(given["to"]), bool(after)):
        messages.add_message(request, level, words)
    if any(one.submitted_at for one in done):
        messages.info(request, _back(subject.person, given["to"]))
    if done and subject.conn_request is not None:
        return redirect("connections:request", subject.conn_request.pk)
    rest = replace(subject, after=after)
    return redirect(f"{_here()}{rest.query if obstacles or rest.rows(kinds).exists() else ''}")


def _moved(rows: list[ConnectionRequest], by: User, to: User, reason: str) -> tuple[list[ConnectionRequest], list[str]]:
    """Those that are handed over, and why others are not."""
    done, obstacles = [], []
    for conn_request in rows:
        try:
            workflow.reassign(by=by, conn_request=conn_request, to=to, reason=reason)
            done.append(conn_request)
        except (permissions.Denied, StaleRow) as obstacle:
            obstacles.append(str(obstacle))
    return done, obstacles


def _back(former: User, to: User) -> str:
    """Leads to what went from `former` to `to`. It goes back only to an active account, and of drafts none does."""
    where = "back" if former.is_active else "on to somebody else"
    path = _here() + Subject(to, former=former.get_username()).query
    return format_html('<a href="{}">Hand what moved {}</a>, if it was a mistake.', path, where)


def _here() -> str:
    return reverse("connections:reassign")


def _said(done: int, obstacles: list[str], name: str, more: bool) -> Iterator[tuple[int, str]]:
    if done:
        what = "1 is" if done == 1 else f"{done} are"
        yield messages.SUCCESS, f"{what} handed over to {visible(name)}, who is told by mail."
    if obstacles:
        shown = " ".join(dict.fromkeys(obstacles[:10]))
        yield messages.WARNING, f"{len(obstacles)} not handed over: {shown}"
    if more:
        yield messages.INFO, f"{AT_ONCE} are tried at once: send the form again for the rest."
    if not done and not obstacles:
        yield messages.WARNING, "There was nothing of that kind to hand over."
