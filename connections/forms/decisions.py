"""The reason that goes with a decision."""

from django import forms


class ReasonForm(forms.Form):
    """Why a request is turned down or sent back; the requester reads it."""

    decision_reason = forms.CharField(
        label="Reason",
        help_text="The requester reads this.",
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "form-control"}),
        error_messages={"required": "Enter the reason, so that the requester knows what to change"},
    )
    use_required_attribute = False
