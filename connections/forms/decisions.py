"""The reason that goes with a decision, and what else an operator says."""

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.http import QueryDict

from connections.forms.summary import PLAIN, Control, Marked, Summed


class Prose(forms.CharField):
    def to_python(self, value: Any) -> Any:
        # A line break is one character, as the browser counts it, though the browser posts two.
        return super().to_python(value.replace("\r\n", "\n") if isinstance(value, str) else value)


class ReasonForm(Summed):
    bound_field_class = Control
    decision_reason = Prose(
        label="Reason",
        help_text="The requester reads this.",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "cols": False, "class": "form-control"}),
        error_messages={
            "required": "Enter the reason, so that the requester knows what to change",
            "max_length": "Use 2,000 characters or fewer",
        },
    )


class PauseForm(ReasonForm):
    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data, auto_id="id_%s_pause")
        self.fields["decision_reason"].required = False  # in an emergency one click is enough
        self.fields["decision_reason"].label = "Reason (optional)"


class SettleForm(ReasonForm):
    connection_id = forms.CharField(
        label="Connection id at Fivetran",
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs=PLAIN),
        error_messages={"required": "Enter the id of the connection, as Fivetran shows it"},
    )

    def __init__(self, data: QueryDict | None = None, *, pk: int, adopting: bool = False) -> None:
        super().__init__(data, auto_id=f"id_%s_{pk}")
        self.pk = pk
        self.fields["connection_id"].required = adopting
        self.fields["decision_reason"].error_messages["required"] = (
            "Enter the reason: it stays with the request, so that everybody can see later why this was done"
        )


class AdoptForm(Summed):
    """For a connection that was made elsewhere: who answers for it from now on, and why it is adopted."""

    bound_field_class = Marked
    owner = forms.CharField(
        label="Owner",
        help_text="The user name of who answers for it from now on: its requester here. Not you, for you approve it.",
        max_length=150,
        error_messages={"required": "Enter the user name of the owner"},
        widget=forms.TextInput(attrs=PLAIN),
    )
    reason = forms.CharField(
        label="Reason",
        help_text="The owner reads this. It stays with the request.",
        max_length=2000,
        error_messages={"required": "Enter the reason, so that the owner knows why it comes into the portal"},
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
    )

    def clean_owner(self) -> User:
        name = self.cleaned_data["owner"].strip()
        found = get_user_model()._default_manager.filter(username=name, is_active=True).first()
        if not isinstance(found, User):
            raise forms.ValidationError("Enter the user name of somebody with an active account in this portal")
        return found
