"""What the newest run of the setup tests means: a card for each test that failed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.html import format_html

from connections import catalog
from connections.models import ConnectionRequest
from connections.spec import characters, payloads
from connections.spec.diagnosis import FAILED, WARNING, Diagnosis, Who, addresses, diagnose
from connections.states import TESTS_OPEN
from connections.views.request_page import queries, timeline
from connections.views.request_page.connection_facts import Facts
from connections.views.request_page.handover import Shown
from connections.views.request_page.sections import Section

_OF_GROUP = frozenset({"addresses", "public_key", "region", "service_account"})
_OF_CONFIG = ("bucket", "database", "host", "port", "tunnel_host", "tunnel_port", "tunnel_user", "user")
_NAMED = 3
_PATIENCE = timedelta(minutes=1)  # how long after a run the page still expects the key that was asked for


@dataclass(frozen=True)
class Card:
    """With a diagnosis it says who acts, by name where the name is known; without one it has Fivetran's guide."""

    diagnosis: Diagnosis | None
    person: str = ""
    guide: str = ""

    @property
    def template(self) -> str:
        return f"connections/request_page/_{'diagnosis' if self.diagnosis else 'guide'}.html"

    @property
    def whoever_acts_tests_again(self) -> bool:
        # What is approved here is told to Fivetran by the portal, which then runs the tests by itself.
        return self.diagnosis is not None and self.diagnosis.who is not Who.APPROVER

    @property
    def acts(self) -> str:
        label = self.diagnosis.who.label if self.diagnosis else ""
        return format_html("{}: <bdi>{}</bdi>", label, characters.visible(self.person)) if self.person else label


@dataclass(frozen=True)
class Cards:
    """By the test's id; `waits` while a worker may still be asking for a value that a card names."""

    by_test: dict[int, Card] = field(default_factory=dict)
    waits: bool = False


def cards(conn_request: ConnectionRequest, runs: list[timeline.Run], *, named: bool = True) -> Cards:
    # 1. Which tests get a card: those that failed, and the warnings that have a diagnosis.
    tests = (
        [] if conn_request.deleted_at_fivetran_at or not runs else [t for t in runs[0].tests if t.status in _LOOKED_AT]
    )
    found = {test.pk: diagnosis_of(conn_request, test, {}) for test in tests}
    # 2. What the diagnoses name is read only if one of them names it: most pages need none.
    needs = {name for one in found.values() if one for name in one.needs}
    group = catalog.group_of(conn_request.group_id) if needs & _OF_GROUP else catalog.Group()
    if needs:
        facts = known_values(conn_request, group)
        found = {test.pk: diagnosis_of(conn_request, test, facts) for test in tests}
    # 3. The source owner reads it without names: nothing can be approved on that page.
    if not named:
        found = {pk: one and replace(one, act=one.outside) for pk, one in found.items()}
    unknown = any(found[test.pk] is None and test.status in FAILED for test in tests)
    guide = catalog.guide_at(conn_request.guide) if unknown else ""  # type: ignore[attr-defined]  # annotated by queries.find()
    people = people_who_act(conn_request, {one.who for one in found.values() if one}) if named else {}
    return Cards(
        {
            test.pk: Card(one, people.get(one.who, "") if one else "", guide)
            for test in tests
            if (one := found[test.pk]) or test.status in FAILED
        },
        waits=group.is_asked_for and abs(timezone.now() - runs[0].row.finished_at) < _PATIENCE,
    )


_LOOKED_AT = FAILED | {WARNING}


def poll_seconds(found: Cards) -> int:
    """While a key is being asked for; else 0."""
    return 5 if found.waits else 0


def diagnosis_of(conn_request: ConnectionRequest, test: Any, facts: Mapping[str, str]) -> Diagnosis | None:
    said = f"{test.message} {test.details}" if isinstance(test.details, str) else test.message
    return diagnose(conn_request.service, test.title, test.status, said, facts)


def known_values(conn_request: ConnectionRequest, group: catalog.Group) -> dict[str, str]:
    """Placeholder -> value, from the portal's own body, never a secret, and from what is known of the group."""
    config = payloads.config_of(conn_request.payload or {})
    typed = {name: config.get(name) for name in _OF_CONFIG if not payloads.is_secret(name)}
    return {
        **{name: str(value) for name, value in typed.items() if isinstance(value, (str, int))},
        "addresses": addresses(group.region),
        "group_id": conn_request.group_id,
        "public_key": group.public_key,
        "region": group.region,
        "schema": conn_request.schema,
        "service": conn_request.service,
        "service_account": group.service_account,
    }


def people_who_act(conn_request: ConnectionRequest, who: Iterable[Who]) -> dict[Who, str]:
    found = {Who.SOURCE_OWNER: queries.source_owner(conn_request)}
    if Who.APPROVER in set(who):
        found[Who.APPROVER] = ", ".join(queries.trust_approvers(conn_request, _NAMED))
    return found


# --- the section "Setup tests" ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Results:
    """`leads` is what leads the reader to the credentials, `again` what whoever corrects a failure does then."""

    facts: Facts
    runs: list[timeline.Run]
    cards: Cards
    handover: Shown | None
    leads: Section
    again: str = "run the tests again here"

    @property
    def acts(self) -> str:
        return queries.source_owner(self.facts.connection.request)

    @property
    def leads_to_credentials(self) -> bool:
        # To the same form as the primary button on top, from where the failures are read.
        return self.leads.shown is not None and any(
            test.status in FAILED for run in self.runs[:1] for test in run.tests
        )

    @property
    def is_open(self) -> bool:
        return self.facts.connection.tests in TESTS_OPEN

    @property
    def none_yet(self) -> str:
        if self.runs or self.is_open:
            return ""
        later = (
            " They run by themselves once the credentials are there." if self.handover and self.handover.waits else ""
        )
        return f"No setup tests have run.{later}"
