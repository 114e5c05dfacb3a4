"""Who holds which right, and the groups and teams through which they do."""

from collections import defaultdict
from collections.abc import Iterator

from django.contrib.auth.models import Group, Permission, User
from django.db.models import OuterRef, Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from connections import permissions
from connections.models import AccessGroup, ConnectionRequest, Preset, Team
from connections.models.capped_count import CappedCount, in_words
from connections.permissions import Person
from connections.views.audit.sections import Cell, Table, people_cell, sections
from portal.sign_on.models import DirectoryRole

COUNTED = 1000
# In words, and by the codename of each right.
RIGHTS = {
    "Decide on requests and changes": "approve_request",
    "Approve certificates and fingerprints": "approve_trust",
    "Operate the portal": "operate_portal",
    "See everybody’s requests": "view_all_requests",
    "Read the record": "read_record",
}
_IN_ADMIN = {
    "Change access rules": "connections.change_accessrule",
    "Change the policy": "connections.change_portalpolicy",
    "Change people and their groups": "auth.change_user",
}
_BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    permissions.check_sees_operations(request.user)
    members = _members()
    context = {
        "sections": sections(request),
        "title": "People",
        "lead": "Who holds which right at this moment, and through which groups. People without an active account are "
        "left out.",
        "tables": [
            _rights(request.user),
            _teams(request.user, members),
            _groups(request.user, members),
            _directory(),
        ],
    }
    return render(request, "connections/audit/tables.html", context)


def _members() -> dict[int, list[User]]:
    """Group -> its active members."""
    people = {one.pk: one for one in User.objects.filter(is_active=True)}
    found: dict[int, list[User]] = defaultdict(list)
    for group, person in User.groups.through.objects.values_list("group_id", "user_id"):
        if person in people:
            found[group].append(people[person])
    return found


def _rights(reader: Person) -> Table:
    rows = [(Cell(words), people_cell(reader, permissions.holders(name))) for words, name in RIGHTS.items()]
    active = User.objects.filter(is_active=True)
    for words, name in _IN_ADMIN.items():
        holders = User.objects.with_perm(name, backend=_BACKEND).filter(is_active=True, is_staff=True)
        rows.append((Cell(words), people_cell(reader, holders)))
    rows.append((Cell("Open the administration"), people_cell(reader, active.filter(is_staff=True))))
    rows.append((Cell("Everything (superusers)"), people_cell(reader, active.filter(is_superuser=True))))
    says = "Access rules narrow the first two: to decide somewhere, one needs the right and a rule that lets one in."
    return Table("Rights", ("Right", "Who holds it"), rows, says=says)


def _teams(reader: Person, members: dict[int, list[User]]) -> Table:
    submitted = ConnectionRequest.objects.filter(team=OuterRef("pk"), submitted_at__isnull=False)
    filed = CappedCount(submitted, most=COUNTED)
    teams = Team.objects.select_related("group").annotate(filed=filed).order_by("group__name")
    rows = [
        (
            Cell(str(team)),
            people_cell(reader, members[team.group_id], "nobody: an operator hands its requests over"),
            Cell(in_words(number, COUNTED)),
        )
        for team, number in zip(teams, teams.values_list("filed", flat=True), strict=True)
    ]
    says = "Members see and continue each other’s requests."
    return Table("Teams", ("Team", "Members", "Requests"), rows, says=says, nothing="No group is a team.")


def _groups(reader: Person, members: dict[int, list[User]]) -> Table:
    related = (
        Prefetch("permissions", Permission.objects.order_by("name")),
        Prefetch("access", AccessGroup.objects.select_related("rule").order_by("rule__name")),
        Prefetch("presets", Preset.objects.order_by("name")),
    )
    rows = [
        (
            Cell(group.name),
            people_cell(reader, members[group.pk]),
            Cell("; ".join(_gives(group)) or "nothing by itself"),
        )
        for group in Group.objects.prefetch_related(*related).order_by("name")
    ]
    return Table("Groups", ("Group", "Members", "What it gives"), rows, nothing="There is no group.")


def _gives(group: Group) -> Iterator[str]:
    yield from (one.name.removeprefix("Can ") for one in group.permissions.all())
    for entry in group.access.all():
        rights = " and ".join(
            words for words, given in (("ask", entry.may_request), ("approve", entry.may_approve)) if given
        )
        yield f"lets {rights} by the rule “{entry.rule}”{'' if entry.rule.active else ', which is off'}"
    yield from (f"decides on the preset “{one}”" for one in group.presets.all())


def _directory() -> Table:
    rows = [
        (
            Cell(role.directory_group),
            Cell(", ".join([*([role.group.name] if role.group else []), *(str(one.label) for one in role.flags)])),
            Cell("in force" if role.is_on else "off"),
        )
        for role in DirectoryRole.objects.select_related("group")
    ]
    says = "At each log-in by the company, members of these groups of the directory get this."
    heads = ("Group of the directory", "What its members get", "State")
    return Table("Directory", heads, rows, says=says, nothing="The company’s directory gives nothing here.")
