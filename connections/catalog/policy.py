"""The company's policy for the catalog: which services people may request, and their order."""

from collections.abc import Mapping
from dataclasses import dataclass

from connections.models import PortalPolicy, ServiceRule, Stance


@dataclass(frozen=True)
class Policy:
    rules: Mapping[str, ServiceRule]  # by service id
    listed_only: bool  # a service without a rule is refused

    def allows(self, service: str) -> bool:
        rule = self.rules.get(service)
        return rule.stance != Stance.DENIED if rule else not self.listed_only

    def refusal(self, service: str) -> str:
        """Why `service` cannot be requested, in a sentence; empty where it can."""
        if not service or self.allows(service):
            return ""
        rule = self.rules.get(service)
        if rule is None:
            return "Your company offers a list of services here, and this is not on it: choose one of the list"
        words = "Your company does not allow this service"
        return f"{words}: {rule.note}" if rule.note else f"{words}: choose another one"


def policy() -> Policy:
    rules = {rule.service: rule for rule in ServiceRule.objects.all()}
    return Policy(rules, PortalPolicy.objects.current().only_listed_services)


def refusal(service: str) -> str:
    return policy().refusal(service) if service else ""
