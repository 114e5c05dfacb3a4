#!/usr/bin/env bash
# CPython 3.11 with Django 5.2.9: at one depth of the call stack, drawing the same options takes many times as long.
#
# Behaviour seen (CPython 3.11.2 of Debian 12 and 3.11.7 built from source, Linux, x86-64):
#   the interpreter keeps its Python frames in chunks of 16 KB. At a depth where a call needs the next chunk, each such
#   call takes one with mmap and each return gives it back with munmap; none is kept in reserve. format_html_join() of
#   1,000 options then causes thousands of page faults at one depth of the first 400, and next to none at the others.
#   Middleware moves a view's depth, so that one more or one less makes a page that draws a long list slow or quick.
# CPython 3.12.1 and 3.13.0 show nothing of it: they keep a chunk.
#
# Output seen:
#   3.11.7: page faults by depth: median 0, at depth 138 6003; 17.0 x as slow
# Fails if CPython 3.11 no longer does this.
set -euo pipefail
python="$(command -v python3.11 || true)"
[ -n "$python" ] || { echo "python3.11 is needed: it is what is looked at"; exit 1; }
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/env" 2>/dev/null || { "$python" -m pip install --quiet --target "$folder/tool" virtualenv==20.26.6; \
  PYTHONPATH="$folder/tool" "$python" -m virtualenv --quiet "$folder/env"; }
"$folder/env/bin/pip" install --quiet --disable-pip-version-check django==5.2.9
"$folder/env/bin/python" - <<'PY'
import resource
import statistics
import sys
import time

from django.utils.html import format_html_join

OPTIONS = [(str(number), f"Option {number}") for number in range(1000)]


def draw() -> tuple[int, float]:
    faults, began = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
    format_html_join("", '<option value="{}">{}</option>', OPTIONS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults, time.perf_counter() - began


def at(depth: int) -> tuple[int, float]:
    return at(depth - 1) if depth else draw()


at(0)
found = [at(depth) for depth in range(400)]
usual = statistics.median(faults for faults, _ in found)
worst = max(range(400), key=lambda depth: found[depth][0])
slower = found[worst][1] / statistics.median(took for _, took in found)
print(f"{sys.version.split()[0]}: page faults by depth: median {usual:.0f}, at depth {worst} {found[worst][0]}; {slower:.1f} x as slow")
assert usual < 100, "every depth costs page faults"
assert found[worst][0] >= 900 and slower > 2, "no depth stands out any more"
PY
