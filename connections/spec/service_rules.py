"""What Fivetran's metadata says only in prose, as rules: which settings of a service apply, and when they are needed.
`service_rules.json` is made from the descriptions of the fields in Fivetran's API documentation.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from connections.spec.rules import Effect, Rule, When

_FILE = Path(__file__).with_name("service_rules.json")
_WITHOUT_CARD = When("use_connect_card", (True,), negate=True)  # with a card the source owner may enter it there
METHODS = ("Directly", "PrivateLink", "SshTunnel", "ProxyAgent")  # values of networking_method
IN_SIGHT = (Effect.APPLIES, Effect.ADVISED)  # the effects by which a setting comes into sight
FOLLOWING = ("config.connection_type", "config.connection_method")  # they say what networking_method says


@dataclass(frozen=True)
class Curation:
    in_sight: tuple[str, ...] = ()  # always shown, in this order; all paths begin with `config.`
    rules: tuple[Rule, ...] = field(default=())


@cache
def _data() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content


def curation(service: str, choices: Mapping[str, Collection[str]]) -> Curation:
    """`choices` holds every path (`config.…`) that the metadata of `service` knows, with the values it lists."""
    entry = _entry(service)
    sets: dict[str, list[dict[str, Any]]] = _data()["sets"]
    items = [*(item for name in ("everywhere", *entry.get("include", ())) for item in sets[name])]
    rules = (rule for item in (*items, *entry.get("rules", ())) for rule in _rules(item))
    known = [rule for rule in rules if _is_applicable(rule, choices)]
    closed = [_with_parents(rule, known) for rule in known]
    sight = tuple(path for name in entry.get("in_sight", ()) if (path := f"config.{name}") in choices)
    return Curation(sight, (*closed, *_following(choices)))


def first_cells(name: str) -> tuple[str, ...]:
    """The keys that come first in an entry of the list `name`: they say what the entry is about."""
    return tuple(_data()["cells"].get(name, ()))


def _entry(service: str) -> dict[str, Any]:
    found: dict[str, Any] = _data()["services"].get(service, {})
    return {**_entry(found["like"]), **found} if "like" in found else found


def _rules(item: Mapping[str, Any]) -> Iterator[Rule]:
    """One entry of the file: its `fields` apply `only` while …, and with `needed` must then be filled."""
    when = tuple(_whens(item.get("only", {}), negate=False)) + tuple(_whens(item.get("unless", {}), negate=True))
    for name in item["fields"]:
        # What prose says is advice, unless the entry calls it `certain`: Fivetran may take such a value all the same.
        yield Rule(f"config.{name}", Effect.APPLIES if item.get("certain") else Effect.ADVISED, when, item["reason"])
        if item.get("needed"):
            # What only the source owner may know is asked for in the card; `with_card` is asked for here all the same.
            conditions = when if item.get("with_card") else (*when, _WITHOUT_CARD)
            yield Rule(f"config.{name}", Effect.REQUIRED, conditions, item["needed"])


def _whens(conditions: Mapping[str, list[Any]], *, negate: bool) -> Iterator[When]:
    for name, values in conditions.items():
        path = name if name == "networking_method" else f"config.{name}"
        yield When(path, tuple(values), negate)


def _is_applicable(rule: Rule, choices: Mapping[str, Collection[str]]) -> bool:
    # A rule about an unknown path is dropped: a setting must never disappear because another one was renamed.
    conditions = (when.path for when in rule.when if when.path.startswith("config."))
    if rule.path not in choices or not all(path in choices for path in conditions):
        return False
    # A condition on values that the service does not offer could never hold. A setting without a list takes any value.
    asked = (when for when in rule.when if not when.negate and choices.get(when.path))
    return all(set(when.values) & set(choices[when.path]) for when in asked)


def _with_parents(rule: Rule, rules: list[Rule]) -> Rule:
    # A setting that depends on a hidden setting has to be hidden too.
    when, todo = list(rule.when), list(rule.when)
    while todo:
        path = todo.pop().path
        more = [w for r in rules if r.path == path and r.effect in IN_SIGHT for w in r.when if w not in when]
        when += more
        todo += more
    return Rule(rule.path, rule.effect, tuple(when), rule.reason)


def _following(choices: Mapping[str, Collection[str]]) -> Iterator[Rule]:
    """The service's own spelling of the networking method (OpenAPI: `SshTunnel`, `SSH_TUNNEL`, `privatelink`)."""
    for path in FOLLOWING:
        spelled = {_letters(value): value for value in choices.get(path, ())}
        for method in METHODS:
            if value := spelled.get(_letters(method)):
                when = (When("networking_method", (method,)),)
                yield Rule(path, Effect.FORCED, when, "it follows the networking method", value=value)


def method_of(spelled: str) -> str:
    return next((method for method in METHODS if _letters(method) == _letters(spelled)), "")


def _letters(value: str) -> str:
    plain = value.lower().replace("_", "")
    return "directly" if plain == "direct" else plain
