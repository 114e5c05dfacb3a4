"""The errors of a form as the summary on top of its page lists them."""

from django import forms


class Summed(forms.Form):
    """A form whose page lists the errors on top, each a link to its control (`connections/_error_summary.html`)."""

    def summary(self) -> list[tuple[str, str, str]]:
        """(control's id, label, words) of every error that has a field, as they stand on the page."""
        return [
            (bound.auto_id, str(bound.label).removesuffix(" (optional)"), str(words))
            for bound in self
            for words in bound.errors
        ]
