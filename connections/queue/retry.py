"""What the ending of a call means for the next try."""

from django.conf import settings

from connections.fivetran.errors import FivetranError, NotSent, RateLimited, Refused, Unauthorized

MAX_ATTEMPTS = 5  # calls whose ending was unclear


def had_no_effect(error: FivetranError) -> bool:
    """Whether it is proved that Fivetran did nothing: such an attempt does not count."""
    return isinstance(error, (NotSent, RateLimited, Unauthorized))


def is_final(error: FivetranError, attempts: int) -> bool:
    return not had_no_effect(error) and (isinstance(error, Refused) or attempts >= MAX_ATTEMPTS)


def pause_after(error: FivetranError) -> float:
    """Seconds until a row that was not sent is due again."""
    # None where the breaker holds all rows: then this one keeps its place in the queue.
    held = isinstance(error, (RateLimited, Unauthorized)) or (isinstance(error, NotSent) and not error.late)
    return 0 if held else settings.PROBE_SECONDS


def waiting_note(error: FivetranError) -> str:
    match error:
        case RateLimited():
            return "Fivetran asked us to wait."
        case Unauthorized():
            return "Fivetran does not accept the portal's API key; an operator has to look."
        case NotSent(certificate=True):
            return "Fivetran's certificate was not accepted; nothing was sent."
        case _:
            return "Fivetran could not be reached; nothing was sent. The portal tries again by itself."
