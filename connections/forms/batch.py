"""Several requests in one table: reading what was pasted or uploaded, and judging it row by row as the form would."""

import csv
import io
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django import forms

from connections.forms.offers import read_once
from connections.forms.request import Purpose, RequestForm
from connections.forms.strangers import meant, nearest
from connections.forms.typed_text import NUL_SIGN, is_separator, one_line_end, tidy, trimmed
from connections.permissions import EVERYTHING, MayAsk
from connections.spec import payloads
from connections.spec.characters import visible
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
    def __init__(self, size: int) -> None:
        super().__init__(
            f"The table has {size:,} bytes. Send it in parts of {MAX_BYTES // 1024} KiB ({MAX_BYTES:,} bytes) or less."
        )


@dataclass
class Table:
    columns: list[str]
    rows: list[dict[str, str]]
    delimiter: str
    left_out: list[str] = field(default_factory=list)  # columns that hold secrets

    def as_text(self) -> str:
        rows = [[row.get(name, "") for name in self.columns] for row in self.rows]
        return csv_text([self.columns, *rows], self.delimiter)

    def correct(self, number: int, name: str, text: str) -> None:
        """`number` counts from 1; a missing column is added."""
        if name not in self.columns:
            self.columns.append(name)
        self.rows[number - 1][name] = text


