"""Whose HTTP request this thread answers. Events read it, so that no verb has to hand the address on."""

from collections.abc import Callable
from contextvars import ContextVar

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from portal.middleware import NOBODY, client_address

_answered: ContextVar[HttpRequest | None] = ContextVar("the request that is being answered", default=None)


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
    user = getattr(_answered.get(), "user", None)
    return user if isinstance(user, User) else None
