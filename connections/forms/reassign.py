"""Whose requests are handed over, which of them, to whom, and why."""

from typing import Any

from django import forms
from django.contrib.auth.models import User

from connections.forms.decisions import Prose
from connections.forms.summary import PLAIN, Marked, Summed

ALL = "all"
KINDS = (
    (ALL, "Everything: requests, connections and drafts"),
    ("requests", "Requests without a connection"),
    ("connections", "Connections"),
    ("drafts", "Drafts, which you do not read"),
)


class ReassignForm(Summed):
    """`with_kind`: of one person's requests; else for one request."""

    bound_field_class = Marked
    kind = forms.ChoiceField(
        label="What is handed over", choices=KINDS, widget=forms.Select(attrs={"class": "form-select"})
    )
    to = forms.CharField(
        label="To",
        help_text="The user name or e-mail address of who answers for it from now on. They are told by mail.",
        max_length=254,
        error_messages={"required": "Enter the user name or e-mail address of who answers for it from now on"},
        widget=forms.TextInput(attrs=PLAIN),
    )
    reason = Prose(
        label="Reason",
        help_text="It stays with each request, where everybody who sees the request can read it.",
        max_length=1000,
        error_messages={"required": "Enter the reason: it stays with the requests"},
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
    )

    def __init__(self, data: Any = None, *, with_kind: bool) -> None:
        super().__init__(data)
        if not with_kind:
            del self.fields["kind"]

    def clean_to(self) -> User:
        typed = self.cleaned_data["to"].strip()
        named = User.objects.filter(username=typed, is_active=True)
        found = list(named or User.objects.filter(email__iexact=typed, is_active=True)[:2])
        if len(found) != 1:
            raise forms.ValidationError(
                "Enter the user name or e-mail address of one person with an active account in this portal"
            )
        return found[0]
