"""Several requests in one table: reading what was pasted or uploaded, and judging it row by row as the form would."""

import csv
import io
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django import forms
from django.utils.text import Truncator

from connections.forms.offers import read_once
from connections.forms.request import Purpose, RequestForm
from connections.forms.strangers import meant, nearest
from connections.forms.texts import NUL_SIGN, is_separator, one_line_end, tidy, trimmed
from connections.spec import payloads
from connections.spec.fields import FIELDS, NAMING

MAX_ROWS = 200
MAX_COLUMNS = 200
MAX_BYTES = 512 * 1024
CHECK_SECONDS = 20.0  # a service that nobody chose before is asked for at Fivetran: many at once may take long
_PLAIN = tuple(f for f in (*FIELDS, *NAMING.values()) if not f.constant)
COLUMNS = tuple(f.name for f in sorted(_PLAIN, key=lambda f: not (f.required or f.path in NAMING)))
_BY_LABEL = {f.label.lower(): f.name for f in _PLAIN}
_CONFIG = re.compile(rf"(?:config|{payloads.SECRETS_KEYS})__[A-Za-z0-9_]{{1,200}}", re.ASCII)


_NAMES_OF_SECRETS = (payloads.SECRETS_MANAGER, f"{payloads.SECRETS_KEYS}__")


class Unreadable(Exception):
    """The table cannot be read; the message says why and what to do, for people."""


