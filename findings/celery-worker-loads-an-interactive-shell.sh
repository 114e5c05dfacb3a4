#!/usr/bin/env bash
# Celery 5.7.0: every worker and scheduler that its command starts keeps an interactive shell in memory.
#
# `celery.bin.celery` imports all its commands, and `celery amqp` (a prompt to try AMQP by hand) imports click_repl,
# which imports prompt_toolkit with wcwidth. Nobody in a worker ever types, and of the command line's own weight this is
# the larger part: in a scheduler that loads no application it is a third of its memory.
#
# Behaviour seen (celery 5.7.0 with click-repl 0.4.1 and prompt_toolkit 3.0.53, CPython 3.11, Linux x86-64):
#   after `import celery.bin.celery` prompt_toolkit is loaded with more than 100 modules
#   resident memory: 34 MB more than before, of which some 20 MB come with click_repl
# Fails if the command line no longer loads it, or if it costs less than 8 MB.
set -euo pipefail
python="$(command -v python3)"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/env" 2>/dev/null || { "$python" -m pip install --quiet --target "$folder/tool" virtualenv==20.26.6; \
  PYTHONPATH="$folder/tool" "$python" -m virtualenv --quiet "$folder/env"; }
"$folder/env/bin/pip" install --quiet --disable-pip-version-check celery==5.7.0 click-repl==0.4.1 prompt_toolkit==3.0.53
"$folder/env/bin/python" - <<'PY'
import os
import sys


def resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


start = resident()
import click_repl  # noqa: E402,F401

shell = resident() - start
import celery  # noqa: E402
import celery.bin.celery  # noqa: E402,F401

whole = resident() - start
print(f"celery {celery.__version__}: the command line takes {whole:.0f} MB, {shell:.0f} of them with click_repl")
assert shell > 8, "the shell costs little now"
PY
"$folder/env/bin/python" - <<'PY'
import sys

import celery.bin.celery  # noqa: F401

loaded = [name for name in sys.modules if name.split(".")[0] == "prompt_toolkit"]
print(f"after importing the command line {len(loaded)} modules of prompt_toolkit are loaded")
assert len(loaded) > 100, "the command line no longer loads an interactive shell"
PY
