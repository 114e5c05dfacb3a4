"""The forgotten password, and a new one; all other pages of accounts are Django's own."""

from typing import Any

from axes.helpers import get_client_ip_address
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.views import PasswordChangeView, PasswordResetView
from django.http import HttpResponse, HttpResponseRedirect

from connections import workflow
from connections.forms.accounts import CountedPasswordChangeForm


class PasswordReset(PasswordResetView):
    # The answer is the same for every address, so that it tells nobody who has an account. The mail goes out with all
    # others, not in this request.
    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        address = form.cleaned_data["email"]
        workflow.ask_for_password_reset(
            accounts=list(form.get_users(address)),
            address=address,
            client=str(get_client_ip_address(self.request)),
        )
        return HttpResponseRedirect(self.get_success_url())


class PasswordChange(PasswordChangeView):
    form_class = CountedPasswordChangeForm

    def get_form_kwargs(self) -> dict[str, Any]:
        # The form counts wrong old passwords as the log-in does, under the address of the request.
        return super().get_form_kwargs() | {"request": self.request}
