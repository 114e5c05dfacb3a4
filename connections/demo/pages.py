"""The pages that only the demo has: log-in by one click, and the mails."""

from dataclasses import asdict, dataclass
from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from csp.decorators import csp_replace
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from connections import context_processors
from connections.demo import mails
from connections.demo.management.commands.seed_demo import PASSWORD

_MAILS = "demo:mails"
_STYLES_ALONE = {
    "default-src": ["'none'"],
    "script-src": ["'none'"],
    "style-src": ["'unsafe-inline'"],
    "img-src": ["data:"],
}


@dataclass(frozen=True)
class LogIn:
    """As whom one can log in by a click, and what there is to do then."""

    role: str
    task: str
    icon: str
    begins_at: str = "/"


LOG_INS: dict[str, LogIn] = {
    "requester": LogIn("Requester", "ask for a connection", "pencil-square"),
    "requester2": LogIn("Source owner", "enter credentials that a colleague asks for", "key"),
    "approver": LogIn("Approver", "decide on what waits for you", "check-badge", "/approvals/"),
    "operator": LogIn("Operator", "settle what cannot go on by itself", "wrench-screwdriver", "/operations/"),
    "auditor": LogIn("Auditor", "see who asked for what, and who approved it", "magnifying-glass", "/requests/"),
    "admin": LogIn("Administrator", "set services, names, presets and people", "cog-6-tooth", "/admin/"),
}


def demo(request: HttpRequest) -> dict[str, Any]:
    """For every page, after the portal's own: the way to the mails, and the log-in's buttons."""
    offered = context_processors.portal(request)["navigation"]
    here = bool(request.resolver_match and request.resolver_match.view_name == _MAILS)
    return {"navigation": lambda: [*offered(), (_MAILS, "Mails", "", here)], "demo_log_ins": _log_ins}


def _log_ins() -> list[dict[str, str]]:
    names = {person.username: person.get_full_name() for person in User.objects.filter(username__in=LOG_INS)}
    return [{"username": key, "name": names[key], **asdict(LOG_INS[key])} for key in LOG_INS if key in names]


@login_not_required
@require_POST
def log_in(request: HttpRequest) -> HttpResponse:
    """As one of the demo's people, who still has the password that everybody knows."""
    username = request.POST.get("username", "")
    chosen = LOG_INS.get(username)
    # Only such a name is looked for: PostgreSQL takes no NUL.
    person = User.objects.filter(username=username, is_active=True).first() if chosen else None
    if chosen is None or person is None or not person.check_password(PASSWORD):
        messages.error(request, "This log-in is closed: its password was changed. Log in with the password.")
        return redirect("login")
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    # The click stands for the password alone: whoever has set up a second factor is asked for it.
    begun = Login(user=person, redirect_url=wanted if is_ours else chosen.begins_at, email_verification="none")
    answer: HttpResponse = perform_password_login(request, {"username": username}, begun)
    return answer


@require_safe
def mail_list(request: HttpRequest) -> HttpResponse:
    kept = mails.newest()
    recipients = sorted({mail.recipient for mail in kept})
    chosen = request.GET.get("to", "")
    shown = [mail for mail in kept if chosen in ("", mail.recipient)][: mails.SHOWN]
    context = {"gathered": mails.gathered(shown), "recipients": recipients, "chosen": chosen}
    return render(request, "demo/mails.html", context)


@require_safe
def mail(request: HttpRequest, name: str) -> HttpResponse:
    found = _found(name)
    context = {"mail": found, "text": found.part("plain"), "html": found.part("html")}
    return render(request, "demo/mail.html", context)


@csp_replace(_STYLES_ALONE)  # type: ignore[arg-type]
@require_safe
def mail_html(request: HttpRequest, name: str) -> HttpResponse:
    """As a mail program shows it, alone on its page: its styles stand in it."""
    return HttpResponse(_found(name).part("html"))


def _found(name: str) -> mails.Mail:
    found = mails.find(name)
    if found is None:
        raise Http404
    return found
