"""Django's reports of errors without what people typed: mailed or kept somewhere, they outlive every other care.

Django hides settings by their names, but shows each local variable, all that was posted and the whole address. Here
only the names are left, and of the request what tells where it went.
"""

import re
from types import FrameType, SimpleNamespace
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from portal.logs import redacted

_SHOWN = frozenset({"REQUEST_METHOD", "PATH_INFO", "SERVER_NAME", "SERVER_PORT", "CONTENT_TYPE", "CONTENT_LENGTH"})


class NamesOnly(SafeExceptionReporterFilter):
    """Replaces the value of every local variable, parameter, cookie and most of a request's META by stars."""

    # With the addresses of database, broker and proxy, in which a password may stand.
    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|URL|PROXY|CREDENTIALS", flags=re.IGNORECASE
    )

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """The names of what was posted."""
        return self._names(request.POST if request is not None else QueryDict())

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        """The names of a frame's variables."""
        return self._names(tb_frame.f_locals).items()

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, Any]:
        """The names of the cookies."""
        return self._names(request.COOKIES if request is not None else {})

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        """The META of the request, its values where they cannot hold what somebody typed."""
        meta = request.META if request is not None else {}
        stars = self.cleansed_substitute
        return {name: redacted(str(value)) if name in _SHOWN else stars for name, value in meta.items()}

    def _names(self, values: Any) -> dict[str, Any]:
        return dict.fromkeys(values, self.cleansed_substitute)


class Reporter(ExceptionReporter):
    """Django's report, without the query string and without the message of the error, which may quote a value."""

    def get_traceback_data(self) -> dict[str, Any]:
        """The context of the report's templates."""
        data = super().get_traceback_data()
        stars = self.filter.cleansed_substitute
        data.update({"exception_value": stars, "exception_notes": "", "unicode_hint": ""})
        for frame in data["frames"]:
            frame["exc_cause"] = type(frame["exc_cause"]).__name__ if frame.get("exc_cause") else None
        if self.request is not None:
            data["request_GET_items"] = [(name, stars) for name in self.request.GET]
            data["request_FILES_items"] = [(name, stars) for name in self.request.FILES]
            data["request_insecure_uri"] = redacted(self.request.path)
            # What Django's templates take from the request itself; an owner's link stands in the path.
            shown = {name: getattr(self.request, name) for name in ("GET", "FILES", "COOKIES")}
            shown |= {"path_info": redacted(self.request.path_info), "META": data["request_meta"]}
            data["request"] = SimpleNamespace(**shown)
        return data
