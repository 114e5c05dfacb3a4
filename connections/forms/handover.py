"""The two small forms of a hand-over: who enters the credentials instead, and the code that was mailed."""

from django import forms

from connections.forms.controls import check_person
from connections.forms.summary import PLAIN, Control, Summed

_ONE_TIME = {"class": "form-control", "autocomplete": "one-time-code", "inputmode": "numeric"}


class Unechoed(forms.PasswordInput):
    """A control in plain sight whose text is not sent back."""

    input_type = "text"


class PersonForm(Summed):
    bound_field_class = Control
    to = forms.CharField(
        label="Username or e-mail address",
        help_text="They get a link of their own by mail. Yours opens nothing any more.",
        widget=forms.TextInput(attrs=PLAIN),
        max_length=254,
        validators=[check_person],
        error_messages={"required": "Enter a username of this portal, or an e-mail address"},
    )


class CodeForm(Summed):
    bound_field_class = Control
    code = forms.CharField(
        label="Code from the mail",
        help_text="8 digits, valid for 15 minutes. Look among unwanted mail if it does not come.",
        widget=Unechoed(attrs=_ONE_TIME),
        max_length=40,
        error_messages={"required": "Enter the code of 8 digits from the mail"},
    )
