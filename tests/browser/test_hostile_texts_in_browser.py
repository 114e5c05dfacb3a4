"""The scripts' own regular expressions and the search of services on hostile texts, in a real browser."""

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from connections.spec import hosts_and_ports
from tests.hostile import LENGTHS, LONG, attacks, texts

STATIC = Path(__file__).parents[2] / "connections" / "static" / "connections"
LIMIT = 50  # ms
# After what a literal may follow, up to its flags. A division has a space on both sides here.
LITERAL = re.compile(
    r"(?<=[(=,:!&|?\s])/(?![*/ ])((?:[^/\\\n\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/([dgimsuvy]*)(?=[.,;)\s])"
)
_IN_PYTHON = {r"\p{L}": "a-z", r"\p{N}": "0-9", r"\p{M}": "\u0301"}
_RUN = """
async ([source, flags, texts]) => {
  const work = `onmessage = ({ data: [source, flags, texts] }) => {
    const pattern = new RegExp(source, flags.replace("g", "") + "g");
    for (const text of texts) {
      const began = performance.now();
      text.replace(pattern, "");
      postMessage(performance.now() - began);
    }
  };`;
  const worker = new Worker(URL.createObjectURL(new Blob([work])));
  let slowest = 0;
  for (const text of texts) {
    let took = Infinity;
    for (let attempt = 0; attempt < 3 && took >= LIMIT; attempt += 1) {
      const answer = new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
      worker.postMessage([source, flags, [text]]);
      took = Math.min(took, await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 5000, 5000))]));
      if (took === 5000) return took;
    }
    slowest = Math.max(slowest, took);
  }
  worker.terminate();
  return slowest;
}
""".replace("LIMIT", str(LIMIT))
_SEARCH = """
async ([source, texts]) => {
  const { prepare, search } = await import(source);
  const names = Array.from({ length: 1000 }, (_, n) => ({ id: `s_${n}`, name: `Service ${n}`, category: "File" }));
  const entries = prepare(names);
  return texts.map((text) => {
    const began = performance.now();
    search(entries, text);
    return performance.now() - began;
  });
}
"""


def _literals() -> list[tuple[str, str, str]]:
    """(file, source, flags) of every regular expression in the scripts, and of those that rules hand to rules.js."""
    handed = hosts_and_ports.address_rules("postgres", {"config.host": "", "config.port": ""})
    found = [("rules.js", when.pattern, "") for rule in handed for when in rule.when]
    assert len(found) >= 4
    for script in sorted(STATIC.glob("*.js")):
        text = script.read_text()
        made = text.count("RegExp(")
        assert made == (script.name == "rules.js"), f"{script.name}: write a literal, so that this test finds it"
        plain = re.sub(r"^\s*(?://|\*|/\*).*$", "", text, flags=re.MULTILINE)
        found += [(script.name, source, flags) for source, flags in LITERAL.findall(plain)]
    return found


def _slowest(page: Page, source: str, flags: str) -> float:
    alike = source
    for theirs, ours in _IN_PYTHON.items():
        alike = alike.replace(theirs, ours)
    hostile = [text for length in LENGTHS for text in attacks(re.compile(alike), length)]
    return float(page.evaluate(_RUN, [source, flags, hostile]))


def test_the_expressions_of_the_scripts_take_linear_time(page: Page) -> None:
    literals = _literals()
    assert {script for script, _, _ in literals} >= {"search.js", "picker.js", "form.js", "status_poll.js"}
    slow = [(script, source) for script, source, flags in literals if _slowest(page, source, flags) >= LIMIT]
    assert slow == []


@pytest.mark.parametrize("careless", [r"(config(?:__[A-Za-z0-9_]+?)+)__([0-9]{1,4})"])
def test_a_careless_expression_of_a_script_is_noticed(page: Page, careless: str) -> None:
    assert _slowest(page, careless, "") >= LIMIT


def test_a_long_search_for_a_service_does_not_hold_the_page_up(page: Page) -> None:
    source = base64.b64encode((STATIC / "search.js").read_bytes()).decode()
    spent = page.evaluate(_SEARCH, [f"data:text/javascript;base64,{source}", [*texts(LONG), "service " * 12_000]])
    assert max(spent) < 250  # a thousand services
