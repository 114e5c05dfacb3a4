"""The errors of a form for the summary at the top of its page."""

from django import forms


class Summed(forms.Form):
    """The page lists the errors on top, each a link to its control (`connections/_error_summary.html`)."""

    def summary(self) -> list[tuple[str, str, str]]:
        """(control's id, label, words) of every error that has a field, in the order of the page."""
        return [
            (bound.auto_id, str(bound.label).removesuffix(" (optional)"), str(words))
            for bound in self
            for words in bound.errors
        ]
