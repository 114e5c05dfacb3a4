"""`manage.py seed_demo`: the users that a trial logs in as."""

from functools import cache
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

PASSWORD = "demo-portal"  # noqa: S105  (printed at every start: these users exist only beside a sandbox)
# name: (first and last name, groups, staff, superuser)
PEOPLE: dict[str, tuple[str, tuple[str, ...], bool, bool]] = {
    "requester": ("Mara Lindqvist", (), False, False),
    "requester2": ("Jonas Weber", (), False, False),
    "approver": ("Priya Raman", ("Approvers",), True, False),
    "operator": ("Tomasz Nowak", ("Operators",), False, False),
    "auditor": ("Claire Dubois", ("Auditors",), False, False),
    "admin": ("Ada Okafor", (), True, True),
}


class Command(BaseCommand):
    help = "Create the demo users (password: demo-portal). Refuses unless the API root is this machine."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.FIVETRAN_IS_LOCAL:  # beside a real account: everybody knows the password
            raise CommandError(
                f"FIVETRAN_BASE_URL is {settings.FIVETRAN_BASE_URL}: the demo users are made only beside a local "
                "stand-in, since everybody knows their password. Create users with `manage.py createsuperuser` "
                "and in the admin."
            )
        made = create_people()
        if options["verbosity"] and made:
            self.stdout.write(f"Made {', '.join(made)}.")


@cache
def _hash() -> str:
    return make_password(PASSWORD)  # once: it takes a quarter of a second, and hides nothing here


@transaction.atomic
def create_people() -> list[str]:
    """Create the demo users that are missing, and give those without a password theirs again; returns their names."""
    made = []
    for username, (name, groups, staff, superuser) in PEOPLE.items():
        first, last = name.split()
        user, new = User.objects.get_or_create(
            username=username,
            defaults={
                "first_name": first,
                "last_name": last,
                "email": f"{username}@example.com",
                "is_staff": staff,
                "is_superuser": superuser,
            },
        )
        if new:
            user.groups.set(Group.objects.filter(name__in=groups))
        if new or not user.has_usable_password():
            user.password = _hash()
            user.save(update_fields=["password"])
            made.append(username)
    return made


@transaction.atomic
def without_known_passwords() -> list[str]:
    """Take away the password that everybody knows, and so end these sessions; returns the user names."""
    closed = []
    for user in User.objects.filter(username__in=PEOPLE):
        if user.check_password(PASSWORD):
            user.set_unusable_password()
            user.save(update_fields=["password"])
            closed.append(user.get_username())
    return closed
