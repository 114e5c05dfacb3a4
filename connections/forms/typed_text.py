"""Texts as they come in: line ends, invisible characters, separators, what a spreadsheet made. All ways in pass `tidy`,
so that the same text becomes the same body by each of them.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby

from connections.spec.characters import is_invisible

NUL_SIGN = "␀"  # stands for a NUL, which no PostgreSQL text can hold: shown to whoever typed it, and refused
# The settings that say what stands between or around values in a file: white space is a value of theirs.
_SEPARATOR = re.compile(
    r"\A(?:[a-z0-9]+_)*(?:delimiter|separator|terminator|quote_char(?:acter)?|escape_char(?:acter)?|null_(?:sequence|string))"
)
# Texts of Fivetran's, which are sent as they are typed.
_SENT = re.compile(
    r"(?:config|external_secrets_keys_config)(?:__|\.)|destination_configuration(?:__|\.)|external_secrets_manager_id\Z"
)
_CODES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
_MEANT = {code: character for character, code in _CODES.items()}
_CODE = re.compile(r"(?<!\\)(\\+)([tnr])")
_FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"  # no format characters, and empty all the same
_RANGES = "\x00 \x7f\xa0\u2000\u200f\u2028\u202f\u205f\u206f\ufff9\ufffb"  # white space, controls, directions: from, to
# What is nothing at the ends of a text. Not the tags U+E0020 to U+E007F: they end the flag of Scotland.
_ENDS = f"{_FILLERS}\xad\u061c\u1680\u180e\u3000\ufeff" + "".join(
    chr(code)
    for first, last in zip(_RANGES[::2], _RANGES[1::2], strict=True)
    for code in range(ord(first), ord(last) + 1)
)
_JOINERS = frozenset("\u200c\u200d")  # spelling in Persian or Hindi, and in the middle of an emoji
_NAMES = {" ": "SPACE", "\t": "TAB", "\n": "LINE BREAK", "\r": "CARRIAGE RETURN"}
_BEFORE, _MOST = 20, 3  # characters named before an invisible one, invisible ones named
_LONGEST_NAME = 500  # characters of a control's name
_LONGEST = 20_000  # characters that are looked at: a longer text is refused as such
_LOST = re.compile(r"[-+]?\d(?:[.,]\d+)?E\+\d{2,3}")
_SHEET_ERROR = re.compile(r"#(?:N/A|NV|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!)|#{4,}")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::00(?:[.,]0+)?)?(?: ?([ap])\.?m\.?)?", re.IGNORECASE | re.ASCII)
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:[.,'’ \u00a0\u202f]\d{3})+", re.ASCII)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:['’ \u00a0\u202f]\d{3})+", re.ASCII)  # no comma or point: one may be decimal
_NOUGHTS = re.compile(r"\A([-+]?\d+)[.,]0{1,2}", re.ASCII)


# --- what comes in ---------------------------------------------------------------------------------------------------
def tidy(name: str, text: str) -> str:
    """One kind of line end, nothing invisible at the ends."""
    text = str(text).replace("\0", NUL_SIGN)
    if is_separator(name):
        return control_codes(text)
    # Where nothing can be seen in a text that would be sent, it stays as it is: its control refuses it in words.
    return trimmed(text) or (text if _SENT.match(name) else "")


def one_line_end(text: str) -> str:
    # A browser posts CRLF, a table and a stored value have LF.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def trimmed(text: str) -> str:
    text = text.strip(_ENDS)
    return text if text.isascii() and text.isprintable() else one_line_end(text)


# --- settings that are white space -----------------------------------------------------------------------------------
def is_separator(name: str) -> bool:
    """Whether white space is a value of the setting `name` (its control, or its key at Fivetran)."""
    if len(name) > _LONGEST_NAME:
        return False
    return bool(_SEPARATOR.fullmatch(name.replace(".", "__").rpartition("__")[2]))


def in_codes(text: str) -> str:
    r"""A separator as people type and read it, the opposite of `from_codes`."""
    if len(text) > _LONGEST:
        return text
    return control_codes(_CODE.sub(lambda found: f"{found[1]}\\{found[2]}", text))


def from_codes(text: str) -> str:
    r"""The separator that a typed text means: \t is a tab, \n a line break, \\t a backslash and a t."""
    if len(text) > _LONGEST:
        return text
    return _CODE.sub(lambda found: _MEANT.get(found[0]) or found[0][1:], text)


def control_codes(text: str) -> str:
    if len(text) > _LONGEST:
        return text
    # A control character after a backslash stays as it is: its code would read as a backslash and a letter there.
    return re.sub(r"(?<!\\)[\t\n\r]", lambda found: _CODES[found[0]], text)


def in_names(text: str) -> str:
    """White space and invisible characters of a separator by name, “,” as it is; empty where it has none."""
    if not any(c.isspace() or is_invisible(c) for c in text[:_LONGEST]):
        return ""
    said: list[str] = []
    for is_unseen, part in groupby(text[:_BEFORE], lambda c: c.isspace() or is_invisible(c)):
        characters = "".join(part)
        said += map(name_of_character, characters) if is_unseen else [f"“{characters}”"]
    return " ".join([*said, "…"] if len(text) > _BEFORE else said)


def in_sight(text: str) -> str:
    inner = text.strip(" ")
    start = len(text) - len(text.lstrip(" ")) if inner else len(text)
    return "␣" * start + inner + "␣" * (len(text) - start - len(inner))


# --- what is wrong with a text ---------------------------------------------------------------------------------------
def refusal(text: str, *, prose: bool = False) -> str:
    """Why `text` cannot be what somebody meant to send. In `prose` only a NUL is refused."""
    if NUL_SIGN in text:
        return f"Take the {NUL_SIGN} out: it stands for a NUL character, which no text can hold"
    if prose:
        return ""
    if "E+" in text and any(_LOST.fullmatch(line.strip()) for line in text.split("\n")):
        return (
            "This has lost digits: a spreadsheet shortened the number. Format its cells as text, and enter it in full"
        )
    if text.startswith("#") and _SHEET_ERROR.fullmatch(text):
        return "This is a spreadsheet’s error, not a value: correct the formula, or widen the column"
    unseen = unseen_in(text)
    return f"Take out what nobody sees: {unseen}" if unseen else ""


def unseen_in(text: str) -> str:
    """The invisible characters, each by name and place: "ZERO WIDTH SPACE after “db”"."""
    if text.isascii() and text.isprintable():
        return ""
    looked_at = enumerate(text[:_LONGEST])
    found = [place for place, c in looked_at if (is_invisible(c) or c in _FILLERS) and not is_usual(text, place)]
    said = [named_with_place(text, place) for place in found[:_MOST]]
    return ", ".join([*said, f"and {len(found) - _MOST} more"] if len(found) > _MOST else said)


def odd_blanks_in(text: str) -> str:
    # They may be meant, and are easily pasted.
    if text.isascii():
        return ""
    found = [place for place, c in enumerate(text[:_LONGEST]) if c != " " and unicodedata.category(c) == "Zs"]
    return ", ".join(named_with_place(text, place) for place in found[:_MOST])


def is_usual(text: str, place: int) -> bool:
    """Line breaks, tabs, tags of a flag, and a joiner between letters of a script that is spelled with it."""
    character = text[place]
    if character in "\n\t" or "\U000e0020" <= character <= "\U000e007f":
        return True
    return character in _JOINERS and not text[place - 1 : place].isascii() and not text[place + 1 : place + 2].isascii()


def named_with_place(text: str, place: int) -> str:
    before = text[max(0, place - _BEFORE) : place].rpartition("\n")[2]
    before = "".join(c for c in before if not is_invisible(c))
    return (
        f"{name_of_character(text[place])} after “{before}”"
        if before
        else f"{name_of_character(text[place])} at the beginning"
    )


def name_of_character(character: str) -> str:
    known = unicodedata.name(character, f"the character U+{ord(character):04X}")
    return _NAMES.get(character, known)


# --- what a spreadsheet made -----------------------------------------------------------------------------------------
def readings(text: str) -> Iterator[str]:
    """What a cell may have been before a spreadsheet showed it as `text`: a time of day, a whole number."""
    if clock := _CLOCK.fullmatch(text):
        hour, half = int(clock[1]), (clock[3] or "").lower()
        if not half or 0 < hour <= 12:
            yield f"{hour % 12 + (12 if half == 'p' else 0) if half else hour:02d}:{clock[2]}"
    yield whole(text)
    if _GROUPED.fullmatch(text):
        yield re.sub(r"[^\d+-]", "", text)


def whole(text: str) -> str:
    """A whole number as a spreadsheet shows it ("6.0", "1 440"); any other text as it is."""
    if noughts := _NOUGHTS.fullmatch(text):
        return noughts[1]
    return re.sub(r"[^\d+-]", "", text) if _THOUSANDS.fullmatch(text) else text


def is_grouped(text: str) -> bool:
    # 1.000 or 1,000 is one or a thousand, depending on the country.
    return bool(_GROUPED.fullmatch(text))
