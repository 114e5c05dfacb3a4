"""The command line of the sandbox."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from . import syncs
from .app import Sandbox
from .catalog import DATA
from .server import Server
from .settings import Settings

OTHERS = DATA / "others.json"  # services by name and category, with little or none of their settings


def add_options(options: argparse.ArgumentParser, settings_flag: str = "--settings") -> None:
    options.add_argument("--port", type=int, default=8100, help="port on 127.0.0.1; 0 takes a free one and prints it")
    options.add_argument("--state", type=Path, help="file that keeps connections over a restart (memory without)")
    options.add_argument("--catalog", type=Path, help="JSON file, gzipped or not, with further services")
    options.add_argument("--account", type=Path, help="JSON file with groups, users and so on instead of its own")
    options.add_argument("--duplicate-names", action="store_true", help="accept several connections of one name")
    # Django's commands have a --settings of their own, hence the flag.
    options.add_argument(settings_flag, default="{}", help="JSON object of settings, e.g. '{\"test_seconds\": 0}'")


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m connections.sandbox", description=__doc__)
    add_options(options)
    return run(options.parse_args())


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; returns 0 then, 2 when it could not start."""
    settings = Settings(unique_names=not options.duplicate_names)
    try:
        settings.change(json.loads(options.settings))
        files = {"state": options.state, "extra_catalog": options.catalog, "account": options.account}
        server = Server(Sandbox(**files, settings=settings), options.port)
    except (OSError, ValueError, AttributeError) as error:
        print(f"The Fivetran sandbox could not start on port {options.port}: {error}", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    syncs.start(server.app)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    # A program that starts the sandbox on port 0 reads the address from this line.
    print(f"Fivetran sandbox ready on {server.app.root}", flush=True)
    stop.wait()
    server.shutdown()
    server.server_close()
    server.app.state.close()
    return 0
