"""Whether a page holds a hostile text as text, never as a part of itself."""

import json
import re
from html.parser import HTMLParser
from typing import Any

# Each would leave the place that it is written into: an element, an attribute, a script, a comment, a template.
ATTACKS = (
    "<injected>",
    "</textarea><injected>",
    "</script><injected>",
    "--><injected>",
    "]]><injected/>",
    '" data-injected="1',
    "' data-injected='1",
    '"><injected onload=run()>',
    "<img src=x onerror=injected()>",
    "javascript:injected()",
    "{{ 98765|add:24680 }}",
    "{% injected %}",
    "injected\u202egnp.exe",
    "injected\u2028\u2029\x85",
    "${injected}`\\",
    "&lt;injected&gt;&#60;injected&#62;",
    "=HYPERLINK(injected)",
)
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TYPED = {"textarea", "input", "option"}  # which hold what somebody typed, as it was typed
_ADDRESSES = {"href", "src", "action", "formaction", "hx-get", "hx-post", "poster", "data"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self._open = ""
        self._is_json = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._open, self._is_json = tag, tag == "script" and "json" in (found.get("type") or "")
        if tag == "injected":
            self.faults.append(f"an element at {self.getpos()}")
        for name, value in attrs:
            if name == "data-injected" or re.fullmatch(r"on[a-z]+", name):
                self.faults.append(f"the attribute {name} of {tag} at {self.getpos()}")
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name in _ADDRESSES and address.startswith(("javascript:", "data:text", "vbscript:")):
                self.faults.append(f"an address {address[:40]} of {tag} at {self.getpos()}")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open == "script":
            if data.strip() and not self._is_json:
                self.faults.append(f"an inline script at {self.getpos()}: {data.strip()[:60]}")
            elif data.strip():
                json.loads(data)
        elif self._open not in _TYPED and (found := _INVISIBLE.search(data)):
            self.faults.append(f"U+{ord(found[0]):04X} in a text at {self.getpos()}: {data.strip()[:60]!r}")


def faults(text: str) -> list[str]:
    """What became of a hostile text in this page, other than text."""
    if "injected" not in text and "123445" not in text and not _INVISIBLE.search(text):
        return []
    page = _Page()
    page.feed(text)
    page.close()
    if "123445" in text:
        page.faults.append("a template was filled in")
    if "\x00" in text:
        page.faults.append("NUL")
    return page.faults


def faults_of(answer: Any) -> list[str]:
    """The same of an answer of the test client; in a header a line break would be one."""
    if answer.status_code >= 500:
        return [f"status {answer.status_code}"]
    found = [f"header {name}" for name, value in answer.headers.items() if re.search(r"[\r\n\x00]", value)]
    kind = answer.headers.get("Content-Type", "")
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if kind.startswith("text/html"):
        found += faults(content.decode())
    elif kind.startswith("application/json"):
        json.loads(content)
    return found