def csv_text(rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return out.getvalue()


@dataclass
class Row:
    number: int
    texts: Mapping[str, str]
    errors: dict[str, list[str]] = field(default_factory=dict)  # name of a column -> sentences
    problems: list[str] = field(default_factory=list)  # those that no cell is to blame for
    form: RequestForm | None = None

    @property
    def is_good(self) -> bool:
        return not self.errors and not self.problems

    def refuse(self, name: str, sentence: str) -> None:
        self.errors.setdefault(name, []).append(sentence)

    @property
    def name_column(self) -> str:
        # Of a name in two parts the last one is the one to change.
        return next((f.name for f in reversed(NAMING.values()) if self.texts.get(f.name)), "config__schema")

    @cached_property
    def key(self) -> tuple[str, str]:
        """(group id, name there)."""
        values = self.form.values() if self.form else {}
        return str(values.get("group_id", "")), payloads.Asked(values).name


class TableForm(forms.Form):
    table = forms.CharField(required=False, strip=False, widget=forms.Textarea(attrs={"rows": 8}))
    file = forms.FileField(required=False, allow_empty_file=True, label="CSV file")
    use_required_attribute = False

    @property
    def text(self) -> str:
        """Raises Unreadable for a file that is not text."""
        file = self.files.get("file")
        if file is None:
            return one_line_end(str(self.data.get("table", "")))
        if (size := file.size or 0) > MAX_BYTES:
            raise TooLargeTable(size)
        return one_line_end(decoded(file.read()))


def decoded(raw: bytes) -> str:
    """UTF-8, or UTF-16 with a byte order mark (Excel's "Unicode Text"); raises Unreadable."""
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise Unreadable("The file is not text in UTF-8. In Excel, save it as “CSV UTF-8”.") from None


def read_table(text: str) -> Table:
    """Tab, semicolon or comma between cells (the header decides), quotes as CSV has them; raises Unreadable."""
    size = len(text.encode(errors="replace"))
    if size > MAX_BYTES:
        raise TooLargeTable(size)
    text = text.lstrip("\ufeff").replace("\0", NUL_SIGN)
    first, _, rest = text.partition("\n")
    if re.fullmatch(r"sep=.", first.strip()):  # Excel's own hint, which is no part of the table
        text, first = rest, rest.partition("\n")[0]
    delimiter = "\t" if "\t" in first else max(",;", key=first.count)
    lines = list(lines_of(text, delimiter))
    if not lines:
        raise Unreadable(
            "Paste a table or choose a CSV file: first a line with the names of the columns, then the rows."
        )
    (_, header), *below = lines
    columns = columns_of(header)
    if not below:
        raise Unreadable("There is no row below the names of the columns.")
    if len(below) > MAX_ROWS:
        raise Unreadable(f"The table has {len(below)} rows. Send at most {MAX_ROWS} at once.")
    table = Table(columns, [cells_by_column(columns, *line) for line in below], delimiter)
    # Columns that hold a secret by their name are dropped: not even this page shows them again.
    secret = [c for c in table.columns if holds_secret(c)]
    table.left_out = [c for c in secret if any(row.get(c) for row in table.rows)]
    table.columns = [c for c in table.columns if c not in table.left_out]
    table.rows = [{c: text for c, text in row.items() if c not in table.left_out} for row in table.rows]
    return table


def lines_of(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its last line, cells) of every row that is not empty."""
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


def columns_of(header: Sequence[str]) -> list[str]:
    header = [trimmed(heading) for heading in header]
    width = max((place for place, heading in enumerate(header, 1) if heading), default=0)
    header = header[:width]
    if width > MAX_COLUMNS:
        raise Unreadable(f"The table has {width:,} columns. Send at most {MAX_COLUMNS}.")
    found = [column_of(heading) for heading in header]
    unknown = [heading for heading, name in zip(header, found, strict=True) if not name]
    if unknown:
        shown = [f"“{visible(heading[:60])}”" if heading else "one without a name" for heading in unknown[:8]]
        near = [nearest(heading, COLUMNS) for heading in unknown[:8]]
        listed = ", ".join(f"{a} (did you mean {b}?)" if b else a for a, b in zip(shown, near, strict=True))
        raise Unreadable(f"No request has these columns: {listed}. The names are below, under “Columns”.")
    names = [name for name in found if name]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise Unreadable(f"These columns stand there twice: {', '.join(name[:60] for name in twice[:8])}.")
    return names


def column_of(heading: str) -> str | None:
    """A heading may be the control's name, its path in the body, or its label."""
    name = heading.strip().replace(".", "__")
    if name.lower() in COLUMNS:
        return name.lower()
    return _BY_LABEL.get(heading.lower()) or (name if _CONFIG.fullmatch(name) else None)


def is_column(name: str) -> bool:
    return name in COLUMNS or bool(_CONFIG.fullmatch(name)) and not holds_secret(name)


def cells_by_column(columns: Sequence[str], line: int, cells: Sequence[str]) -> dict[str, str]:
    if any(map(trimmed, cells[len(columns) :])):
        raise Unreadable(f"Line {line} has {len(cells)} cells, more than there are columns ({len(columns)}).")
    return {name: cell_text(name, text) for name, text in zip(columns, cells, strict=False)}


def cell_text(name: str, text: str) -> str:
    # A cell of blanks is an empty one, except where white space is a value.
    text = tidy(name, text)
    return text if is_separator(name) or not text.isspace() else ""


def holds_secret(column: str) -> bool:
    # A name in a secrets manager is not a secret.
    keys = column.removeprefix("config__").strip("_").split("__")
    return payloads.lies_in_secret(keys) and not column.startswith(_NAMES_OF_SECRETS)


# --- judging -------------------------------------------------------------------------------------------------------
def judge(table: Table, *, seconds: float = CHECK_SECONDS, may_ask: MayAsk = EVERYTHING) -> list[Row]:
    """Every row, judged as the form would, except that a value in a field that does not apply is an error here."""
    ends, rows = time.monotonic() + seconds, []
    with read_once():
        for number, texts in enumerate(table.rows, 1):
            row = Row(number, texts)
            if time.monotonic() < ends:
                judge_row(row, may_ask)
            else:  # the page must not time out, and says how to go on
                row.problems.append("Not checked yet: Fivetran answers slowly. Check the table again.")
            rows.append(row)
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        group, name = row.key
        if group and name and first.setdefault((group, name), row) is not row:
            row.refuse(row.name_column, f"Row {first[group, name].number} has the same name in this destination")
    return rows


def judge_row(row: Row, may_ask: MayAsk) -> None:
    row.form = form = RequestForm.from_link(row.texts, may_ask)
    idle = {path.replace(".", "__") for path in form.verdict.hidden} if form.errors else set()
    for name, sentences in form.errors.items():
        if name in form.fields:  # of a field that does not apply, only that is worth saying
            row.errors[name] = [str(sentence) for sentence in sentences][-1 if name in idle else 0 :]
    for name, missing in form.missing.items():
        if name not in row.errors:
            row.refuse(name, missing.enter or f"Enter the {missing.label.lower()}")
    if not form.naming.known:  # only a submission says which mixtures of names mean nothing
        strict = RequestForm(dict(form.data), purpose=Purpose.SUBMIT, given=form.given, may_ask=may_ask)
        for name, sentences in strict.errors.items():
            if name in strict.fields and name not in row.errors:
                row.errors[name] = [str(sentence) for sentence in sentences]
    strangers = [name for name, text in row.texts.items() if text and name not in form.fields]
    for name in strangers:
        near = meant(name, (known for known in form.fields if known.startswith("config__")))
        row.refuse(name, f"{form.name_of('service') or 'This service'} has no such field: leave this cell empty.{near}")
    if not strangers:
        row.problems += [str(sentence) for sentence in form.non_field_errors()]
