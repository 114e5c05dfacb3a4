"""People in teams, and requests of theirs."""

from django.contrib.auth.models import Group, User

from connections.models import Team
from tests import factories


def team(*members: User, name: str = "Finance") -> Team:
    """A team of these people."""
    made = Team.objects.create(group=Group.objects.create(name=name))
    for person in members:
        person.groups.add(made.group)
    return made


def fresh(user: User) -> User:
    """The same person without the rights that were read before."""
    return User.objects.get(pk=user.pk)


def pair(role: str = "requester", other: str = "requester") -> tuple[User, User]:
    """Two people of one team."""
    first, second = factories.person(role), factories.person(other)
    team(first, second)
    return first, second
