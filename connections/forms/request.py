"""The request form: every field of `POST /v1/connections` with our own beside them, judged by the server's rules."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from functools import cached_property
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.urls import reverse

from connections import catalog
from connections.forms.config import Naming, ServiceConfig, Setting, config_for, naming_for, settings_in
from connections.forms.config_controls import ANOTHER, TYPE_IT, config_control, wrong_with
from connections.forms.controls import Text, as_cards, control, own_return_address, refuse, truth
from connections.forms.layout import BELOW_METHOD, config_layout, form_helper, place_of, request_layout
from connections.forms.offers import fitting, offers, open_to
from connections.forms.rows import MOST, folded, text_of, tidied, too_many, unfolded
from connections.forms.strangers import meant, strangers, unknown_words, with_underscores, words_of_path
from connections.forms.summary import Marked
from connections.forms.typed_text import from_codes, is_separator, tidy, trimmed
from connections.permissions import EVERYTHING, NOWHERE, MayAsk
from connections.spec.fields import FIELDS, NAMING, NAMING_SHAPES, Field, Type
from connections.spec.payloads import SECRETS_KEYS, is_of_service, is_secret
from connections.spec.rules import RULES, Effect, Rule, Verdict, as_json, check
from connections.spec.service_rules import FOLLOWING, IN_SIGHT, method_of

_EMPTY = (None, "")
_GROUP_ID = re.compile(r"[a-z0-9_-]+")
CARD = "use_connect_card"
DRAWN_FOR = "drawn_for"  # the service for which the posted controls were drawn


class Purpose(Enum):
    SUBMIT = auto()  # posted to be submitted: nothing may be missing
    KEEP = auto()  # a draft, stored values, the review: what is there is judged, what is missing is not
    LINK = auto()  # like KEEP, and a value in a field that does not apply is an error: nobody saw it being hidden


class RequestForm(forms.Form):
    """Always bound: to what was posted, to a link's parameters, or to stored values.

    `texts` are name -> text, complete with defaults; `given` are the names that a person or a link filled. What the
    texts mean is in `values()` and `kept()`. `metadata` is the service's where the caller has just read it; else that
    of the catalog counts. `may_ask`: what the person who fills it may ask for.
    """

    use_required_attribute = False
    edited = 0  # the number of the request whose form this is
    bound_field_class = Marked

    def __init__(
        self,
        texts: Mapping[str, str],
        *,
        purpose: Purpose,
        given: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        may_ask: MayAsk = EVERYTHING,
    ) -> None:
        action = texts.get("action", "") if purpose is not Purpose.LINK else ""
        super().__init__(data=tidied({name: tidy(name, text) for name, text in texts.items()}, action))
        self.typing = frozenset(name for name, text in self.data.items() if text == ANOTHER)
        self.data = {**self.data, **dict.fromkeys(self.typing, "")}
        self.may_ask = may_ask
        self.purpose, self.given = purpose, frozenset(tidied(dict.fromkeys(given, "")))
        self.missing: dict[str, Field] = {}
        self._told: tuple[tuple[str, ...], dict[str, Any]] | None = None  # what `values` found
        self.notes: dict[str, str] = {}  # name of a list of objects -> what is doubtful about it
        service = self.data.get("service", "")
        detail = dict(metadata) if metadata is not None else catalog.metadata_of(service) if service else None
        told = catalog.service_config_of(detail)
        self.naming: Naming = naming_for(service, self.data, told)
        self.config: ServiceConfig = config_for(service, told, self.data, (detail or {}).get(SECRETS_KEYS))
        # By default the source owner is asked where the service has something that only they may enter.
        self.suggests_card = bool(self.config.secrets) or catalog.needs_authorisation(detail)
        self.data = {CARD: text_of(self.suggests_card), **self.data}
        told = offers(field.path for field in FIELDS)
        self.offers, self._all_services = open_to(may_ask, told), told["service"]
        # Whether there are destinations, and none is open to whoever fills the form.
        self.is_closed = bool(told["group_id"].options) and not self.offers["group_id"].options
        self.of_offers = fitting(self.offers)
        self.rules: tuple[Rule, ...] = (*RULES, *self.of_offers, *self.config.rules)
        self.of_request = tuple(field for field in FIELDS if not field.constant)
        self.of_service: tuple[Field, ...] = (*self.naming.fields, *self.config.fields)
        for field in self._in_order.values():
            self.fields[field.name] = self._control(field)

    @classmethod
    def from_post(cls, post: Mapping[str, str], purpose: Purpose, may_ask: MayAsk = EVERYTHING) -> "RequestForm":
        """An absent checkbox is off, any other absent control has its default."""
        unticked = {field.name: "" for field in FIELDS if field.type is Type.BOOLEAN}
        texts = {**default_texts(), **unticked, **{name: post[name] for name in post}}
        if is_to_be_redrawn(post):
            del texts[CARD]
        return cls(texts, purpose=purpose, given=post, may_ask=may_ask)

    @classmethod
    def from_link(cls, query: Mapping[str, str], may_ask: MayAsk = EVERYTHING) -> "RequestForm":
        """A new form, pre-filled by the parameters of a link."""
        given = with_underscores({name: query[name] for name in query if tidy(name, query[name])})
        # Who asks for the tests at once asks for no hand-over, which comes before them.
        card = {CARD: ""} if truth(given.get("run_setup_tests", "")) else {}
        texts = {**default_texts(), **card, **told_method(given), **given}
        return cls(texts, purpose=Purpose.LINK, given=given, may_ask=may_ask)

    @classmethod
    def from_values(
        cls,
        values: Mapping[str, Any],
        purpose: Purpose = Purpose.KEEP,
        metadata: Mapping[str, Any] | None = None,
        may_ask: MayAsk = EVERYTHING,
    ) -> "RequestForm":
        """Of a draft, of a request that is edited, or of one that is cloned."""
        texts = unfolded(values)
        return cls({**default_texts(), **texts}, purpose=purpose, given=texts, metadata=metadata, may_ask=may_ask)

    @cached_property
    def _in_order(self) -> dict[str, Field]:
        # The order of the page; the error summary lists the fields in this order too.
        below = {field.name for field in settings_in(self.config.networking)}
        ordered = sorted(
            (*self.of_request, *self.of_service), key=lambda f: BELOW_METHOD if f.name in below else place_of(f)[1]
        )
        return {field.name: field for field in ordered}

    def _control(self, field: Field) -> forms.Field:
        offered = self.offers.get(field.path)
        if isinstance(field, Setting):
            optional = field in (*self.config.in_sight, *self.config.networking) and not self.may_be_needed(field)
            made = config_control(field, optional=optional, typing=field.name in self.typing)
        else:
            made = control(field, offered)
            if field.path == "networking_method":
                as_cards(made)
        if offered is not None and offered.note:
            made.help_text = f"{field.help} {offered.note}".strip()
        if applies := [r.reason for r in self.rules if r.path == field.path and r.effect in IN_SIGHT]:
            made.applies = applies[0]  # type: ignore[attr-defined]  # said where no script hides the control
        made.reference = field.path  # type: ignore[attr-defined]
        text = self._read(field.name, made)
        if hasattr(made, "keep"):
            made.keep(text)
        if getattr(made, "warning", ""):
            made.widget.attrs["aria-describedby"] = f"id_{field.name}_warning id_{field.name}_helptext"
        if why := self._closed(field.path, text):
            refuse(made, why)
        if field.path == "service" and offered and offered.known:
            made.widget.attrs["data-services"] = reverse("connections:services")
        return made

    def _closed(self, path: str, text: str) -> str:
        """Why the company, or its access rules, refuse this service or destination; empty where they do not."""
        if path == "group_id":
            # While Fivetran's list is unknown: written in another way it would be no destination that a rule names.
            if trimmed(text) and not self.offers[path].known and not _GROUP_ID.fullmatch(trimmed(text)):
                return "Enter the destination’s id as Fivetran shows it: small letters, digits, _ and -"
            return self.may_ask.refusal(text, self.data.get("service", ""), self.offers[path].name_of(text))
        if path != "service" or self.offers[path].name_of(text):
            return ""
        return NOWHERE if self._all_services.name_of(text) else catalog.refusal(text)

    def _read(self, name: str, made: forms.Field) -> str:
        # A spreadsheet changes texts ("3:00" for 03:00): the control shows the value that was meant.
        text = typed = str(self.data.get(name, ""))
        if not trimmed(text) and not is_separator(name) and not isinstance(made, Text):
            text = ""
        if text and hasattr(made, "read"):
            text = made.read(text)
        if text != typed:
            self.data = {**self.data, name: text}
        return text

    # --- judging ---------------------------------------------------------------------------------------------------
    def clean(self) -> dict[str, Any]:
        # 1. What no control can mean is refused by its own name, whatever the control says of it.
        for name, made in self.fields.items():
            if (text := str(self.data.get(name, ""))) and (why := wrong_with(made, text)):
                self.errors.pop(name, None)
                self.add_error(name, why)
        # 2. The rules: what does not apply, what may be refused, what must not be sent.
        self.verdict: Verdict = check(self._answers(), self.rules)
        for field in (*self.of_request, *self.of_service):
            if reason := self.why_hidden(field.path):
                self._judge_hidden(field, reason)
        self._doubt()
        self._refuse_secrets()
        if too_many(self.data):
            self.add_error(None, f"Use {MOST} entries or fewer in a list")
        if lists := self.config.lacking:
            self.add_error(None, f"Use fewer entries in {', '.join(lists)}: there are more than the form can hold")
        if self.purpose is Purpose.LINK:
            self._judge_link()
        # 3. What is missing, given the other answers.
        for field in (*self.of_request, *self.of_service):
            if self._is_needed(field) and self._is_empty(field):
                self.missing[field.name] = field
                if self.purpose is Purpose.SUBMIT:
                    self.add_error(field.name, field.enter)
            if field.name in self.typing and not self.why_hidden(field.path):
                self.add_error(field.name, TYPE_IT)
        self._judge_names()
        # 4. Django leaves alone what a widget with a warning names already, so it names the error here.
        for name in self.errors:
            attrs = self.fields[name].widget.attrs if name in self.fields else {}
            if described := attrs.get("aria-describedby"):
                attrs["aria-describedby"] = f"id_{name}_error {described}"
        return self.cleaned_data

    def _doubt(self) -> None:
        # What Fivetran refuses for certain is an error; what it may refuse is a remark beside the field.
        for path, reason in self.verdict.refused.items():
            if (name := path.replace(".", "__")) in self.fields and name not in self.errors:
                self.add_error(name, f"{reason[:1].upper()}{reason[1:]}")
        for path, reason in {**self.verdict.no_effect, **self.verdict.warned}.items():
            words = f"{reason[:1].upper()}{reason[1:]}"
            if (rows := self.config.lists.get(path)) is not None:
                self.notes[rows.name] = words
            else:
                self._remark(path.replace(".", "__"), words)

    def _remark(self, name: str, words: str) -> None:
        if (made := self.fields.get(name)) is not None:
            made.note = words  # type: ignore[attr-defined]
            before = made.widget.attrs.get("aria-describedby", f"id_{name}_helptext")
            made.widget.attrs["aria-describedby"] = f"id_{name}_note {before}"

    def why_hidden(self, path: str) -> str:
        """Why the field, or the list that it is in, does not apply; empty where it does."""
        beginnings = (h for h in self.verdict.hidden if path == h or path.startswith(f"{h}."))
        return next((self.verdict.hidden[h] for h in beginnings), "")

    def _is_needed(self, field: Field) -> bool:
        # Of a needed list the first control is needed, and of an entry in use what it needs.
        if self.why_hidden(field.path):
            return False
        if field.required or field.path in self.verdict.required:
            return True
        if not isinstance(field, Setting) or not field.entry:
            return False
        if field.part.required and self._is_used(field.path.rpartition(".")[0]):
            return True
        rows = next(found for path, found in self.config.lists.items() if field.path.startswith(f"{path}."))
        if not (rows.required or rows.path in self.verdict.required) or self._is_used(rows.path):
            return False
        return field.path == next(settings_in([rows])).path

    def _is_used(self, path: str) -> bool:
        beginning = path.replace(".", "__") + "__"
        return any(text for name, text in self.data.items() if name.startswith(beginning))

    def may_be_needed(self, field: Field) -> bool:
        return field.required or any(r.path == field.path and r.effect is Effect.REQUIRED for r in self.rules)

    def _refuse_secrets(self) -> None:
        names = (name for name in self.data if name.startswith("config__") and name not in self.fields)
        keys = [name.removeprefix("config__") for name in names if self._is_secret(name)]
        if keys:  # the error names them; their values are neither kept nor shown
            shown = ", ".join(key[:60] for key in keys[:5])
            self.add_error(
                None, f"Leave out {shown}: the source owner enters secrets in Fivetran’s Connect Card, never here."
            )

    def _is_secret(self, name: str) -> bool:
        path = name.removeprefix("config__").replace("__", ".")
        return any(is_secret(part) for part in path.split(".")) or self.config.metadata.is_secret(path)

    @property
    def not_taken(self) -> dict[str, str]:
        """Label -> text of what was given and is not sent: it has no control, or does not apply."""
        self._judged()
        told = {words_of_path(path): text for path, text in self.without_control.items() if text}
        for name, field in self._in_order.items():
            text = self.data.get(name, "") if name in self.given and self.why_hidden(field.path) else ""
            if not is_idle(field, text) and not hasattr(self.fields[name], "fixed_words"):
                told[self.plain_label(name)] = text
        return told

    @cached_property
    def without_control(self) -> dict[str, str]:
        """path -> text of the service's settings among the given values that have no control; empty for a secret."""
        # Fivetran's metadata changes: a stored setting may be gone from it.
        self._judged()
        names = (name for name in sorted(self.given) if self.data.get(name) and name not in self.fields)
        lost = {path: name for name in names if is_of_service(path := name.replace("__", "."))}
        return {
            path: "" if self._is_secret(name) else self.data[name]
            for path, name in lost.items()
            if path not in self.verdict.forced  # it follows from another answer
        }

    def _is_empty(self, field: Field) -> bool:
        return field.name not in self.errors and self.cleaned_data.get(field.name) in _EMPTY

    def _judge_hidden(self, field: Field, reason: str) -> None:
        if self.purpose is not Purpose.LINK or is_idle(field, self.data.get(field.name, "")):
            self.errors.pop(field.name, None)
            if field.name in self.given and not is_idle(field, self.data.get(field.name, "")):
                self._remark(field.name, f"Not sent: this counts {reason}")  # seen where no script hides the control
        elif field.name in self.given:
            self.add_error(field.name, f"This applies {reason}")

    def _judge_link(self) -> None:
        for rule in self.rules:
            name = rule.path.replace(".", "__")
            forced = rule.effect is Effect.FORCED and name in self.fields and rule.path in self.verdict.forced
            if forced and name in self.given and self.cleaned_data.get(name) not in (None, rule.value):
                self.add_error(name, f"This must be {'on' if rule.value else 'off'}: {rule.reason}")
        for field in FIELDS:
            if field.constant and self.data.get(field.name, field.default) != field.default:
                self.add_error(None, f"{field.label}: {field.default} always, whatever the link says")
        for name in sorted(self.given):
            if name.startswith("config__") and name not in self.fields:
                self._judge_unknown(name)
        others = (n for n in strangers(self.given, self.fields) if "." in n or not is_of_service(n.replace("__", ".")))
        for words in unknown_words(list(others), self.fields):
            self.add_error(None, words)
        if any(n.startswith(f"{SECRETS_KEYS}__") and n not in self.fields for n in self.given):
            self.add_error(None, "This service takes no such name from an external secrets manager: it is left out")

    def _judge_unknown(self, name: str) -> None:
        path = name.replace("__", ".")
        if self._is_secret(name):
            return
        if path in FOLLOWING:
            if self.verdict.forced.get(path, self.data[name]) != self.data[name]:
                words = f"{path} is {self.data[name][:60]} in the link: choose the networking method that goes with it"
                self.add_error("networking_method", words)
            return
        if path in NAMING:
            words = f"This service has no {NAMING[path].label.lower()}: “{self.data[name][:80]}” is left out"
        elif self.config.known:
            words = f"This service has no setting {path.removeprefix('config.')[:60]}: it is left out."
            words += meant(name, (known for known in self.fields if known.startswith("config__")))
        else:
            words = f"Fivetran has not told the settings of this service: {path[:60]} is left out"
        self.add_error(None, words)

    def _judge_names(self) -> None:
        # Without metadata any of the four shapes may be right; nothing else is.
        if self.naming.known or not self.naming.fields:
            return
        filled = {f.path.removeprefix("config.") for f in self.naming.fields if self.data.get(f.name)}
        if not filled:
            self.missing["config__schema"] = NAMING["config.schema"]
            words = "Enter the destination schema, or a schema prefix"
        elif filled not in [set(shape) for shape in NAMING_SHAPES]:
            words = "Fill the schema (alone, with the table, or with the table group name), or only the schema prefix"
        else:
            return
        if self.purpose is Purpose.SUBMIT:
            self.add_error("config__schema" if "config__schema" in self.fields else None, words)

    # --- what was said ---------------------------------------------------------------------------------------------
    def _answers(self) -> dict[str, Any]:
        """path -> typed value of every control that holds a usable one."""
        paths = {field.name: field.path for field in (*self.of_request, *self.of_service)}
        return {paths[name]: value for name, value in self.cleaned_data.items() if value not in _EMPTY}

    def values(self) -> dict[str, Any]:
        """path -> typed value of everything that applies, forced values set. Complete only if the form is valid."""
        self._judged()
        refused = tuple(self.errors)  # an error that is added later takes its value away
        if self._told is None or self._told[0] != refused:  # a page asks for them a dozen times
            answers = {**self._answers(), **self.verdict.forced}
            self._told = refused, folded({path: v for path, v in answers.items() if not self.why_hidden(path)})
        return dict(self._told[1])

    def kept(self) -> dict[str, Any]:
        """What a draft keeps: `values`, also hidden ones, and the text where a text means nothing yet."""
        self._judged()
        fields = (*self.of_request, *self.of_service)
        texts = {field: text for field in fields if (text := self.data.get(field.name))}
        typed = {field.path: from_codes(text) if is_separator(field.name) else text for field, text in texts.items()}
        booleans = {f.path: False for f in FIELDS if f.type is Type.BOOLEAN and not f.constant}
        return folded({**booleans, **typed, **self._answers()})

    def _judged(self) -> None:
        _ = self.errors  # Django judges when they are first read

    def name_of(self, path: str) -> str:
        offered = self.offers.get(path)
        return offered.name_of(str(self.data.get(path, ""))) if offered else ""

    def plain_label(self, name: str) -> str:
        field = self._in_order[name]
        return field.full_label if isinstance(field, Setting) else field.label

    def summary(self) -> list[tuple[str, str, str]]:
        """(control's id, label, words) of every error that has a field, in the order of the page."""
        return [
            (f"id_{name}", self.plain_label(name), str(words))
            for name in self.fields
            for words in self.errors.get(name, [])
        ]

    # --- on the page -----------------------------------------------------------------------------------------------
    @cached_property
    def helper(self) -> FormHelper:
        return form_helper(request_layout(self))

    @cached_property
    def config_helper(self) -> FormHelper:
        return form_helper(config_layout(self))

    def for_the_browser(self) -> dict[str, Any]:
        return {"rules": as_json((*RULES, *self.of_offers)), "fields": types_of(self.of_request)}

    def config_for_the_browser(self) -> dict[str, Any]:
        own = {"rules": as_json(self.config.for_the_browser()), "fields": types_of(self.config.fields)}
        return {**own, "suggestsCard": self.suggests_card}


