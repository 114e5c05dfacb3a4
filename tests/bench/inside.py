"""`python -m tests.bench.inside P1 '<site as JSON>'`: one goal in a process set up for its database.

The environment is that of a portal process beside the goal's own broker and sandbox. The last line that is printed
holds the readings as JSON.
"""

import json
import sys
from importlib import import_module

import django

from tests.bench.goals import GOALS
from tests.bench.readings import Site


def main(name: str, site: str) -> None:
    """Measure and print."""
    django.setup()
    module = import_module(f"tests.bench.{GOALS[name].module}")
    readings = getattr(module, GOALS[name].function)(Site(**json.loads(site)))
    print(json.dumps([reading.as_json() for reading in readings]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
