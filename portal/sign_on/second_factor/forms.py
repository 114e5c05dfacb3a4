"""What is typed on the pages of the second factor."""

import time
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from portal.sign_on.second_factor import codes, passkeys

FRESH = 10 * 60  # seconds after which whoever adds a factor types the password again
_CODE = {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}
_NOT_THE_CODE = (
    "This is not the code that the app shows now. If it goes on, set the clock of your phone: the codes are made of "
    "the time."
)


class WithPassword(forms.Form):
    """Whoever finds a session open changes nothing by it."""

    password = forms.CharField(
        label="Your password", strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )
    field_order = ("name", "code", "password")

    def __init__(self, request: HttpRequest, data: Any = None, **more: Any) -> None:
        super().__init__(data, **more)
        self.request = request

    def clean_password(self) -> str:
        typed = str(self.cleaned_data["password"])
        # Counted as at the log-in, or all could be tried here.
        person = self.request.user
        if authenticate(self.request, username=person.get_username(), password=typed) != person:
            raise ValidationError("This is not your password.", code="password_incorrect")
        return typed


class Adding(WithPassword):
    """After a log-in by the password a moment ago it need not be typed again."""

    def __init__(self, request: HttpRequest, data: Any = None, **more: Any) -> None:
        super().__init__(request, data, **more)
        if password_is_fresh(request):
            del self.fields["password"]


class App(Adding):
    code = forms.CharField(
        label="The code that the app shows", max_length=20, widget=forms.TextInput(attrs={**_CODE, "autofocus": True})
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(request, data)
        self.secret = codes.offered_secret(request)
        self.step = 0

    def clean_code(self) -> str:
        typed = str(self.cleaned_data["code"])
        step = codes.step_of(self.secret, typed.replace(" ", ""))
        if step is None:
            raise ValidationError(_NOT_THE_CODE, code="code_incorrect")
        self.step = step
        return typed


class Passkey(Adding):
    name = forms.CharField(
        label="A name for it",
        max_length=passkeys.LONGEST_NAME,
        help_text="So that you know it in the list: the phone, the blue key.",
    )
    credential = forms.CharField(
        widget=forms.HiddenInput,
        max_length=passkeys.LONGEST_ANSWER,
        error_messages={"required": "No passkey was made."},
    )


class Code(forms.Form):
    """At the log-in."""

    code = forms.CharField(max_length=40, widget=forms.TextInput(attrs={**_CODE, "autofocus": True}))

    def __init__(self, user: User, data: Any = None, *, has_app: bool) -> None:
        super().__init__(data)
        self.user = user
        self.factor: Any = None
        self.fields["code"].label = "Code of your app, or a recovery code" if has_app else "Recovery code"

    def clean_code(self) -> str:
        typed = str(self.cleaned_data["code"])
        self.factor = codes.check(self.user, typed)
        if self.factor is None:
            raise ValidationError("This code is not right, or it was used before.", code="code_incorrect")
        return typed


def password_is_fresh(request: HttpRequest) -> bool:
    """Whether this session began with the password, a moment ago."""
    typed = [one["at"] for one in get_authentication_records(request, request.user) if one["method"] == "password"]
    return bool(typed) and 0 <= time.time() - typed[-1] < FRESH
