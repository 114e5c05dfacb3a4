"""Where the controls stand: the first two groups open, each other group as one line that says what is chosen."""

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
    template = "connections/request_form/_names.html"

    def render(self, form: Any, context: Any, template_pack: Any = TEMPLATE_PACK, **kwargs: Any) -> SafeString:
        review = context.get("review")
        return render_to_string(self.template, {"names": review.names if review else None})


class Config(Div):
    template = "connections/request_form/_config.html"

    def __init__(self, form: "RequestForm") -> None:
        config = form.config
        sight = [placed(piece, form) for piece in config.in_sight]
        if config.others or config.secrets:
            sight.append(Source(form))
        super().__init__(*[field.name for field in form.naming.fields], *sight)
        self.naming, self.browser, self.most = form.naming, form.config_for_the_browser(), CONTROLS
        self.unlisted = UNLISTED
        self.hint = "" if form.naming.known else _NO_SERVICE
        if form.naming.service and not form.naming.known:
            self.hint = _UNKNOWN_NAMES.format(Truncator(form.naming.service).chars(60))


class Source(Div):
    """What most people leave alone, behind one line, and what only the source owner may enter."""

    template = "connections/request_form/_source.html"

    def __init__(self, form: "RequestForm") -> None:
        config = form.config
        super().__init__(*[placed(piece, form) for piece in config.others])
        self.words, self.secrets = source_words(form), ", ".join(config.secrets)
        self.is_open = any(
            form.errors.get(field.name) or form.data.get(field.name) for field in settings_in(config.others)
        )


class Entries(Div):
    template = "connections/request_form/_rows.html"

    def __init__(self, rows: Rows, note: str) -> None:
        made = [
            Entry(f"{rows.label} {number}", rows.name, number - 1, pieces)
            for number, pieces in enumerate(rows.entries, 1)
        ]
        super().__init__(*made)
        self.rows, self.note = rows, note


class Entry(Div):
    template = "connections/request_form/_row.html"

    def __init__(self, label: str, of: str, number: int, pieces: tuple[Piece, ...]) -> None:
        super().__init__(*[placed(piece) for piece in pieces])
        self.label, self.list, self.name = label, of, f"{of}__{number}"


def placed(piece: Piece, form: "RequestForm | None" = None) -> Any:
    if not isinstance(piece, Rows):
        return piece.name
    _ = form and form.errors  # what is doubtful is known after judging
    return Entries(piece, form.notes.get(piece.name, "") if form else "")


def source_words(form: "RequestForm") -> str:
    _ = form.errors  # what applies is known after judging
    fields = [field for field in settings_in(form.config.others) if not form.why_hidden(field.path)]
    filled = sum(bool(form.data.get(field.name)) for field in fields)
    return f"{filled} of {len(fields)} filled" if fields else "nothing to enter here"


class Constant(Div):
    template = "connections/request_form/_constant.html"

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field = field


def request_layout(form: "RequestForm") -> Layout:
    groups: list[Group] = []
    for section in Section:
        fields = [field for field in FIELDS if field.section is section]
        shown: list[Any] = [Constant(field) if field.constant else field.name for field in fields]
        if section is Section.WHAT:
            shown += [Names(), Config(form)]
        if section in _OPEN:
            groups.append(Group(section, *shown))
        else:
            groups.append(Closed(section, *shown, words=in_words(form, section), is_open=stands_out(form, fields)))
    return Layout(*groups)


def config_layout(form: "RequestForm") -> Layout:
    return Layout(Config(form))


def closed_words(form: "RequestForm") -> dict[str, str]:
    """Key of each closed group -> what is chosen in it."""
    words = {section.name.lower(): in_words(form, section) for section in Section if section not in _OPEN}
    return {**words, "source": source_words(form)}


def in_words(form: "RequestForm", section: Section) -> str:
    """In one line: "every 6 hours · automatic"."""
    values = form.values()
    fields = (field for field in FIELDS if field.section is section and not field.constant)
    return " · ".join(words for field in fields if (words := phrase_of(field, values.get(field.path))))


def phrase_of(field: Field, value: Any) -> str:
    if field.type is Type.BOOLEAN:
        if field.default:
            return f"{lowered(field.label)} {'on' if value else 'off'}"
        return lowered(field.label) if value else ""
    if value in (None, "") or field.type is Type.URI:
        return ""
    label = str(dict(field.choices).get(value, value))
    return lowered(label) if field.path in _SAYS_ITSELF else f"{lowered(field.label)}: {lowered(label)}"


def lowered(words: str) -> str:
    # Inside a line; names such as SSH and PrivateLink stay.
    return words if words[1:2].isupper() or words.startswith("PrivateLink") else words[:1].lower() + words[1:]


def stands_out(form: "RequestForm", fields: list[Field]) -> bool:
    values = form.values()
    if any(field.name in form.errors for field in fields):
        return True
    fields = [field for field in fields if not field.constant and not is_as_preset(form, field)]
    if form.suggests_card and values.get("use_connect_card"):
        fields = [field for field in fields if field.path not in ("use_connect_card", "run_setup_tests")]
    return any(values.get(field.path, field.default) not in (field.default, None) for field in fields)


def is_as_preset(form: "RequestForm", field: Field) -> bool:
    # The line of the closed group says it well enough, so the group need not be open.
    control = form.fields[field.name]
    text: str | None = getattr(control, "preset_text", None)
    return hasattr(control, "fixed_words") or (text is not None and text == form.data.get(field.name))
