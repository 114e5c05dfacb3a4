"""What the faults of POST /v1/connections do, before the connection exists or to its answer afterwards."""

import json
import threading
import time
from collections.abc import Callable, Iterator

from . import wire
from .calls import ApiError, Call, envelope
from .limits import too_many
from .validation import Wanted, name_taken
from .wire import Answer, Delivery, Note, Wire

Make = Callable[[Call, Wanted], Answer]
Before = Callable[[Call, Wanted, Make], Answer | None]  # may answer instead of creating; None goes on as usual
After = Callable[[Call, Answer], Answer]  # changes the answer once the connection exists
MEGABYTE = b"x" * (1024 * 1024)
TOO_MANY = "Max 20000 api calls allowed in one-hour rolling time period"

# The table in `faults.py` says in a sentence what each of these does.


def always(answer: After) -> Before:
    """Answers every call so, and creates nothing."""
    return lambda call, wanted, make: answer(call, Answer())


def first(answer: After) -> Before:
    """Answers the first call for a name so, and creates nothing."""
    return lambda call, wanted, make: answer(call, Answer()) if times_called(call, wanted) == 1 else None


def error(status: int, code: str, message: str) -> After:
    return lambda call, answer: envelope(status, code, message)


def html(status: int, words: str) -> After:
    page = f"<html><head><title>{status}</title></head><body><h1>{status} {words}</h1></body></html>"
    return lambda call, answer: Answer(status, page.encode(), {"Content-Type": "text/html"})


def leaving(delivery: Delivery) -> After:
    """The usual answer, which leaves the socket in another way."""

    def after(call: Call, answer: Answer) -> Answer:
        answer.deliver = delivery
        return answer

    return after


SERVER_ERROR = error(500, "InternalError", "Internal server error")
UNAUTHORIZED = error(401, "AuthFailed", "Invalid authorization credentials")
# Fivetran's code for it is not recorded.
FORBIDDEN = error(403, "Forbidden", "The API key is not allowed to create connections in this group")
CONFLICT = error(409, "Conflict", "Another operation on this group is in progress")
LIMITED = error(429, "TooManyRequests", TOO_MANY)

# --- before the effect -----------------------------------------------------------------------------------------------


def times_called(call: Call, wanted: Wanted) -> int:
    """How often this name was called in this group, this call included."""
    return call.app.state.count(f"{wanted.group_id}/{wanted.name}", add=call.counts)


def late(call: Call, wanted: Wanted, make: Make) -> Answer | None:
    """No answer the first time; the effect comes some seconds after the caller gave up."""
    if times_called(call, wanted) > 1:
        return None
    silent = wire.silence(call.app.settings.hold_seconds)

    def create() -> None:
        try:
            make(call, wanted)
        except ApiError as error:  # somebody took the name meanwhile
            call.entry.note(f"no effect: {error.code}")

    def deliver(socket: Wire, answer: Answer, note: Note) -> None:
        silent(socket, answer, note)
        timer = threading.Timer(call.app.settings.late_seconds, create)
        timer.daemon = True
        timer.start()

    return Answer(deliver=deliver)


def busy(call: Call, wanted: Wanted, make: Make) -> Answer | None:
    if times_called(call, wanted) > call.app.settings.busy_times:
        return None
    raise too_many(TOO_MANY, call.app.settings.retry_after)


def refused(call: Call, wanted: Wanted, make: Make) -> Answer | None:
    raise ApiError(400, "InvalidInput", f"Field '{wanted.service.naming[0]}' has a value that is not allowed")


def gone(call: Call, wanted: Wanted, make: Make) -> Answer | None:
    raise ApiError(404, "NotFound_Group", f"Cannot find group with id '{wanted.group_id}'")


def taken(call: Call, wanted: Wanted, make: Make) -> Answer | None:
    raise name_taken(call.app, wanted.name)


def redirect(call: Call, wanted: Wanted, make: Make) -> Answer | None:
    # 307 would carry the body to the other address; the journal shows who follows.
    return Answer(307, b"", {"Location": f"{call.app.root}/_sandbox/elsewhere", "Content-Type": ""})


# --- after the effect ------------------------------------------------------------------------------------------------


def never(call: Call, answer: Answer) -> Answer:
    return Answer(deliver=wire.silence(call.app.settings.hold_seconds))


def slow(call: Call, answer: Answer) -> Answer:
    time.sleep(call.app.settings.slow_seconds)  # the fault is slowness itself
    return answer


def drip(call: Call, answer: Answer) -> Answer:
    answer.deliver = wire.drip(call.app.settings.drip_seconds, call.app.settings.hold_seconds)
    return answer


def without_id(call: Call, answer: Answer) -> Answer:
    body = json.loads(answer.body)
    del body["data"]["id"]
    answer.body = json.dumps(body).encode()
    return answer


def bomb(call: Call, answer: Answer) -> Answer:
    """The usual JSON with a field of many megabytes in front."""
    # Made piece by piece while it is sent: the sandbox must not need the memory that it takes from others.
    size = max(call.app.settings.bomb_bytes, len(answer.body))
    front, back = b'{"padding": "', b'", ' + answer.body[1:]
    fill = size - len(front) - len(back)

    def chunks() -> Iterator[bytes]:
        for start in range(0, fill, len(MEGABYTE)):
            yield MEGABYTE[: min(len(MEGABYTE), fill - start)]
        yield back

    answer.headers["Content-Length"] = str(len(front) + max(fill, 0) + len(back))
    answer.body, answer.stream = front, chunks()
    return answer
