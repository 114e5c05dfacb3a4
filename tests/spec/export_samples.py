"""Texts that try to leave their quotes, wherever they are written, and a body to put them into."""

from typing import Any

from hypothesis import strategies as st

from connections.spec.payloads import build_body

ROOT = "https://api.fivetran.com"
HOSTILE = [
    "'; touch broken #",
    '"; touch broken; "',
    "$(touch broken) `touch broken` ${HOME} \\$x",
    "FIVETRAN_BODY\nFIVETRAN_BODY\ntouch broken\n",
    "\\\\' \\\" \\n \t \r \x7f \x1b[31m !! !1",
    "${file(1)} $${a} $$${b} %{if true} %%{c} $%{d} %${e}",
    "\u202e\u2028\ufeff\U000e0001 é 😀 */ # //",
    "${workflow.secrets.OTHER} $${workflow.secrets.OTHER} ${workflow.input.x} ${} ${a${b}}",
    '""" + __import__("os").system("touch broken") + """',
]
TEXT = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text("$%{}\\\"'`!\n#~ ", max_size=12),
)
JSON = st.recursive(
    st.one_of(TEXT, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


def body_of(**config: Any) -> dict[str, Any]:
    return build_body({"service": "google_sheets", "group_id": "projected_sickle", "config.schema": "s"}) | {
        "config": config
    }
