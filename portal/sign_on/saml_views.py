"""The way to the company's SAML provider and back: asked here, answered by a form that the provider's page posts."""

import logging
from datetime import timedelta
from importlib import import_module
from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.helpers import complete_social_login
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from portal.fetch_metadata import by_a_click
from portal.logs import one_line
from portal.sign_on import words
from portal.sign_on.accounts import Away, Refused
from portal.sign_on.adapters import refusal
from portal.sign_on.record import not_let_in
from portal.sign_on.saml import PROVIDER_ID, CompanySaml

log = logging.getLogger(__name__)
COOKIE = "saml-answer"
ON_ITS_WAY = timedelta(minutes=2)  # from `receive` to `finish`, which is one redirect
LONGEST = 400_000  # characters of an answer; two thousand groups are a quarter of that


@login_not_required
@require_safe
@by_a_click
def begin(request: HttpRequest) -> HttpResponseBase:
    """To the provider, whose page posts to `receive`."""
    try:
        answer: HttpResponseBase = _provider(request).redirect_from_request(request)
    except (Refused, Away) as error:
        return _not_let_in(request, error)
    return answer


# A page of the provider posts here, so there is no token of ours, and browsers send no session with it (SameSite=Lax).
# Who sent it proves itself by a signature; that this browser had asked is seen at `finish`, where its session is.
@csrf_exempt
@login_not_required
@require_POST
def receive(request: HttpRequest) -> HttpResponseBase:
    """An answer of the provider, which is judged whole before anything of it is kept."""
    _provider(request)
    from portal.sign_on import saml_answer

    try:
        answer = saml_answer.read(request.POST.get("SAMLResponse", "")[:LONGEST])
    except (Refused, Away) as error:
        return _not_let_in(request, error)
    kept = _store()
    kept["answer"] = answer.as_json()
    kept.set_expiry(ON_ITS_WAY)
    kept.save()
    onwards = HttpResponseRedirect(reverse("saml_finish"))
    secure = settings.SESSION_COOKIE_SECURE
    onwards.set_cookie(
        COOKIE, kept.session_key, path=reverse("saml_finish"), secure=secure, httponly=True, samesite="Lax"
    )
    return onwards


@login_not_required
@require_safe
def finish(request: HttpRequest) -> HttpResponse:
    """Whoever the answer names is logged in, if this browser had asked for it."""
    provider, kept = _provider(request), _store(request.COOKIES.get(COOKIE))
    stored = kept.get("answer")
    kept.flush()
    try:
        if not stored:
            raise Refused(words.STALE, "the browser comes without an answer, or a second time")
        response = _logged_in(request, provider, stored)
    except Refused as error:
        response = _not_let_in(request, error)
    response.delete_cookie(COOKIE, path=reverse("saml_finish"), samesite="Lax")
    return response


@login_not_required
@require_safe
def describe(request: HttpRequest) -> HttpResponse:
    """What the portal says of itself, for whoever sets the provider up."""
    _provider(request)
    from portal.sign_on import saml_answer

    try:
        return HttpResponse(saml_answer.own_metadata(), content_type="application/samlmetadata+xml")
    except Refused as error:
        return _failed(request, error)


def _logged_in(request: HttpRequest, provider: CompanySaml, stored: dict[str, Any]) -> HttpResponse:
    from portal.sign_on.saml_answer import Answer

    answer = Answer.from_json(stored)
    login = provider.sociallogin_from_response(request, answer)
    login.person, login.groups = answer.person, answer.groups
    try:
        login.state.update(provider.unstash_redirect_state(request, answer.in_response_to))
    except PermissionDenied:
        raise Refused(words.STALE, "this browser did not ask for the answer, or too long ago") from None
    finished: HttpResponse = complete_social_login(request, login)
    return finished


def _provider(request: HttpRequest) -> CompanySaml:
    if not settings.SAML_IS_ON:
        raise Http404
    provider: CompanySaml = get_adapter().get_provider(request, PROVIDER_ID)
    return provider


def _store(key: str | None = None) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def _not_let_in(request: HttpRequest, error: Refused | Away) -> HttpResponse:
    not_let_in(PROVIDER_ID, "the provider does not answer" if isinstance(error, Away) else error.on_record)
    return _failed(request, error)


def _failed(request: HttpRequest, error: Refused | Away) -> HttpResponse:
    why = error.why if isinstance(error, Refused) else f"it does not answer: {error}"
    log.warning("nobody was logged in by %s: %s", PROVIDER_ID, one_line(why)[:500])
    if isinstance(error, Away):
        return refusal(request, words.AWAY, status=503, wanted=request.GET.get("next", ""))
    return refusal(request, str(error), status=403, wanted=request.GET.get("next", ""))
