"""The reason that goes with a decision."""

from typing import Any

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


class OperatorsReasonForm(ReasonForm):
    """Why an operator stops the sending; the other operators read it."""

    no_reason = "Enter the reason, so that the other operators know why"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["decision_reason"].error_messages["required"] = self.no_reason


class SettleForm(OperatorsReasonForm):
    """How an operator settles a request; the connection's id counts only for adopting it."""

    no_reason = "Enter the reason: it stays with the request, so that everybody can see later why this was done"

    connection_id = forms.CharField(
        label="Connection id at Fivetran",
        max_length=255,
        required=False,
        error_messages={"required": "Enter the id of the connection, as Fivetran shows it"},
    )

    def __init__(self, *args: Any, adopting: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["connection_id"].required = adopting
