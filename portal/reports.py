"""Django's reports of errors without what people typed: a report that was mailed or stored is protected by nothing
else.
"""

import re
from types import FrameType, SimpleNamespace
from typing import Any

from django.http import HttpRequest, QueryDict
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from portal.logs import redacted

_SHOWN = frozenset({"REQUEST_METHOD", "PATH_INFO", "SERVER_NAME", "SERVER_PORT", "CONTENT_TYPE", "CONTENT_LENGTH"})


# Django hides settings by their names, but shows each local variable, all that was posted and the whole address. Here
# only the names are left, and of the request the values that cannot hold what somebody typed.
class NamesOnly(SafeExceptionReporterFilter):
    # With the addresses of database, broker and proxy, in which a password may stand.
    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|URL|PROXY|CREDENTIALS", flags=re.IGNORECASE
    )

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return self._names(request.POST if request is not None else QueryDict())

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        return self._names(tb_frame.f_locals).items()

    def get_safe_cookies(self, request: HttpRequest | None) -> dict[str, Any]:
        return self._names(request.COOKIES if request is not None else {})

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        meta = request.META if request is not None else {}
        stars = self.cleansed_substitute
        return {name: redacted(str(value)) if name in _SHOWN else stars for name, value in meta.items()}

    def _names(self, values: Any) -> dict[str, Any]:
        return dict.fromkeys(values, self.cleansed_substitute)


class Reporter(ExceptionReporter):
    def get_traceback_data(self) -> dict[str, Any]:
        data = super().get_traceback_data()
        stars = self.filter.cleansed_substitute
        # The message of the error may quote a value.
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
