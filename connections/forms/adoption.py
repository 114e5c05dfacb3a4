"""Who is responsible from now on for a connection that was made elsewhere, and why it is adopted."""

from crispy_forms.helper import FormHelper
from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User

from connections.forms.layout import form_helper
from connections.forms.summary import PLAIN, Marked, Summed


class AdoptForm(Summed):
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

    @property
    def helper(self) -> FormHelper:
        return form_helper()
