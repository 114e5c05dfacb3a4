"""The section "Setup tests": the newest run with what its failures mean, and the earlier ones."""

from dataclasses import dataclass

from connections.states import TESTS_OPEN
from connections.views.request_page.connection_facts import Facts
from connections.views.request_page.diagnosis import Cards
from connections.views.request_page.handover import Shown
from connections.views.request_page.timeline import Run


@dataclass(frozen=True)
class Results:
    """`acts` is who corrects what fails, `again` what they do then."""

    facts: Facts
    runs: list[Run]
    cards: Cards
    handover: Shown | None
    acts: str
    again: str = "run the tests again here"

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
