"""Making a Connect Card while its owner waits for the page."""

import logging
import math
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from connections import limits
from connections.fivetran import configured
from connections.fivetran.client import Answer
from connections.fivetran.errors import FivetranError, RateLimited, Refused, Unauthorized
from connections.interactive.lookup import SECONDS, Unreachable
from connections.models import Attempt, BreakerReason, CircuitBreaker, ConnectionRequest, Ending, Handover, ended
from connections.spec.refusals import TOLD, code_of

log = logging.getLogger(__name__)
CARDS_AN_HOUR = 20  # each is a call of the account's budget
_HOUR = timedelta(hours=1)
_FIVETRAN = "fivetran.com"


# `POST /v1/connections/{id}/connect-card` (Fivetran's Connect Card guide): a card lives one day, and a new one may be
# made at any time. The card's address is a credential: it is returned, and neither stored nor logged.
def mint(conn_request: ConnectionRequest, return_address: str) -> str:
    """The address of a new card, which leads back to `return_address`.

    Raises Unreachable, with words for the owner, where Fivetran gives no usable card in 5 seconds or no call may be
    made now; TooMany after CARDS_AN_HOUR.
    """
    check_may_call()
    card = (conn_request.payload or {}).get("connect_card_config") or {}
    client = configured.client(connect_timeout=SECONDS, read_timeout=SECONDS, get_deadline=SECONDS)
    attempt = begin_attempt(conn_request)
    try:
        answer = client.mint_connect_card(
            str(conn_request.connection_id),
            return_address,
            hide_setup_guide=bool(card.get("hide_setup_guide")),
            all_fields=bool(card.get("all_fields")),
        )
    except FivetranError as error:
        complete(attempt, error)
        if isinstance(error, RateLimited):
            CircuitBreaker.objects.with_row().ask_to_wait(error.retry_after)
            check_may_call()
        if isinstance(error, Unauthorized):
            again = Now() + timedelta(seconds=settings.PROBE_SECONDS)
            CircuitBreaker.objects.with_row().open(BreakerReason.AUTH, not_before=again)
        # What Fivetran refused it refuses again; anything else may pass, and the page tries it once more.
        retry_after = None if isinstance(error, Refused | Unauthorized) else 0.0
        code = code_of(error.status, error.code) if isinstance(error, Refused | Unauthorized) else ""
        raise Unreachable(_words(error), retry_after, code) from None
    complete(attempt, answer)
    uri = str(answer.data["connect_card"]["uri"])
    if not is_fivetrans(uri):
        log.error("request %s: Fivetran's answer held a Connect Card on a host that is not Fivetran's", conn_request.pk)
        raise Unreachable("Fivetran answered with an address that is not Fivetran's, so the portal does not open it.")
    return uri


def begin_attempt(conn_request: ConnectionRequest) -> Attempt:
    with transaction.atomic():
        # The lock makes each process count what the others have begun.
        Handover.objects.select_for_update().get(request=conn_request)
        calls = Attempt.objects.filter(
            request=conn_request, call=Attempt.Call.CARD, started_at__gt=Now() - _HOUR, started_at__lte=Now()
        )
        calls = calls.exclude(ending=Ending.RATE_LIMITED)  # the page tries those again by itself
        times = list(calls.order_by("-started_at").values_list("started_at", flat=True)[:CARDS_AN_HOUR])
        if len(times) == CARDS_AN_HOUR:
            words = "Too many Connect Cards were opened within the hour. Use the last one, or wait a little."
            raise limits.too_often(words, times[-1] + _HOUR)
        return Attempt.objects.create(request=conn_request, call=Attempt.Call.CARD)


def is_fivetrans(uri: str) -> bool:
    """Whether a card may be opened at `uri`: https on fivetran.com or below, or the API root's own host and scheme."""
    try:
        there, root = urlsplit(uri), urlsplit(settings.FIVETRAN_BASE_URL)
        port = there.port
    except ValueError:
        return False
    if there.username is not None or "\\" in uri or not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    if root.hostname == f"api.{_FIVETRAN}":  # whose cards are on fivetran.com alone
        host = there.hostname or ""
        ours = host == _FIVETRAN or host.endswith(f".{_FIVETRAN}")
        return there.scheme == "https" and ours and port in (None, 443)
    return (there.scheme, there.hostname) == (root.scheme, root.hostname)


def check_may_call() -> None:
    # An operator's pause, and a wait that Fivetran asked for, hold for this call too.
    breaker = CircuitBreaker.objects.filter(pk=1).first()
    if breaker is not None and breaker.paused_at:
        raise Unreachable("An operator paused all calls to Fivetran for the moment. Try again later.")
    until = breaker.not_before if breaker is not None and breaker.reason == BreakerReason.RATE_LIMITED else None
    if until and (left := (until - timezone.now()).total_seconds()) > 0:
        raise Unreachable("Fivetran asked the portal to wait a moment.", math.ceil(left))


def complete(attempt: Attempt, result: Answer | FivetranError) -> None:
    columns = ended(result)
    if isinstance(result, Answer):
        columns["message"] = ""  # it is text of the answer that holds the card
    Attempt.objects.filter(pk=attempt.pk).update(**columns)


def _words(error: FivetranError) -> str:
    match error:
        case Refused(status=404):
            return "Fivetran does not know this connection any more. Tell the person who asked for it."
        case Refused() | Unauthorized() if code_of(error.status, error.code) in TOLD:
            return "Fivetran refused to make a Connect Card. The portal's operators were told and look at it."
        case Refused() | Unauthorized():
            return "Fivetran refused to make a Connect Card. Ask the portal's operators to look at it."
        case _:
            return "Fivetran does not answer just now."
