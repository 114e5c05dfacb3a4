"""Several requests at once: a pasted or uploaded table is checked row by row, corrected in place, submitted."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.contrib import messages
from django.forms import Textarea, TextInput
from django.forms.utils import flatatt
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html
from django.utils.text import Truncator
from django.views.decorators.http import require_http_methods, require_safe

from connections import catalog, limits, permissions
from connections.forms import batch as tables
from connections.forms.batch import Row, Table, TableForm, TooLargeTable, Unreadable
from connections.forms.offers import CLOSED, services_taken
from connections.forms.typed_text import NUL_SIGN, in_sight, one_line_end
from connections.models import ConnectionRequest
from connections.permissions import Denied
from connections.spec import payloads
from connections.spec.characters import visible
from connections.spec.fields import FIELDS, NAMING
from connections.views.batches.batch_page import requests
from connections.views.errors import limited
from connections.views.request_form.form import form_token
from connections.views.request_form.names import taken_words
from connections.views.request_page import queries
from connections.workflow import Filing, batches
from connections.workflow.batches import RowTaken

MOST_CONTROLS = 400  # cells to be corrected in place; a form may post 1000 controls (Django's default)
_NAMED = 10  # rows that a note lists
_EXAMPLE = ("service", "group_id", "config__schema", "config__table", "reason")


@dataclass(frozen=True)
class Cell:
    """It is a control where something is wrong with it."""

    row: int
    name: str
    text: str
    errors: list[str]
    is_control: bool

    @property
    def shown(self) -> str:
        # A delimiter may be a blank: what nobody sees is marked.
        return visible(in_sight(self.text))

    @property
    def control(self) -> str:
        return f"cell_{self.row}_{self.name}"

    @property
    def target(self) -> str:
        """The id of what a link to the cell leads to."""
        return f"id_{self.control}" if self.is_control else f"id_{self.control}_error"

    @property
    def look(self) -> str:
        return "sheet-wrong" if self.errors else "" if self.text else "sheet-empty"

    @property
    def content(self) -> str:
        if not self.is_control:
            return format_html("<bdi>{}</bdi>", Truncator(self.shown).chars(200))
        # A browser takes the line breaks out of a single line, so a text with lines gets a box.
        attributes = {
            "class": "form-control is-invalid",
            "id": f"id_{self.control}",
            "aria-label": f"Row {self.row}, {Truncator(self.name).chars(60)}",
            "aria-invalid": "true",
            "aria-describedby": f"id_{self.control}_error",
            "autocomplete": "off",
            "spellcheck": "false",
        }
        lines = Textarea({"rows": 3, "cols": False}) if "\n" in self.text else TextInput()
        return lines.render(self.control, self.text, attributes)


@dataclass
class Sheet:
    """One display of the page: the text, the judged rows if the text could be read, and the notes above them."""

    text: str = ""
    token: uuid.UUID = field(default_factory=uuid.uuid4)
    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    unreadable: str = ""
    notes: list[str] = field(default_factory=list)
    is_too_large: bool = False
    is_closed: bool = False  # no destination is open to the reader

    @property
    def digest(self) -> str:
        # Names this very text: what is submitted must have been looked at.
        return hashlib.sha256(self.text.encode(errors="replace")).hexdigest()

    @property
    def bad(self) -> list[Row]:
        return [row for row in self.rows if not row.is_good]

    @property
    def is_wrong(self) -> bool:
        return bool(self.unreadable or self.bad)

    @property
    def text_attributes(self) -> str:
        """Of the box with the whole table as text."""
        if not self.unreadable:
            return flatatt({"class": "form-control name", "aria-describedby": "table-help"})
        described = {"aria-invalid": "true", "aria-describedby": "id_table_error table-help"}
        return flatatt({"class": "form-control name is-invalid", **described})

    @property
    def heading(self) -> str:
        count = len(self.rows)
        return "Correct the marked cells" if self.bad else f"{count} row{'' if count == 1 else 's'}, all right"

    @property
    def buttons(self) -> list[tuple[str, str, str]]:
        """(action, words, class) of each."""
        if self.bad:
            return [("check", "Check again", "btn-primary")]
        return [
            ("submit", "Submit for approval", "btn-primary"),
            ("check", "Check again", "btn-outline-secondary"),
        ]

    @property
    def summary(self) -> list[tuple[str, str, str]]:
        """(id, where, words) of what is wrong, each to be linked to."""
        found = []
        for row, cells in self.lines:
            row_name = f"Row {row.number}"
            found += [(f"row-{row.number}", row_name, words) for words in row.problems]
            found += [
                (cell.target, f"{row_name}, {Truncator(cell.name).chars(60)}", words)
                for cell in cells
                for words in cell.errors
            ]
        return found

    @property
    def lines(self) -> list[tuple[Row, list[Cell]]]:
        # Only as many cells are controls as one form can post.
        left, found = MOST_CONTROLS, []
        for row in self.rows:
            cells = []
            for name in self.columns:
                errors = row.errors.get(name, [])
                left -= bool(errors)
                text = row.texts.get(name, "")
                cells.append(Cell(row.number, name, text, errors, bool(errors) and left >= 0))
            found.append((row, cells))
        return found


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    permissions.check_writes(request.user)
    if request.method != "POST":
        return _show(request, Sheet())
    sheet = Sheet(token=form_token(request.POST.get("form_token", "")))
    checked, submitting = _read(request, sheet), request.POST.get("action") == "submit"
    if submitting and sheet.rows and not sheet.bad:
        if checked:
            return _submit(request, sheet)
        sheet.notes.append(
            "The table changed after it was checked. Below is what it holds now: submit it if it is right."
        )
    return _show(request, sheet)


def _submit(request: HttpRequest, sheet: Sheet) -> HttpResponse:
    try:
        return _file(request, sheet)
    except limits.LimitReached as reached:
        sheet.notes.append(str(reached))
        return limited(_show(request, sheet), reached)
    except RowTaken as taken:
        row = sheet.rows[taken.number - 1]
        row.refuse(row.name_column, taken_words(queries.reader(request), taken.holder))
    except Denied as denied:
        sheet.notes.append(denied.reason)
    return _show(request, sheet)


def _read(request: HttpRequest, sheet: Sheet) -> bool:
    """Fill `sheet` from what was posted; whether it is exactly the table that was checked before."""
    form = TableForm(request.POST, request.FILES)
    sheet.text = one_line_end(str(form.data.get("table", ""))).replace("\0", NUL_SIGN)
    try:
        sheet.text = form.text.replace("\0", NUL_SIGN)  # a page cannot hold it either
        table = tables.read_table(sheet.text)
    except Unreadable as why:
        sheet.unreadable, sheet.is_too_large = str(why), isinstance(why, TooLargeTable)
        return False
    checked = request.POST.get("checked") == sheet.digest
    corrected = _correct(request, table, sheet, checked=checked)
    if corrected or table.left_out:
        sheet.text = table.as_text()
    for name in table.left_out:
        sheet.notes.append(
            f"{name} was left out: the source owner enters secrets in Fivetran’s Connect Card, never here."
        )
    sheet.rows = tables.judge(table, may_ask=permissions.may_ask(request.user))
    _refuse_large(sheet)
    _refuse_taken(request, sheet.rows)
    _note_existing(sheet)
    _note_warnings(sheet)
    wrong = {name for row in sheet.rows for name in row.errors}
    sheet.columns = [*table.columns, *(name for name in tables.COLUMNS if name in wrong - set(table.columns))]
    sheet.columns += sorted(wrong - set(sheet.columns))
    # What is wrong stands first: of a wide table people see the left end.
    sheet.columns.sort(key=lambda name: name not in wrong)
    return checked and not corrected and not table.left_out


def _correct(request: HttpRequest, table: Table, sheet: Sheet, *, checked: bool) -> bool:
    changed = False
    for control in [name for name in request.POST if name.startswith("cell_")]:
        number, _, name = control.removeprefix("cell_").partition("_")
        typed = tables.cell_text(name, request.POST[control])
        place = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
        if not 0 < place <= len(table.rows) or typed == table.rows[place - 1].get(name, ""):
            continue
        if checked and (name in table.columns or tables.is_column(name)):
            table.correct(place, name, typed)
            changed = True
        elif not checked and typed:
            sheet.notes.append(
                f"Row {place}, {name[:60]}: “{typed[:80]}” was left out, because the text or the file was changed too."
            )
    return changed


def _refuse_large(sheet: Sheet) -> None:
    for row in sheet.rows:
        if row.is_good and row.form is not None:
            try:
                limits.check_size(payloads.canonical(row.form.values()))
            except limits.TooLarge as large:
                sheet.is_too_large = True
                row.problems.append(str(large))


def _refuse_taken(request: HttpRequest, rows: Sequence[Row]) -> None:
    holders = ConnectionRequest.objects.holding_names().select_related("requester")
    by_key = {(h.group_id, h.schema): h for h in holders.filter(schema__in={row.key[1] for row in rows})}
    for row in rows:
        if row.is_good and (holder := by_key.get(row.key)):
            row.refuse(row.name_column, taken_words(queries.reader(request), holder))


def _note_existing(sheet: Sheet) -> None:
    # As in the form this is no refusal: the list may be old.
    held = catalog.existing_connections.held({row.key for row in sheet.rows if row.is_good})
    numbers = [str(row.number) for row in sheet.rows if row.is_good and row.key in held]
    if numbers:
        more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
        rows = f"{'Row' if len(numbers) == 1 else 'Rows'} {', '.join(numbers[:_NAMED])}{more}"
        sheet.notes.append(
            f"{rows}: when Fivetran was last asked, a connection had this name in the destination. "
            "Choose another name, or Fivetran refuses it."
        )


def _note_warnings(sheet: Sheet) -> None:
    # A value that is taken, and may be a slip.
    found = [
        f"Row {row.number}, {name}: {warning}"
        for row in sheet.rows
        for name in row.texts
        if row.form and name not in row.errors
        if (warning := getattr(row.form.fields.get(name), "warning", ""))
    ]
    more = [f"{len(found) - _NAMED} more cells are like these."] if len(found) > _NAMED else []
    sheet.notes += [*found[:_NAMED], *more]


def _file(request: HttpRequest, sheet: Sheet) -> HttpResponse:
    filings = [
        Filing(
            values=row.form.values(),
            service_name=row.form.name_of("service")[:200],
            group_name=row.form.name_of("group_id")[:200],
        )
        for row in sheet.rows
        if row.form is not None
    ]
    token = uuid.uuid5(sheet.token, sheet.digest)  # another table from the same page is another batch
    batch = batches.file_batch(by=queries.reader(request), filings=filings, token=token)
    messages.success(request, f"{requests(len(filings))} submitted. An approver decides next.")
    return redirect("connections:batch", batch.pk)


def _show(request: HttpRequest, sheet: Sheet) -> HttpResponse:
    sheet.is_closed = services_taken(permissions.may_ask(request.user)) == frozenset()
    if sheet.is_closed:
        sheet.notes.append(CLOSED)
    try:
        permissions.check_can_file(queries.reader(request))
    except Denied as denied:
        if denied.reason not in sheet.notes:
            sheet.notes.append(denied.reason)
    context = {
        "sheet": sheet,
        "example": example_table(),
        "columns": _COLUMNS,
        "most": tables.MAX_ROWS,
        "kibibytes": tables.MAX_BYTES // 1024,
    }
    return render(request, "connections/batches/new.html", context, status=422 if sheet.is_too_large else 200)


# name, label, the values to choose from, the default in words
_COLUMNS = [
    (
        f.name,
        f"{f.label} (required)" if f.required else f.label,
        ", ".join(str(v) for v, _ in f.choices),
        "" if f.default is None else f"default: {f.default}",
    )
    for name in tables.COLUMNS
    for f in (*FIELDS, *NAMING.values())
    if f.name == name
]


def example_table() -> str:
    # The destination exists, if the catalog knows one: the example can be submitted.
    group = next((option.id for option in catalog.destinations()), "your_group_id")
    rows = [("google_sheets", group, f"sales_{where}", "orders", "Weekly sales report") for where in ("eu", "us")]
    return tables.csv_text([_EXAMPLE, *rows])


@require_safe
def template(request: HttpRequest) -> HttpResponse:
    # A byte order mark, so that Excel saves what is typed as UTF-8 too. No name of a column can be a formula.
    headers = {"Content-Disposition": 'attachment; filename="connection-requests.csv"'}
    text = f"\ufeff{tables.csv_text([tables.COLUMNS])}"
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)
