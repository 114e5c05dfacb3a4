"""The forgotten password, and a new one; all other pages of accounts are Django's own."""

from typing import Any

from axes.helpers import get_client_ip_address
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.views import PasswordChangeView, PasswordResetView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from connections import workflow
from connections.forms.accounts import CountedPasswordChangeForm
from portal.sign_on.local_accounts import has_local_password


class PasswordReset(PasswordResetView):
    # The answer is the same for every address, so that it tells nobody who has an account. The mail goes out with all
    # others, not in this request.
    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        address = form.cleaned_data["email"]
        workflow.ask_for_password_reset(
            accounts=[person for person in form.get_users(address) if has_local_password(person)],
            address=address,
            client=str(get_client_ip_address(self.request)),
        )
        return HttpResponseRedirect(self.get_success_url())


class PasswordChange(PasswordChangeView):
    form_class = CountedPasswordChangeForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not has_local_password(request.user):
            return render(request, "registration/no_password.html")
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer

    def get_form_kwargs(self) -> dict[str, Any]:
        # The form counts wrong old passwords as the log-in does, under the address of the request.
        return super().get_form_kwargs() | {"request": self.request}
