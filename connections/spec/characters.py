"""Text from outside as it may be shown: without invisible characters, and in a mail never on a line of the portal's
own.
"""

import textwrap
import unicodedata
from functools import lru_cache

_WIDTH = 72  # columns of a quoted line: a longer one is wrapped by the reader's program, and its rest has no mark
QUOTE = "  > "
MOST = 20  # characters that are named
_OF_LAYOUT = "\r\n\t"


def is_invisible(character: str) -> bool:
    """Whether `character` has no shape, or turns the reading direction of what follows (Unicode's categories)."""
    return unicodedata.category(character) in {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    """`text` with its code point for every invisible or direction-changing character; line ends and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(shown_character, text))


@lru_cache(maxsize=5_000)
def shown_character(character: str) -> str:
    hidden = character not in _OF_LAYOUT and is_invisible(character)
    return f"[U+{ord(character):04X}]" if hidden else character


def one_line(text: str, length: int = 100) -> str:
    line = visible(" ".join(text.split()))  # a line end would let it pose as a line of the page
    return line if len(line) <= length else f"{line[: length - 1]}…"


def quoted(text: str, length: int = 2000) -> str:
    """`text` as the words of somebody else: each line short and behind a mark."""
    cut = text if len(text) <= length else f"{text[: length - 1]}…"
    lines = [visible(line.expandtabs(4)) for line in cut.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    wrapped = [part for line in lines for part in textwrap.wrap(line, _WIDTH) or [""]]
    return "\n".join(f"{QUOTE}{part}".rstrip() for part in wrapped)


def hidden(text: str) -> list[str]:
    """The invisible and direction-changing characters of `text` by name, except line breaks and tabs."""
    if text.isascii() and text.isprintable():
        return []
    return [named_character(c) for c in dict.fromkeys(text) if is_invisible(c) and c not in _OF_LAYOUT][:MOST]


def doubtful(text: str) -> list[str]:
    """The characters of a name that are not plain ASCII ("а": U+0430 CYRILLIC SMALL LETTER A)."""
    return [named_character(c) for c in dict.fromkeys(text) if not 32 <= ord(c) < 127][:MOST]


def named_character(character: str) -> str:
    name = f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"
    return name if is_invisible(character) else f"“{character}” {name}"
