"""People in the admin, and the way back for somebody who lost the second factor."""

from typing import Any, cast

from allauth.socialaccount.models import SocialAccount
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from portal import sessions
from portal.sign_on import addresses, local_accounts, second_factor
from portal.sign_on.record import Topic, put_on_record

_ONE = "Select one person: each removal has a reason of its own."
_OWN = "Your own second factor another administrator removes, or you yourself on your page."
_ABOVE = "Only somebody who may do everything removes the second factor of such a person."
_NONE = "This person has no second factor."
_THE_COMPANYS = (
    "This account is the company’s: it logs in there, and has no password here. Only the accounts that "
    "LOCAL_ADMINISTRATORS names have both."
)

_TAKEN = (
    "Another account has this e-mail address. One person has one account: with two, one could approve what the other "
    "asked for."
)


class Reason(forms.Form):
    reason = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="How you know that it is this person who asks. It stays in the log, and the person reads it.",
    )


class PersonForm(UserChangeForm):  # type: ignore[type-arg]  # no parameters at run time
    class Meta(UserChangeForm.Meta):
        help_texts = {
            "email": "No other account can have it. Where your company’s log-in says that an address is verified, that "
            "one stands here again after the next log-in."
        }

    def clean_email(self) -> str:
        address = str(self.cleaned_data["email"])
        if address and "email" in self.changed_data and addresses.other_holder(address, self.instance):
            raise forms.ValidationError(_TAKEN)
        return address


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]  # no parameters at run time
    def clean(self) -> dict[str, Any]:
        found = dict(super().clean() or self.cleaned_data)
        # It would be a second door, behind which the directory's word does not reach.
        is_named = local_accounts.is_named(self.user.username)
        if found["set_usable_password"] and not is_named and SocialAccount.objects.filter(user=self.user).exists():
            self.add_error("password1", _THE_COMPANYS)
        return found


admin.site.unregister(User)


@admin.register(User)
class PeopleAdmin(UserAdmin):  # type: ignore[type-arg]  # no parameters at run time
    form = PersonForm
    change_password_form = PasswordForm
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "has_second_factor")
    actions = ("remove_second_factor",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[User]":
        own = second_factor.main_factors(OuterRef("pk"))
        people: QuerySet[User] = super().get_queryset(request).annotate(has_second_factor=Exists(own))
        return people

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data:
            addresses.release(obj)

    @admin.display(description="second factor")
    def has_second_factor(self, person: User) -> str:
        if not local_accounts.has_local_password(person):
            return "not asked for here"
        return "set up" if person.has_second_factor else "none"  # type: ignore[attr-defined]  # by get_queryset()

    @admin.action(description="Remove the second factor…", permissions=["change"])
    def remove_second_factor(self, request: HttpRequest, queryset: "QuerySet[User]") -> HttpResponse | None:
        people = list(queryset[:2])
        if obstacle := _obstacle(request, people):
            self.message_user(request, obstacle, messages.ERROR)
            return None
        [person] = people
        form = Reason(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            context: dict[str, Any] = {"person": person, "form": form, "title": "Remove the second factor"}
            context |= {**self.admin_site.each_context(request), "opts": self.opts}
            return TemplateResponse(request, "admin/sign_on/remove_second_factor.html", context)
        with transaction.atomic():
            second_factor.remove_all(person)
            sessions.end_all_of(person.pk)
            words = f"Removed the second factor. Reason: {form.cleaned_data['reason']}"
            put_on_record(person, words, topic=Topic.SECOND_FACTOR, by=cast(User, request.user), tell=[person])
        self.message_user(request, f"{person} sets up a second factor anew at the next log-in.", messages.SUCCESS)
        return None


def _obstacle(request: HttpRequest, people: list[User]) -> str:
    if len(people) != 1:
        return _ONE
    [person] = people
    if person.pk == request.user.pk:
        return _OWN
    if person.is_superuser and not getattr(request.user, "is_superuser", False):
        return _ABOVE
    return "" if second_factor.is_set_up(person) else _NONE
