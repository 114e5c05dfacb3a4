"""How many requests of one kind a web process takes at once, so that a flood of them leaves threads for all others."""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.http import HttpRequest, HttpResponse
from django.template import loader

RETRY_AFTER = 2  # seconds


class TooBusy(Exception):
    """As many as may run or wait at once are there already."""


class AtMost:
    """For each key runs `running` at once and lets `waiting` more wait."""

    def __init__(self, running: int, waiting: int) -> None:
        self._running, self._inside = running, running + waiting
        self._runs: Counter[Hashable] = Counter()
        self._entered: Counter[Hashable] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def place(self, key: Hashable = None) -> Iterator[None]:
        """Runs the block when it is its turn; raises TooBusy where too many wait already."""
        with self._changed:
            if self._entered[key] >= self._inside:
                raise TooBusy
            self._entered[key] += 1
            self._changed.wait_for(lambda: self._runs[key] < self._running)
            self._runs[key] += 1
        try:
            yield
        finally:
            with self._changed:
                self._runs[key] -= 1
                self._entered[key] -= 1
                if not self._entered[key]:  # else every session that ever was would stay
                    del self._entered[key], self._runs[key]
                self._changed.notify_all()


class LimitedHasher(PBKDF2PasswordHasher):
    """Django's hasher, for few passwords at once. Raises TooBusy."""

    # A password takes a processor for a third of a second. The limit is here, below every form, since all of them hash:
    # log-in, log-in of the admin, change and reset of a password, for names that do not exist too.
    _places = AtMost(*settings.PASSWORDS_AT_ONCE)

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with self._places.place():
            return super().encode(password, salt, iterations)


class AddressLimits:
    """Middleware: the limits of REQUESTS_AT_ONCE; 503 for requests over one of them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._limits = {start: AtMost(*limit) for start, limit in settings.REQUESTS_AT_ONCE.items()}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with ExitStack() as places:
            try:
                for start, limit in self._limits.items():
                    if request.path_info.startswith(start):
                        places.enter_context(limit.place())
            except TooBusy:
                return busy()
            return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return busy() if isinstance(exception, TooBusy) else None


class PersonLimit:
    """Middleware: the limit of PERSON_REQUESTS_AT_ONCE; 503 for requests over it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response
        self._people = AtMost(*settings.PERSON_REQUESTS_AT_ONCE)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # By the person, who may log in often and so have many sessions; a session without a log-in stands for itself.
        who = request.session.get(SESSION_KEY) or request.session.session_key
        with ExitStack() as places:
            try:
                if who:
                    places.enter_context(self._people.place(who))
            except TooBusy:
                return busy()
            return self._get_response(request)


def busy() -> HttpResponse:
    page = loader.get_template("too_many.html").render({"seconds": RETRY_AFTER})
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})