class TooLargeTable(Unreadable):
    """It has more than MAX_BYTES."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"The table has {size:,} bytes. Send it in parts of {MAX_BYTES // 1024} KiB ({MAX_BYTES:,} bytes) or less."
        )


@dataclass
class Table:
    """A table as it was given: names of columns, and for each row name -> text, with the line on which it began."""

    columns: list[str]
    rows: list[dict[str, str]]
    delimiter: str
    left_out: list[str] = field(default_factory=list)  # columns that hold secrets

    def as_text(self) -> str:
        """The table written again, in the same dialect."""
        out = io.StringIO()
        writer = csv.writer(out, delimiter=self.delimiter, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([row.get(name, "") for name in self.columns] for row in self.rows)
        return out.getvalue()

    def correct(self, number: int, name: str, text: str) -> None:
        """Put `text` into the cell of row `number` (from 1); a column that the table lacks is added."""
        if name not in self.columns:
            self.columns.append(name)
        self.rows[number - 1][name] = text


@dataclass
class Row:
    """A judged row: what stands in its cells, and what is wrong with them (name of a column -> sentences)."""

    number: int
    texts: Mapping[str, str]
    errors: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # those that no cell is to blame for
    form: RequestForm | None = None

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.errors and not self.problems

    @property
    def wrong(self) -> str:
        """The columns that are wrong, and what no cell is to blame for, in one line."""
        names = [Truncator(name).chars(60) for name in self.errors]
        return ", ".join([*names, " ".join(self.problems)] if self.problems else names)

    def refuse(self, name: str, sentence: str) -> None:
        """Blame the cell `name`."""
        self.errors.setdefault(name, []).append(sentence)

    @property
    def name_column(self) -> str:
        """The column in which the destination name begins."""
        return next((f.name for f in NAMING.values() if self.texts.get(f.name)), "config__schema")

    @cached_property
    def key(self) -> tuple[str, str]:
        """(group id, name there): what must be the only one."""
        values = self.form.values() if self.form else {}
        return str(values.get("group_id", "")), payloads.Asked(values).name


class TableForm(forms.Form):
    """What was pasted or uploaded; a file takes the place of what stood in the text."""

    table = forms.CharField(required=False, strip=False, widget=forms.Textarea(attrs={"rows": 8}))
    file = forms.FileField(required=False, allow_empty_file=True, label="CSV file")
    use_required_attribute = False

    @property
    def text(self) -> str:
        """The text to show again and to judge; raises Unreadable for a file that is no text."""
        file = self.files.get("file")
        if file is None:
            return one_line_end(str(self.data.get("table", "")))
        if (size := file.size or 0) > MAX_BYTES:
            raise TooLargeTable(size)
        return one_line_end(decoded(file.read()))


def decoded(raw: bytes) -> str:
    """The text of a file: UTF-8, or UTF-16 with a byte order mark (Excel's "Unicode Text"). Nothing is guessed."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise Unreadable("The file is not text in UTF-8. In Excel, save it as “CSV UTF-8”.") from None


def read_table(text: str) -> Table:
    """The table in `text`: tab, semicolon or comma between cells (the header decides), quotes as CSV has them.

    Raises Unreadable for a text that is no such table, is too large, or names a column that no request has.
    """
    size = len(text.encode(errors="replace"))
    if size > MAX_BYTES:
        raise TooLargeTable(size)
    text = text.lstrip("\ufeff").replace("\0", NUL_SIGN)
    first, _, rest = text.partition("\n")
    if re.fullmatch(r"sep=.", first.strip()):  # Excel's own hint, which is no part of the table
        text, first = rest, rest.partition("\n")[0]
    delimiter = "\t" if "\t" in first else max(",;", key=first.count)
    lines = list(_lines(text, delimiter))
    if not lines:
        raise Unreadable(
            "Paste a table or choose a CSV file: first a line with the names of the columns, then the rows."
        )
    (_, header), *below = lines
    columns = _columns(header)
    if not below:
        raise Unreadable("There is no row below the names of the columns.")
    if len(below) > MAX_ROWS:
        raise Unreadable(f"The table has {len(below)} rows. Send at most {MAX_ROWS} at once.")
    return _without_secrets(Table(columns, [_row(columns, *line) for line in below], delimiter))


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(number of the line on which it ends, cells) of every line that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if any(map(trimmed, cells)):
                yield reader.line_num, cells
    except csv.Error as error:
        if "limit" in str(error):
            limit = f"{csv.field_size_limit():,}"
            raise Unreadable(f"Near line {reader.line_num} a cell is longer than {limit} characters.") from None
        raise Unreadable(
            f"Near line {reader.line_num} a quotation mark opens a cell and is not closed, or more follows it. "
            'Inside quotes, write " as "".'
        ) from None


def _columns(header: Sequence[str]) -> list[str]:
    header = [trimmed(heading) for heading in header]
    width = max((place for place, heading in enumerate(header, 1) if heading), default=0)
    header = header[:width]
    if width > MAX_COLUMNS:
        raise Unreadable(f"The table has {width:,} columns. Send at most {MAX_COLUMNS}.")
    found = [_column(heading) for heading in header]
    unknown = [heading for heading, name in zip(header, found, strict=True) if not name]
    if unknown:
        listed = ", ".join(map(_unknown, unknown[:8]))
        raise Unreadable(f"No request has these columns: {listed}. The names are below, under “Columns”.")
    names = [name for name in found if name]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise Unreadable(f"These columns stand there twice: {', '.join(name[:60] for name in twice[:8])}.")
    return names


def _unknown(heading: str) -> str:
    """A heading that names no column, with the column that was perhaps meant."""
    near = nearest(heading, COLUMNS)
    shown = f"“{heading[:60]}”" if heading else "one without a name"
    return f"{shown} (did you mean {near}?)" if near else shown


def _column(heading: str) -> str | None:
    """The control's name that a heading means: itself, its path in the body, or its label."""
    name = heading.strip().replace(".", "__")
    if name.lower() in COLUMNS:
        return name.lower()
    return _BY_LABEL.get(heading.lower()) or (name if _CONFIG.fullmatch(name) else None)


def is_column(name: str) -> bool:
    """Whether a table may have a column of this name: a control that every service has, or a setting of some service.

    A secret is none.
    """
    return name in COLUMNS or bool(_CONFIG.fullmatch(name)) and not _holds_secret(name)


def _row(columns: Sequence[str], line: int, cells: Sequence[str]) -> dict[str, str]:
    if any(map(trimmed, cells[len(columns) :])):
        raise Unreadable(f"Line {line} has {len(cells)} cells, more than there are columns ({len(columns)}).")
    return {name: cell_text(name, text) for name, text in zip(columns, cells, strict=False)}


def cell_text(name: str, text: str) -> str:
    """What the cell of column `name` holds; a cell of blanks is an empty one, but where white space is a value."""
    text = tidy(name, text)
    return text if is_separator(name) or not text.isspace() else ""


def _holds_secret(column: str) -> bool:
    """Whether what stands in the column is a secret by its name; names in a secrets manager are none."""
    keys = column.removeprefix("config__").strip("_").split("__")
    return payloads.lies_in_secret(keys) and not column.startswith(_NAMES_OF_SECRETS)


def _without_secrets(table: Table) -> Table:
    """Drop the columns that hold a secret by their name: they are not even shown again."""
    secret = [c for c in table.columns if _holds_secret(c)]
    table.left_out = [c for c in secret if any(row.get(c) for row in table.rows)]
    table.columns = [c for c in table.columns if c not in table.left_out]
    table.rows = [{c: text for c, text in row.items() if c not in table.left_out} for row in table.rows]
    return table


# --- judging -------------------------------------------------------------------------------------------------------
def judge(table: Table, *, seconds: float = CHECK_SECONDS) -> list[Row]:
    """Every row, judged as the form would, except that a value in a field that does not apply is an error here.

    The rows that are not reached within `seconds` say so.
    """
    ends, rows = time.monotonic() + seconds, []
    with read_once():
        for number, texts in enumerate(table.rows, 1):
            row = Row(number, texts)
            if time.monotonic() < ends:
                _judge(row)
            else:
                row.problems.append("Not checked yet: Fivetran answers slowly. Check the table again.")
            rows.append(row)
    _refuse_doubles(rows)
    return rows


def _judge(row: Row) -> None:
    row.form = form = RequestForm.from_link(row.texts)
    idle = {path.replace(".", "__") for path in form.verdict.hidden} if form.errors else set()
    for name, sentences in form.errors.items():
        if name in form.fields:  # of a field that does not apply, only that is worth saying
            row.errors[name] = [str(sentence) for sentence in sentences][-1 if name in idle else 0 :]
    for name, missing in form.missing.items():
        if name not in row.errors:
            row.refuse(name, missing.enter or f"Enter the {missing.label.lower()}")
    if not form.naming.known:  # only a submission says which mixtures of names mean nothing
        strict = RequestForm(dict(form.data), purpose=Purpose.SUBMIT, given=form.given)
        for name, sentences in strict.errors.items():
            if name in strict.fields and name not in row.errors:
                row.errors[name] = [str(sentence) for sentence in sentences]
    strangers = [name for name, text in row.texts.items() if text and name not in form.fields]
    for name in strangers:
        near = meant(name, (known for known in form.fields if known.startswith("config__")))
        row.refuse(name, f"{form.name_of('service') or 'This service'} has no such field: leave this cell empty.{near}")
    if not strangers:
        row.problems += [str(sentence) for sentence in form.non_field_errors()]


def _refuse_doubles(rows: Sequence[Row]) -> None:
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        group, name = row.key
        if group and name and first.setdefault((group, name), row) is not row:
            row.refuse(row.name_column, f"Row {first[group, name].number} has the same name in this destination")
