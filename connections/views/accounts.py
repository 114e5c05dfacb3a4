"""The forgotten password, and a new one. Everything else about accounts is Django's own."""

from typing import Any

from axes.helpers import get_client_ip_address
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.views import PasswordChangeView, PasswordResetView
from django.http import HttpResponse, HttpResponseRedirect

from connections import workflow
from connections.forms.accounts import CountedPasswordChangeForm


class PasswordReset(PasswordResetView):
    """Django's page, the same answer for every address; the mail goes out with all others, not in this request."""

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        """Ask for the mail, whoever has that address."""
        address = form.cleaned_data["email"]
        workflow.ask_for_password_reset(
            accounts=list(form.get_users(address)),
            address=address,
            client=str(get_client_ip_address(self.request)),
        )
        return HttpResponseRedirect(self.get_success_url())


class PasswordChange(PasswordChangeView):
    """Django's page, with the log-in's limits for the old password."""

    form_class = CountedPasswordChangeForm

    def get_form_kwargs(self) -> dict[str, Any]:
        """The form counts under the address of the request."""
        return super().get_form_kwargs() | {"request": self.request}
