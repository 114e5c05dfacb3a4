"""`python -m tests.settings_table`: writes the table of settings in docs/operators.md anew.

Variable, kind and default come from the code that reads the environment. What a variable means is written by hand in
the document and kept.
"""

import ast
import re
from collections.abc import Iterator

from tests.processes import ROOT

DOCUMENT = ROOT / "docs" / "operators.md"
BLOCK = re.compile(r"(?<=<!-- settings -->\n)(.*?)(?=<!-- /settings -->)", re.DOTALL)
HEAD = "| variable | takes | default | meaning |\n|---|---|---|---|\n"
# The function of portal/environment.py that reads a variable -> what it takes.
KINDS = {
    "allowed_hosts": "hosts",
    "api_root": "address",
    "base_of": "text",
    "certificates": "file",
    "choice": "word",
    "client_of": "text",
    "database_url": "address",
    "flag": "true, false",
    "directory_filter": "text",
    "directory_url": "address",
    "document_url": "address",
    "fresh_pair": "text",
    "group_roles": "JSON",
    "hosts": "hosts",
    "issuer": "address",
    "mail": "address",
    "names": "names",
    "origins": "addresses",
    "proxy": "address",
    "public_url": "address",
    "reader_of": "text",
    "redis_urls": "address",
    "required": "text",
    "seconds": "seconds",
    "sender": "mail address",
    "start_tls": "true, false",
    "text": "text",
    "whole": "number",
}


def settings() -> dict[str, tuple[str, str]]:
    """Each variable that the product reads -> what it takes, and its default, as the table says them."""
    found: dict[str, tuple[str, str]] = {}
    for reader, (first, *rest) in _reads((ROOT / "portal" / "settings.py").read_text(encoding="utf-8")):
        defaults = [part for part in rest if not _is_variable(part)]
        default = f"`{_words(defaults[0])}`" if defaults and _words(defaults[0]) else ""
        found.setdefault(_words(first), (KINDS[reader], "required" if reader == "required" else default))
        for other in filter(_is_variable, rest):  # the password beside an address, or the second of a pair
            found.setdefault(_words(other), ("text", ""))
    own = re.findall(r'environ\.get\("(\w+)"\) or (\d+)', (ROOT / "gunicorn.conf.py").read_text(encoding="utf-8"))
    return found | {name: ("number", f"`{default}`") for name, default in own}


def _reads(source: str) -> Iterator[tuple[str, list[ast.expr]]]:
    """Each call `read.reader("NAME", …)` in the order of the file: the reader, and all that it is given."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda call: call.lineno):
        module, _, reader = ast.unparse(call.func).partition(".")
        if module == "read" and call.args and _is_variable(call.args[0]):
            yield reader, [*call.args, *(word.value for word in call.keywords if word.arg == "default")]


def _is_variable(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and bool(re.fullmatch(r"[A-Z]+_[A-Z_]+|DEBUG|PORT", str(node.value)))


def _words(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=value):
            return str(value).lower() if isinstance(value, bool) else str(value)
        case ast.JoinedStr(values=parts) | ast.List(elts=parts):
            return "".join(_words(part) for part in parts)
        case ast.FormattedValue(value=inner) | ast.BinOp(right=inner) | ast.Call(args=[inner]):
            return _words(inner)  # of a path its last part, without the project's folder
        case ast.Attribute(attr=name):
            return name.upper()
    return ast.unparse(node)


def written(document: str) -> str:
    """`document` with its table as the code says, and the meanings that it has."""
    [block] = BLOCK.findall(document)
    meanings = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*?) ?\|$", block, re.MULTILINE))
    rows = [
        " ".join(f"| `{name}` | {kind} | {default} | {meanings.get(name, '')} |".split())
        for name, (kind, default) in settings().items()
    ]
    return BLOCK.sub(lambda _: HEAD + "\n".join(rows) + "\n", document)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
