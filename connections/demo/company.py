"""The company of the demo: its colleagues and teams, its rules for services and names, and its presets."""

from django.contrib.auth.models import Group, User

from connections.demo.management.commands.seed_demo import create_people
from connections.models import (
    AccessDestination,
    AccessGroup,
    AccessRule,
    PortalPolicy,
    Preset,
    ServiceRule,
    Stance,
    Team,
)

# The auditor is in none: whoever is in a team asks for connections too.
TEAMS: dict[str, tuple[str, ...]] = {
    "Finance": ("requester", "lena"),
    "Marketing": ("requester2",),
    "Sales": ("sofia",),
    "Logistics": ("kenji",),
    "Data Platform": ("approver", "operator", "admin"),
}
# Colleagues as whom nobody logs in.
COLLEAGUES = {"sofia": ("Sofia", "Marin"), "kenji": ("Kenji", "Sato"), "lena": ("Lena", "Vogt")}
LEFT = "lena"  # the company, at the end of the six weeks

# name -> destination, who may ask, who may approve
ACCESS_RULES: dict[str, tuple[tuple[str, str], tuple[str, ...], tuple[str, ...]]] = {
    "Logistics warehouse": (("gentle_prairie", "Logistics"), ("Logistics", "Data Platform"), ("Data Platform",)),
}

# service -> stance, position, note
SERVICE_RULES: dict[str, tuple[Stance, int, str]] = {
    "google_sheets": (Stance.RECOMMENDED, 10, "Share the sheet with the address that the form shows."),
    "postgres": (Stance.RECOMMENDED, 20, "Prefer a read replica."),
    "salesforce": (Stance.RECOMMENDED, 30, ""),
    "google_ads": (Stance.RECOMMENDED, 40, ""),
    "stripe": (Stance.RECOMMENDED, 50, "With a restricted key that may only read."),
    "sftp": (Stance.ALLOWED, 100, "For files of partners."),
    "email": (Stance.DENIED, 100, "Files go by SFTP, where we see who sent them."),
    "sugarcrm": (Stance.DENIED, 100, "Sales works with Salesforce: ask for that instead."),
}
NAMING_TEMPLATE = "{team}_{service}"
NAMING_HELP = "Your team first, so that everybody sees whose data it is: finance_stripe, sales_zendesk_eu."

PRESETS = (
    Preset(
        name="Google Sheet, every morning",
        description="One tab of a sheet, as a table in the production warehouse at 05:00 UTC.",
        service="google_sheets",
        group_id="amber_harbor",
        values={"sync_frequency": 1440, "daily_sync_time": "05:00", "config.auth_type": "ServiceAccount"},
        fixed=["service", "group_id", "sync_frequency", "daily_sync_time"],
        hidden=["config.auth_type"],
        position=10,
    ),
    Preset(
        name="PostgreSQL, hourly",
        description="A database of ours, into the production warehouse every hour.",
        service="postgres",
        group_id="amber_harbor",
        values={"sync_frequency": 60, "config.port": 5432, "config.update_method": "QUERY_BASED"},
        fixed=["service", "group_id", "sync_frequency"],
        position=20,
    ),
    Preset(
        name="Ads, daily",
        description="What an ad account spent, once a day, for Marketing.",
        service="google_ads",
        group_id="amber_harbor",
        values={"sync_frequency": 1440, "daily_sync_time": "04:00", "config.sync_mode": "AllAccounts"},
        fixed=["service", "sync_frequency"],
        position=30,
    ),
    Preset(
        name="Payments",
        description="A Stripe account, into the warehouse of Finance.",
        service="stripe",
        group_id="calm_lantern",
        values={"sync_frequency": 360},
        fixed=["service", "group_id"],
        position=40,
    ),
    Preset(
        name="Files from a partner",
        description="CSV files from an SFTP server, into the warehouse of Logistics.",
        service="sftp",
        group_id="gentle_prairie",
        values={"sync_frequency": 180, "config.file_type": "csv", "config.port": 22},
        fixed=["service", "group_id"],
        position=50,
    ),
)


def hire() -> dict[str, User]:
    """Everybody by user name, each in their team."""
    create_people()
    for username, (first, last) in COLLEAGUES.items():
        person, new = User.objects.get_or_create(
            username=username,
            defaults={"first_name": first, "last_name": last, "email": f"{username}@example.com"},
        )
        if new:
            person.set_unusable_password()
            person.save(update_fields=["password"])
    people = {person.username: person for person in User.objects.all()}
    for team, members in TEAMS.items():
        group, _ = Group.objects.get_or_create(name=team)
        group.user_set.add(*(people[name] for name in members))
        Team.objects.get_or_create(group=group)
    return people


def leave(people: dict[str, User]) -> None:
    """What is left behind waits for the team, and for an operator."""
    people[LEFT].is_active = False
    people[LEFT].save(update_fields=["is_active"])


def make_rules() -> None:
    """What an administrator sets in the admin; what is there already stays."""
    for service, (stance, position, note) in SERVICE_RULES.items():
        ServiceRule.objects.get_or_create(
            service=service, defaults={"stance": stance, "position": position, "note": note}
        )
    PortalPolicy.objects.get_or_create(pk=1, defaults={"naming_template": NAMING_TEMPLATE, "naming_help": NAMING_HELP})
    Preset.objects.bulk_create(PRESETS, ignore_conflicts=True)
    for name, ((group_id, destination), asking, approving) in ACCESS_RULES.items():
        rule, new = AccessRule.objects.get_or_create(name=name)
        if not new:
            continue
        AccessDestination.objects.create(rule=rule, group_id=group_id, name=destination)
        for group in Group.objects.filter(name__in=[*asking, *approving]):
            rights = {"may_request": group.name in asking, "may_approve": group.name in approving}
            AccessGroup.objects.create(rule=rule, group=group, **rights)
