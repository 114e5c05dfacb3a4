"""What the faults of POST /v1/connections do, before the connection exists or to its answer afterwards."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from . import wire
from .calls import ApiError, Call, envelope
from .limits import too_many
from .wire import Answer, Note, Wire

if TYPE_CHECKING:
    from .validation import Wanted

Make = Callable[[Call, "Wanted"], Answer]
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
UNAVAILABLE = b"<html><head><title>503</title></head><body><h1>503 Service Temporarily Unavailable</h1></body></html>"
MEGABYTE = b"x" * (1024 * 1024)

# The table in `faults.py` says in a sentence what each of these does.

# --- before the effect -----------------------------------------------------------------------------------------------


def times_called(call: Call, wanted: "Wanted") -> int:
    """How often this name was called in this group, this call included."""
    return call.app.state.count(f"{wanted.group_id}/{wanted.name}")


def never_first(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    return never(call, Answer()) if times_called(call, wanted) == 1 else None


def drop_first(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    return Answer(deliver=wire.hang_up) if times_called(call, wanted) == 1 else None


def error_first(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    return error(call, Answer()) if times_called(call, wanted) == 1 else None


def late(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
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


def busy(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    if times_called(call, wanted) > call.app.settings.busy_times:
        return None
    message = "Max 20000 api calls allowed in one-hour rolling time period"
    raise too_many(message, call.app.settings.retry_after)


def limited(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    raise too_many("Max 20000 api calls allowed in one-hour rolling time period", None)


def unauthorized(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    if times_called(call, wanted) > 1:
        return None
    raise ApiError(401, "AuthFailed", "Invalid authorization credentials")


def forbidden(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    # Fivetran's code for it is not recorded.
    raise ApiError(403, "Forbidden", "The API key is not allowed to create connections in this group")


def refused(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    raise ApiError(400, "InvalidInput", f"Field '{wanted.service.naming[0]}' has a value that is not allowed")


def gone(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    raise ApiError(404, "NotFound_Group", f"Cannot find group with id '{wanted.group_id}'")


def taken(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    message = f'An integration with schema "{wanted.name}" already exists, please choose a different schema'
    raise ApiError(call.app.settings.duplicate_status, "SchemaExists", message)


def conflict(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    raise ApiError(409, "Conflict", "Another operation on this group is in progress")


def redirect(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    # 307 would carry the body to the other address; the journal shows who follows.
    return Answer(307, b"", {"Location": f"{call.app.root}/_sandbox/elsewhere", "Content-Type": ""})


def down(call: Call, wanted: "Wanted", make: Make) -> Answer | None:
    return Answer(503, UNAVAILABLE, {"Content-Type": "text/html"})


# --- after the effect ------------------------------------------------------------------------------------------------


def never(call: Call, answer: Answer) -> Answer:
    return Answer(deliver=wire.silence(call.app.settings.hold_seconds))


def slow(call: Call, answer: Answer) -> Answer:
    time.sleep(call.app.settings.slow_seconds)  # the fault is slowness itself
    return answer


def drop(call: Call, answer: Answer) -> Answer:
    answer.deliver = wire.hang_up
    return answer


def reset(call: Call, answer: Answer) -> Answer:
    answer.deliver = wire.reset
    return answer


def cut(call: Call, answer: Answer) -> Answer:
    answer.deliver = wire.cut
    return answer


def short(call: Call, answer: Answer) -> Answer:
    answer.deliver = wire.short
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


def html(call: Call, answer: Answer) -> Answer:
    return Answer(502, BAD_GATEWAY, {"Content-Type": "text/html"})


def error(call: Call, answer: Answer) -> Answer:
    return envelope(500, "InternalError", "Internal server error")
