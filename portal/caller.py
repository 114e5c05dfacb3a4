"""Whose HTTP request this thread answers. Events read it, so that no verb has to hand the address on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from portal.middleware import NOBODY, client_address

_answered: ContextVar[HttpRequest | None] = ContextVar("the request that is being answered", default=None)
_instead: ContextVar[str] = ContextVar("who acts while somebody else's request is answered", default="")


def remember_caller(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: until the answer is there, events know who asked. What a streamed answer does later, they do not."""

    def middleware(request: HttpRequest) -> HttpResponse:
        before = _answered.set(request)
        try:
            return get_response(request)
        finally:
            _answered.reset(before)

    return middleware


def address_of_caller() -> str:
    """Empty in a worker, in a command, and where the server names none."""
    request = _answered.get()
    address = client_address(request) if request is not None else NOBODY
    return "" if address == NOBODY else address


def person_calling() -> User | None:
    """The person who is logged in, at this moment of the request; None in a worker and in a command."""
    if _instead.get():
        return None
    user = getattr(_answered.get(), "user", None)
    return user if isinstance(user, User) else None


@contextmanager
def acting(who: str) -> Iterator[None]:
    """What is done meanwhile was done by `who`, and not by the person whose request is answered."""
    before = _instead.set(who)
    try:
        yield
    finally:
        _instead.reset(before)


def acting_instead() -> str:
    return _instead.get()
