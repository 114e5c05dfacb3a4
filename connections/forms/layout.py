"""Where the controls stand: in three steps, of which the last keeps what is rarely changed behind one line."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Div, Layout
from crispy_forms.utils import TEMPLATE_PACK
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from connections.forms.config import Piece, Rows, Setting, settings_in
from connections.forms.config_controls import UNLISTED
from connections.forms.rows import CONTROLS
from connections.spec.characters import visible
from connections.spec.fields import FIELDS, NAMING, Field, Section, Type

if TYPE_CHECKING:
    from connections.forms.request import RequestForm

# In three steps, in the order of the page: the source and how Fivetran reaches it, the destination and why, the rest.
_SOURCE = ("networking_method", "private_link_id", "proxy_agent_id")
BELOW_METHOD = 3  # the place of a service's own settings for a networking method, after those of `_SOURCE`
_SCHEDULE = ("schedule_type", "sync_frequency", "daily_sync_time")
_ADVANCED = {
    Section.WHEN: "When it begins",
    Section.HOW: "Agents and trust",
    Section.TOLD: "What to be told",
    Section.SETUP: "Setup and hand-over",
    Section.ADVANCED: "Rarely needed",
}
_NO_SERVICE = "The destination’s name is asked for as soon as a service is chosen."
_UNKNOWN_NAMES = (
    "Fivetran has not told the portal yet how “{}” names its destination. Fill the schema (with a table or a table "
    "group name, if the service has one) or only the schema prefix."
)


class Block(Div):
    """A part of the page: its fields, and in `shown` what its template says besides."""

    def __init__(self, template: str, *fields: Any, **shown: Any) -> None:
        super().__init__(*fields)
        self.template = f"connections/request_form/{template}"
        self.__dict__.update(shown)


class Step(Block):
    """One of the three; `mark` is what the review says of it: how many answers it lacks."""

    key: str

    def render(self, form: Any, context: Any, template_pack: Any = TEMPLATE_PACK, **kwargs: Any) -> SafeString:
        review = context.get("review")  # a form that is drawn alone has none
        self.mark = review.marks[self.key] if review else None
        rendered: SafeString = super().render(form, context, template_pack, **kwargs)
        return rendered


def advanced(form: "RequestForm") -> Block:
    """What most people leave as it is, behind one line; open when something in it is unusual or refused."""
    groups = [
        Block("_group.html", *map(constant_or_name, advanced_in(section)), title=title)
        for section, title in _ADVANCED.items()
    ]
    is_open = stands_out(form, advanced_fields())
    return Block("_closed.html", *groups, key="advanced", title="Advanced", words=advanced_words(form), is_open=is_open)


def constant_or_name(field: Field) -> Any:
    return Block("_constant.html", field=field) if field.constant else field.name


class OfReview(Block):
    """A part that says what the review found; the browser draws it again with the review."""

    def render(self, form: Any, context: Any, template_pack: Any = TEMPLATE_PACK, **kwargs: Any) -> SafeString:
        review = context.get("review")
        own = {"names": review.names, "schedule": review.schedule} if review else {"names": None, "schedule": ""}
        fields = self.get_rendered_fields(form, context, template_pack, **kwargs)
        return render_to_string(self.template, {**own, "fields": fields})


class Gallery(Div):
    """The services as tiles, where none is chosen."""

    template = "connections/request_form/_gallery.html"

    def render(self, form: Any, context: Any, template_pack: Any = TEMPLATE_PACK, **kwargs: Any) -> SafeString | str:
        gallery = context.get("gallery")
        return render_to_string(self.template, {"gallery": gallery}) if gallery else ""


def config(form: "RequestForm") -> Block:
    found = form.config
    sight = [placed(piece, form) for piece in found.in_sight]
    if found.others or found.secrets:
        sight.append(source(form))
    told = {"naming": form.naming, "browser": form.config_for_the_browser(), "most": CONTROLS, "unlisted": UNLISTED}
    return Block("_config.html", *sight, **told)


# Further controls of the service, which the browser exchanges with those of `config`.
def of_networking(form: "RequestForm") -> Block:
    pieces = [placed(piece, form) for piece in form.config.networking]
    return Block("_of_service.html", *pieces, key="networking-fields", hints=[])


def of_naming(form: "RequestForm") -> Block:
    hints = [] if form.naming.known else [_NO_SERVICE]
    if form.naming.service and not form.naming.known:
        hints = [_UNKNOWN_NAMES.format(visible(Truncator(form.naming.service).chars(60)))]
    return Block("_of_service.html", *[field.name for field in form.naming.fields], key="name-fields", hints=hints)


def source(form: "RequestForm") -> Block:
    """What most people leave alone, behind one line, and what only the source owner may enter."""
    others, secrets = form.config.others, ", ".join(form.config.secrets)
    is_open = any(form.errors.get(field.name) or form.data.get(field.name) for field in settings_in(others))
    pieces = [placed(piece, form) for piece in others]
    return Block("_source.html", *pieces, words=source_words(form), secrets=secrets, is_open=is_open)


def entries(rows: Rows, note: str) -> Block:
    made = [
        Block(
            "_row.html",
            *map(placed, pieces),
            label=f"{rows.label} {number}",
            list=rows.name,
            name=f"{rows.name}__{number - 1}",
        )
        for number, pieces in enumerate(rows.entries, 1)
    ]
    return Block("_rows.html", *made, rows=rows, note=note)


def placed(piece: Piece, form: "RequestForm | None" = None) -> Any:
    if not isinstance(piece, Rows):
        return piece.name
    _ = form and form.errors  # what is doubtful is known after judging
    return entries(piece, form.notes.get(piece.name, "") if form else "")


def source_words(form: "RequestForm") -> str:
    _ = form.errors  # what applies is known after judging
    fields = [field for field in settings_in(form.config.others) if not form.why_hidden(field.path)]
    filled = sum(bool(form.data.get(field.name)) for field in fields)
    return f"{filled} of {len(fields)} filled" if fields else "nothing to enter here"


def request_layout(form: "RequestForm") -> Layout:
    place = (
        "group_id",
        OfReview("_name_parts.html"),  # before the names, which it proposes
        of_naming(form),
        OfReview("_names.html"),
        "reason",
        "source_owner",
    )
    source_first = ("service", Gallery(), config(form), *_SOURCE, of_networking(form))
    options = (OfReview("_schedule.html", *_SCHEDULE), advanced(form))
    return Layout(
        Step("_step.html", *source_first, key="source", title="Source"),
        Step("_step.html", *place, key="place", title="Where and why"),
        Step("_step.html", *options, key="options", title="Options"),
    )


def config_layout(form: "RequestForm") -> Layout:
    return Layout(config(form), of_networking(form), of_naming(form))


def place_of(field: Field) -> tuple[str, int]:
    """The step of `field`, and where it stands among all fields of the page."""
    if field.path in NAMING:
        return "place", 5
    if isinstance(field, Setting):
        return "source", 1
    if field.path in ("service", *_SOURCE):
        return "source", 2 if field.path in _SOURCE else 0
    if field.path == "group_id" or field.section is Section.WHO:
        return "place", 4 if field.path == "group_id" else 6
    return "options", 7 if field.path in _SCHEDULE else 8


def advanced_in(section: Section) -> list[Field]:
    return [field for field in FIELDS if field.section is section and field.path not in (*_SOURCE, *_SCHEDULE)]


def advanced_fields() -> list[Field]:
    return [field for section in _ADVANCED for field in advanced_in(section) if not field.constant]


def closed_words(form: "RequestForm") -> dict[str, str]:
    """Key of each closed group -> what is chosen in it."""
    return {"advanced": advanced_words(form), "source": source_words(form)}


def advanced_words(form: "RequestForm") -> str:
    """In one line: "2 changed: create paused, data delay sensitivity: high; 10 at their defaults"."""
    values = form.values()
    shown = [field for field in advanced_fields() if not form.why_hidden(field.path)]
    changed = [field for field in shown if is_changed(form, field, values)]
    rest = f"{len(shown) - len(changed)} at their defaults"
    if not changed:
        return f"({rest})"
    said = [phrase_of(field, values.get(field.path)) or f"{lowered(field.label)} off" for field in changed]
    return f"({len(changed)} changed: {', '.join(said)}; {rest})"


def is_changed(form: "RequestForm", field: Field, values: Mapping[str, Any]) -> bool:
    # What follows from the service or from another answer was not changed by anybody.
    if field.path == "use_connect_card":
        return bool(values.get(field.path)) is not form.suggests_card
    if field.path in form.verdict.forced or field.path == "connect_card_config.redirect_uri":
        return False
    return values.get(field.path, field.default) not in (field.default, None)


def phrase_of(field: Field, value: Any) -> str:
    if field.type is Type.BOOLEAN:
        if field.default:
            return f"{lowered(field.label)} {'on' if value else 'off'}"
        return lowered(field.label) if value else ""
    if value in (None, "") or field.type is Type.URI:
        return ""
    label = str(dict(field.choices).get(value, value))
    return f"{lowered(field.label)}: {lowered(label)}"


def lowered(words: str) -> str:
    # Inside a line; names such as SSH and PrivateLink stay.
    return words if words[1:2].isupper() or words.startswith("PrivateLink") else words[:1].lower() + words[1:]


def stands_out(form: "RequestForm", fields: list[Field]) -> bool:
    values = form.values()
    if any(field.name in form.errors for field in fields):
        return True
    return any(is_changed(form, field, values) for field in fields if not is_as_preset(form, field))


def is_as_preset(form: "RequestForm", field: Field) -> bool:
    # The line of the closed group says it well enough, so the group need not be open.
    control = form.fields[field.name]
    text: str | None = getattr(control, "preset_text", None)
    return hasattr(control, "fixed_words") or (text is not None and text == form.data.get(field.name))


def form_helper(layout: Layout | None = None) -> FormHelper:
    helper = FormHelper()
    helper.form_tag = False
    helper.disable_csrf = True
    helper.form_show_errors = False  # the page's own summary names them all
    helper.field_template = "connections/request_form/_field.html"
    helper.layout = layout
    return helper
