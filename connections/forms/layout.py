"""Where the controls stand: the first two groups open, the rest one line each that says what is chosen."""

from typing import TYPE_CHECKING, Any

from crispy_forms.layout import Div, Layout
from crispy_forms.utils import TEMPLATE_PACK
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from connections.forms.config import Piece, Rows, settings_in
from connections.forms.config_controls import UNLISTED
from connections.forms.rows import CONTROLS
from connections.spec.fields import FIELDS, Field, Section, Type

if TYPE_CHECKING:
    from connections.forms.request import RequestForm

_OPEN = (Section.WHAT, Section.WHO)
_NO_SERVICE = "The destination’s name is asked for as soon as a service is chosen."
_UNKNOWN_NAMES = (
    "Fivetran has not told the portal yet how “{}” names its destination. Fill the schema (with a table or a table "
    "group name, if the service has one) or only the schema prefix."
)
_SAYS_ITSELF = {"sync_frequency", "schedule_type", "networking_method"}  # "every 6 hours" needs no name before it


class Group(Div):
    """A group of controls under its heading, always in sight."""

    template = "connections/request_form/_group.html"

    def __init__(self, section: Section, *fields: Any) -> None:
        super().__init__(*fields)
        self.key, self.title = section.name.lower(), section.value


class Closed(Group):
    """A group behind one line that says what is chosen; open when something in it is unusual or refused."""

    template = "connections/request_form/_closed.html"

    def __init__(self, section: Section, *fields: Any, words: str, is_open: bool) -> None:
        super().__init__(section, *fields)
        self.words, self.is_open = words, is_open


class Names(Div):
    """What the naming rule makes of the name, and whether it is taken: as the page's `review` says."""

    template = "connections/request_form/_names.html"

    def render(self, form: Any, context: Any, template_pack: Any = TEMPLATE_PACK, **kwargs: Any) -> SafeString:
        """The box; empty on a page without a review."""
        review = context.get("review")
        return render_to_string(self.template, {"names": review.names if review else None})


class Config(Div):
    """The controls that follow from the service."""

    template = "connections/request_form/_config.html"

    def __init__(self, form: "RequestForm") -> None:
        config = form.config
        sight = [_placed(piece, form) for piece in config.in_sight]
        if config.others or config.secrets:
            sight.append(Source(form))
        super().__init__(*[field.name for field in form.naming.fields], *sight)
        self.naming, self.browser, self.most = form.naming, form.config_for_the_browser(), CONTROLS
        self.unlisted = UNLISTED
        self.hint = "" if form.naming.known else _NO_SERVICE
        if form.naming.service and not form.naming.known:
            self.hint = _UNKNOWN_NAMES.format(Truncator(form.naming.service).chars(60))


class Source(Div):
    """The settings that most people leave alone, behind one line, and what only the source owner may enter."""

    template = "connections/request_form/_source.html"

    def __init__(self, form: "RequestForm") -> None:
        config = form.config
        super().__init__(*[_placed(piece, form) for piece in config.others])
        self.words, self.secrets = source_words(form), ", ".join(config.secrets)
        self.is_open = any(
            form.errors.get(field.name) or form.data.get(field.name) for field in settings_in(config.others)
        )


class Entries(Div):
    """A list of objects: its entries, each with a button to remove it, and one to add another."""

    template = "connections/request_form/_rows.html"

    def __init__(self, rows: Rows, note: str) -> None:
        made = [
            Entry(f"{rows.label} {number}", rows.name, number - 1, pieces)
            for number, pieces in enumerate(rows.entries, 1)
        ]
        super().__init__(*made)
        self.rows, self.note = rows, note


class Entry(Div):
    """One entry of a list."""

    template = "connections/request_form/_row.html"

    def __init__(self, label: str, of: str, number: int, pieces: tuple[Piece, ...]) -> None:
        super().__init__(*[_placed(piece) for piece in pieces])
        self.label, self.list, self.name = label, of, f"{of}__{number}"


def _placed(piece: Piece, form: "RequestForm | None" = None) -> Any:
    if not isinstance(piece, Rows):
        return piece.name
    _ = form and form.errors  # what is doubtful is known after judging
    return Entries(piece, form.notes.get(piece.name, "") if form else "")


def source_words(form: "RequestForm") -> str:
    """The line of the closed group: how many of its settings are filled."""
    _ = form.errors  # what applies is known after judging
    fields = [field for field in settings_in(form.config.others) if not form.why_hidden(field.path)]
    filled = sum(bool(form.data.get(field.name)) for field in fields)
    return f"{filled} of {len(fields)} filled" if fields else "nothing to enter here"


class Constant(Div):
    """A field without a choice: shown, so that nobody wonders."""

    template = "connections/request_form/_constant.html"

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field


def request_layout(form: "RequestForm") -> Layout:
    """All groups, in the order in which a person thinks."""
    groups: list[Group] = []
    for section in Section:
        fields = [field for field in FIELDS if field.section is section]
        shown: list[Any] = [Constant(field) if field.constant else field.name for field in fields]
        if section is Section.WHAT:
            shown += [Names(), Config(form)]
        if section in _OPEN:
            groups.append(Group(section, *shown))
        else:
            groups.append(Closed(section, *shown, words=in_words(form, section), is_open=_stands_out(form, fields)))
    return Layout(*groups)


def config_layout(form: "RequestForm") -> Layout:
    """Only what follows from the service."""
    return Layout(Config(form))


def closed_words(form: "RequestForm") -> dict[str, str]:
    """Key of each closed group -> what is chosen in it."""
    words = {section.name.lower(): in_words(form, section) for section in Section if section not in _OPEN}
    return {**words, "source": source_words(form)}


def in_words(form: "RequestForm", section: Section) -> str:
    """What is chosen in a group, in one line: "every 6 hours · automatic"."""
    values = form.values()
    fields = (field for field in FIELDS if field.section is section and not field.constant)
    return " · ".join(words for field in fields if (words := _phrase(field, values.get(field.path))))


def _phrase(field: Field, value: Any) -> str:
    if field.type is Type.BOOLEAN:
        if field.default:
            return f"{_small(field.label)} {'on' if value else 'off'}"
        return _small(field.label) if value else ""
    if value in (None, "") or field.type is Type.URI:
        return ""
    label = str(dict(field.choices).get(value, value))
    return _small(label) if field.path in _SAYS_ITSELF else f"{_small(field.label)}: {_small(label)}"


def _small(words: str) -> str:
    """Begin small inside a line; names such as SSH and PrivateLink stay."""
    return words if words[1:2].isupper() or words.startswith("PrivateLink") else words[:1].lower() + words[1:]


def _stands_out(form: "RequestForm", fields: list[Field]) -> bool:
    values = form.values()
    if any(field.name in form.errors for field in fields):
        return True
    fields = [field for field in fields if not field.constant and not _as_preset(form, field)]
    if form.suggests_card and values.get("use_connect_card"):
        fields = [field for field in fields if field.path not in ("use_connect_card", "run_setup_tests")]
    return any(values.get(field.path, field.default) not in (field.default, None) for field in fields)


def _as_preset(form: "RequestForm", field: Field) -> bool:
    """Whether the field is as the preset has it, which its line says well enough."""
    control = form.fields[field.name]
    text: str | None = getattr(control, "preset_text", None)
    return hasattr(control, "fixed_words") or (text is not None and text == form.data.get(field.name))
