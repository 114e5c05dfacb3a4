"""The reference of `POST /v1/connections`: each field of the body, from the same tables as form and rules."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connections.spec.fields import BY_PATH, FIELDS, NAMING, OBJECTS, OF_THE_OWNER, OF_THE_SERVICE, Field, Type
from connections.spec.payloads import at, build_body
from connections.spec.rules import RULES, Effect, Rule, When

_JSON_TYPES = {Type.INTEGER: "integer", Type.BOOLEAN: "boolean"}  # all else is a string
_OFTEN = (Effect.APPLIES, Effect.ADVISED)
_FIRST = "The destination and the service"


@dataclass(frozen=True)
class Piece:
    """A part of a sentence: words, or the `path` of a field that the page links to."""

    words: str
    path: str = ""


Sentence = tuple[Piece, ...]


@dataclass(frozen=True)
class Value:
    json: str
    label: str = ""


@dataclass(frozen=True)
class Entry:
    """`path` is the place in the body, with [] after a list; `control` the name of the form's control, if it has one.

    `query` are the answers (name, text) with which that control is in sight.
    """

    path: str
    type: str
    label: str = ""
    text: str = ""
    required: str = ""
    values: tuple[Value, ...] = ()
    default: str = ""
    example: str = ""
    sentences: tuple[Sentence, ...] = ()
    control: str = ""
    query: tuple[tuple[str, str], ...] = ()
    secret: bool = False
    set_to: str = ""  # what the request that stands beside it has there, as JSON

    @property
    def anchor(self) -> str:
        return anchor_of(self.path)

    @property
    def searched(self) -> str:
        """All its words, in small letters."""
        values = (words for value in self.values for words in (value.json, value.label))
        sentences = (piece.words for sentence in self.sentences for piece in sentence)
        words = (self.path, self.type, self.label, self.text, self.required, self.default, *values, *sentences)
        return " ".join(words).lower()


@dataclass(frozen=True)
class Group:
    key: str
    title: str
    entries: tuple[Entry, ...]
    text: str = ""
    part: str = "Request body"  # of the call


def anchor_of(path: str) -> str:
    """The place of the field on the page; an entry of a list shares that of its list."""
    first, *parts = path.replace("[]", "").replace(" ", "-").split(".")
    return f"field-{'.'.join((first, *(part for part in parts if not part.isdigit())))}"


def of_body(fields: Iterable[Field] = FIELDS) -> Iterator[Group]:
    """The fields of the body that every service takes, in the order of the form: required ones first."""
    sent = [field for field in fields if not field.ours]
    yield Group("required", _FIRST, tuple(entry_of(field) for field in sent if field.required))
    optional = [field for field in sent if not field.required]
    # What one object holds stands together, where the first of it stands.
    places = {holder_of(field): field.section for field in reversed(optional) if holder_of(field)}
    for section in dict.fromkeys(field.section for field in optional):
        own = [field for field in optional if places.get(holder_of(field), field.section) is section]
        if own:
            yield Group(section.name.lower(), section.value, tuple(_with_objects(own)))


def holder_of(field: Field) -> str:
    """The object that the field stands in; empty for the body itself."""
    return field.path.rpartition(".")[0]


def of_the_portal() -> Group:
    """What the form asks for and the portal keeps: no part of the body."""
    text = "The form asks for these too. They stay in the portal and are no part of the body."
    own = tuple(entry_of(field) for field in FIELDS if field.ours)
    return Group("portal", "Kept by the portal", own, text, part="")


def of_any_service() -> Group:
    """Of `config` what is known without a service, and the parts that the form does not ask for."""
    keys, objects = (entry_of(field) for field in NAMING.values()), (*OF_THE_SERVICE, *OF_THE_OWNER)
    first, *others = (_object(path) for path in objects)
    names = (replace(entry, control="", required="Depends on the service") for entry in keys)
    return Group("config", "Settings of the service", (first, *names, *others))


def _with_objects(fields: Iterable[Field]) -> Iterator[Entry]:
    fields = list(fields)
    for holder in dict.fromkeys(map(holder_of, fields)):
        if holder:
            yield _object(holder)
        yield from (entry_of(field) for field in fields if holder_of(field) == holder)


def _object(path: str) -> Entry:
    return Entry(path, "object", text=OBJECTS.get(path, "Holds the fields below."))


def entry_of(field: Field, rules: Iterable[Rule] = RULES) -> Entry:
    own = [rule for rule in rules if rule.path == field.path]
    default = field.default if field.default is not None or not field.idle else json.loads(field.idle)
    return Entry(
        path=field.path,
        type=_JSON_TYPES.get(field.type, "string"),
        label=field.label,
        text=" ".join(words for words in (field.help, field.more) if words),
        required=required_words(field, own),
        values=tuple(value_of(value, str(label)) for value, label in field.choices),
        default="" if default is None else as_json(default),
        example=field.example and as_json(field.example),
        sentences=tuple(sentences_of(own) if field.ours else (*sentences_of(own), *_sent(field, own))),
        control="" if field.constant else field.name,
        query=query_of(own),
    )


def value_of(value: Any, label: str) -> Value:
    return Value(as_json(value), "" if label.startswith(str(value)) else label)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def required_words(field: Field, own: Iterable[Rule]) -> str:
    if field.required:
        return "Required"
    asks = [rule.when for rule in own if rule.effect is Effect.REQUIRED]
    if holder_of(field) and asks and all(map(_of_the_form, asks)):
        return f"Required in {holder_of(field)}"
    return "Required at times" if asks else ""


def _of_the_form(whens: Sequence[When]) -> bool:
    """Whether only answers count that are no part of the body, so that the API knows no such condition."""
    return bool(whens) and all(when.path in BY_PATH and BY_PATH[when.path].ours for when in whens)


# --- when it counts --------------------------------------------------------------------------------------------------
def sentences_of(own: Iterable[Rule]) -> Iterator[Sentence]:
    """What the rules of one field say, each in a sentence whose conditions are fields of the page."""
    own = list(own)
    applies = next((rule.when for rule in own if rule.effect is Effect.APPLIES), ())
    for rule in own:
        reason = f"{rule.reason[:1].upper()}{rule.reason[1:]}."
        if any(when.pattern for when in rule.when):
            yield (Piece(reason),)
        elif rule.effect is Effect.APPLIES:
            words = "The form asks for it while " if _of_the_form(rule.when) else "Applies only while "
            yield (Piece(words), *_conditions(rule.when), Piece("."))
        elif rule.effect is Effect.ADVISED:
            yield (Piece(f"Counts {rule.reason}: while "), *_conditions(rule.when), Piece("."))
        elif rule.effect is Effect.REQUIRED and rule.when == applies:
            if not _of_the_form(applies):
                yield (Piece("It is required then."),)
        elif rule.effect is Effect.REQUIRED:
            yield (Piece("Required while "), *_conditions(rule.when), Piece("."))
        elif rule.effect is Effect.FORCED:
            words = f", whatever was chosen: {rule.reason}."
            sent = "The portal sends" if _of_the_form(rule.when) else "Sent as"
            yield (Piece(f"{sent} {as_json(rule.value)} while "), *_conditions(rule.when), Piece(words))
        else:
            yield (Piece(reason),)


def _conditions(whens: Iterable[When]) -> Iterator[Piece]:
    for number, when in enumerate(whens):
        if number:
            yield Piece(" and ")
        yield Piece(when.path, when.path)
        yield Piece(f" {_is(when)}")


def _is(when: When) -> str:
    if when.values == (None,):
        return "is set" if when.negate else "is not set"
    values = " or ".join(as_json(value) for value in when.values)
    return f"is not {values}" if when.negate else f"is {values}"


def query_of(own: Iterable[Rule]) -> tuple[tuple[str, str], ...]:
    whens = next((rule.when for rule in own if rule.effect in _OFTEN), ())
    given = (when for when in whens if not when.negate and not when.pattern and when.values)
    return tuple((when.path.replace(".", "__"), _text(when.values[0])) for when in given)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def _sent(field: Field, own: Iterable[Rule]) -> Iterator[Sentence]:
    """What the portal does where nobody chooses."""
    if field.constant:
        yield (Piece(f"The portal always sends {as_json(field.default)}."),)
    elif at(build_body({}), field.path) is not None:
        yield (Piece("The portal always sends it, also where it is the default."),)
    elif field.default is not None:
        depends = any(rule.effect is Effect.APPLIES for rule in own)
        words = "The portal sends it whenever it applies." if depends else "The portal leaves it out at its default."
        yield (Piece(words),)


# --- with a request beside it ----------------------------------------------------------------------------------------
def marked(groups: Iterable[Group], body: Mapping[str, Any]) -> Iterator[Group]:
    """The same groups, each field with the value that `body` has for it."""
    for group in groups:
        yield replace(group, entries=tuple(replace(one, set_to=_in(body, one)) for one in group.entries))


def _in(body: Mapping[str, Any], entry: Entry) -> str:
    if "[]" in entry.path or entry.type == "object":
        return ""  # of a list the whole value stands at the list
    value = at(body, entry.path)
    return "" if value is None else as_json(value)


def example_values(service: str, naming: Iterable[Field]) -> dict[str, Any]:
    """What Fivetran wants at the least, as examples: for `service`, or for that of the example."""
    required = {field.path: field.example for field in FIELDS if field.required and not field.ours}
    chosen = {"service": service} if service else {}
    return {**required, **chosen, **{field.path: field.example for field in naming}}
