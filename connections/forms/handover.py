"""The two small forms of a hand-over: who enters the credentials instead, and the code that was mailed."""

from django import forms

from connections.forms.controls import check_person
from connections.forms.summary import Summed


class PersonForm(Summed):
    to = forms.CharField(
        label="Username or e-mail address",
        max_length=254,
        validators=[check_person],
        error_messages={"required": "Enter a username of this portal, or an e-mail address"},
    )
    use_required_attribute = False


class CodeForm(forms.Form):
    code = forms.CharField(
        label="Code from the mail",
        max_length=40,
        error_messages={"required": "Enter the code of 8 digits from the mail"},
    )
    use_required_attribute = False
