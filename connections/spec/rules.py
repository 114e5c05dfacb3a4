"""Which fields apply, and which must be filled, given the other answers: data, evaluated here and in the browser."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True)
class When:
    """True while the answer at `path` is one of `values` (with `negate`: none of them).

    With `pattern`, a regular expression, the answer's text is searched instead: a list has one value a line, a missing
    answer matches nothing.
    """

    path: str
    values: tuple[Any, ...]
    negate: bool = False
    pattern: str = ""  # must mean the same to Python and to a browser: both evaluate it

    def holds(self, answers: Values) -> bool:
        answer = answers.get(self.path)
        if not self.pattern:
            return (answer in self.values) is not self.negate
        lines = answer if isinstance(answer, (list, tuple)) else [answer]
        text = "\n".join(str(line) for line in lines if line is not None)
        return bool(re.search(self.pattern, text)) is not self.negate


class Effect(StrEnum):
    APPLIES = "applies"  # and only then: otherwise the field is hidden and not sent
    ADVISED = "advised"  # in sight then; otherwise hidden while empty, and sent with a warning once it is filled
    REQUIRED = "required"
    FORCED = "forced"  # its value is `Rule.value`, whatever was chosen
    NO_EFFECT = "no_effect"  # sent, and Fivetran ignores it: the page says so
    WARNED = "warned"  # sent, and Fivetran may refuse it: the page says so
    REFUSED = "refused"  # Fivetran refuses it for certain, so the portal does


@dataclass(frozen=True)
class Rule:
    """While all of `when` hold; `reason` says it in words."""

    path: str
    effect: Effect
    when: tuple[When, ...]
    reason: str
    value: Any = None

    def holds(self, answers: Values) -> bool:
        return all(condition.holds(answers) for condition in self.when)


@dataclass(frozen=True)
class Verdict:
    """path -> reason, or path -> value in `forced`."""

    hidden: dict[str, str]
    required: dict[str, str]
    forced: dict[str, Any]
    no_effect: dict[str, str]
    warned: dict[str, str]
    refused: dict[str, str]


_DAILY = (When("sync_frequency", (1440,)), When("schedule_type", ("manual",), negate=True))
_CUSTOM = (When("data_delay_sensitivity", ("CUSTOM",)),)
_PRIVATE_LINK = (When("networking_method", ("PrivateLink",)),)
_PROXY = (When("networking_method", ("ProxyAgent",)),)
_CARD = (When("use_connect_card", (True,)),)

# Sources: the request body's own field descriptions in Fivetran's API reference for POST /v1/connections, and its
# Connect Card guide (which asks for run_setup_tests=false).
# A text that is no whole number, in words that mean the same to Python and to a browser. A spreadsheet's "1 440" and
# "6.0" are numbers.
NO_NUMBER = r"^(?![ ]*[+-]?[0-9][0-9 '’\u00a0\u202f]*(?:[.,]0{1,2})?[ ]*$)."
_NO_MINUTES = r"^(?![ ]*[0-9 '’\u00a0\u202f]*[1-9][0-9 '’\u00a0\u202f]*(?:[.,]0{1,2})?[ ]*$)."

RULES: tuple[Rule, ...] = (
    Rule("daily_sync_time", Effect.APPLIES, _DAILY, "only when syncing daily (1440) and not on a manual schedule"),
    Rule("data_delay_threshold", Effect.APPLIES, _CUSTOM, "only with data delay sensitivity CUSTOM"),
    Rule("data_delay_threshold", Effect.REQUIRED, _CUSTOM, "CUSTOM needs a threshold"),
    Rule(
        "data_delay_threshold",
        Effect.REFUSED,
        (*_CUSTOM, When("data_delay_threshold", (), pattern=_NO_MINUTES)),
        "enter the threshold in minutes, 1 or more",
    ),
    Rule("private_link_id", Effect.APPLIES, _PRIVATE_LINK, "only with networking method PrivateLink"),
    Rule("private_link_id", Effect.REQUIRED, _PRIVATE_LINK, "PrivateLink needs a private link"),
    Rule("proxy_agent_id", Effect.APPLIES, _PROXY, "only with networking method ProxyAgent"),
    Rule("proxy_agent_id", Effect.REQUIRED, _PROXY, "ProxyAgent needs a proxy agent"),
    Rule("connect_card_config.redirect_uri", Effect.APPLIES, _CARD, "only when handing over by Connect Card"),
    Rule("connect_card_config.redirect_uri", Effect.REQUIRED, _CARD, "the Connect Card needs a return address"),
    Rule("connect_card_config.hide_setup_guide", Effect.APPLIES, _CARD, "only when handing over by Connect Card"),
    Rule("connect_card_config.all_fields", Effect.APPLIES, _CARD, "only when handing over by Connect Card"),
    Rule("run_setup_tests", Effect.FORCED, _CARD, "with a Connect Card the tests run after the hand-over", value=False),
    Rule(
        "sync_frequency",
        Effect.NO_EFFECT,
        (When("schedule_type", ("manual",)),),
        "with a manual schedule the frequency has no effect",
    ),
)


def check(answers: Values, rules: Iterable[Rule] = RULES) -> Verdict:
    """`answers`: path -> typed value (booleans and integers, not their text).

    A field without an APPLIES rule always applies. A hidden field is never required.
    """
    rules = tuple(rules)

    def reasons(effect: Effect, *, holds: bool = True) -> dict[str, str]:
        return {rule.path: rule.reason for rule in rules if rule.effect is effect and rule.holds(answers) is holds}

    def is_filled(path: str) -> bool:
        under = f"{path}."  # the entries of a list
        return any(value not in (None, "") for name, value in answers.items() if f"{name}.".startswith(under))

    def unless_hidden(found: Mapping[str, str]) -> dict[str, str]:
        return {path: reason for path, reason in found.items() if path not in hidden}

    unusual = reasons(Effect.ADVISED, holds=False)
    filled = {path for path in unusual if is_filled(path)}
    empty = {path: reason for path, reason in unusual.items() if path not in filled}
    hidden = {**reasons(Effect.APPLIES, holds=False), **empty}
    # A value that is there is sent: it was typed, and what makes it unusual is known from prose only.
    warned = {path: f"usually {unusual[path]}; it is sent as it stands" for path in filled}
    return Verdict(
        hidden=hidden,
        required=unless_hidden(reasons(Effect.REQUIRED)),
        forced={rule.path: rule.value for rule in rules if rule.effect is Effect.FORCED and rule.holds(answers)},
        no_effect=reasons(Effect.NO_EFFECT),
        warned=unless_hidden({**reasons(Effect.WARNED), **warned}),
        refused=unless_hidden(reasons(Effect.REFUSED)),
    )


def as_json(rules: Iterable[Rule] = RULES) -> list[dict[str, Any]]:
    """For the browser's evaluator, `static/connections/rules.js`."""
    return [{**vars(rule), "when": [dict(vars(when)) for when in rule.when]} for rule in rules]
