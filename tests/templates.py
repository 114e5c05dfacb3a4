"""What Django puts where a template names a variable that does not exist: in our own templates, a failed test."""

import sys

import pytest
from django.conf import settings


class Undefined:
    """For the engine's option `string_if_invalid`. Packages' templates rely on undefined being empty; ours must not."""

    def __contains__(self, text: str) -> bool:
        return text == "%s"

    def __mod__(self, variable: object) -> str:
        """Called by Django with the variable's name; the node being rendered says which file it stands in."""
        frame = sys._getframe(1)
        while frame.f_back:
            origin = getattr(frame.f_locals.get("self"), "origin", None)
            if origin is not None:
                if str(origin).startswith(str(settings.BASE_DIR / "templates")):
                    pytest.fail(f"{origin} names the variable {variable}, which is not there")
                break
            frame = frame.f_back
        return ""
