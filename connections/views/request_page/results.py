"""The section "Setup tests": the newest run with what its failures mean, and the earlier ones."""

from dataclasses import dataclass

from connections.states import TESTS_OPEN
from connections.views.labels import FAILED_TESTS
from connections.views.request_page.connection_facts import Facts
from connections.views.request_page.diagnosis import Cards
from connections.views.request_page.handover import Shown
from connections.views.request_page.queries import source_owner
from connections.views.request_page.sections import Section
from connections.views.request_page.timeline import Run


@dataclass(frozen=True)
class Results:
    """`leads` is what leads the reader to the credentials, `again` what whoever corrects a failure does then."""

    facts: Facts
    runs: list[Run]
    cards: Cards
    handover: Shown | None
    leads: Section
    again: str = "run the tests again here"

    @property
    def acts(self) -> str:
        return source_owner(self.facts.connection.request)

    @property
    def leads_to_credentials(self) -> bool:
        # To the same form as the primary button on top, from where the failures are read.
        return self.leads.shown is not None and any(
            test.status in FAILED_TESTS for run in self.runs[:1] for test in run.tests
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