def is_idle(field: Field, text: str) -> bool:
    """Whether `text` says what the API assumes by itself where `field` does not apply."""
    if field.type is Type.BOOLEAN:
        return truth(text) is False
    return text in ("", field.idle) or (field.type is Type.URI and text == own_return_address())


def types_of(fields: Iterable[Field]) -> dict[str, dict[str, str]]:
    return {field.name: {"path": field.path, "type": field.type.value} for field in fields}


def default_texts() -> dict[str, str]:
    # Without that of the hand-over, which depends on the service.
    defaults = (f for f in FIELDS if f.default is not None and not f.constant and f.path != CARD)
    texts = {f.name: text_of(f.default) for f in defaults}
    return {**texts, "connect_card_config__redirect_uri": own_return_address()}


def told_method(given: Mapping[str, str]) -> dict[str, str]:
    # Many published bodies tell the networking method only in the service's own spelling.
    spelled = (method_of(given.get(path.replace(".", "__"), "")) for path in FOLLOWING)
    method = next((method for method in spelled if method), "")
    return {"networking_method": method} if method else {}


def is_to_be_redrawn(post: Mapping[str, str]) -> bool:
    # After a change of the service its controls are not drawn yet, so nobody could say no to their defaults. Where such
    # controls were posted all the same, somebody filled them on purpose.
    changed = DRAWN_FOR in post and post[DRAWN_FOR] != post.get("service", "")
    return (
        changed
        and CARD not in post
        and (post.get("action") == "fields" or not any(name.startswith("config__") for name in post))
    )
