#!/usr/bin/env python
"""Django's command line for the portal: `python manage.py help` lists the commands."""

import os
import secrets
import shutil
import signal
import sys
from importlib.util import find_spec
from typing import NoReturn


def main() -> None:
    """Run one management command; a wrong environment ends in one sentence instead of a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    command = sys.argv[1:2]
    if command == ["demo"]:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _stop)  # until the command has its own: what is imported takes seconds on a cold disk
    # Not at the top: a signal that came while this is imported would end in a traceback.
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    if command == ["demo"] and find_spec("connections.demo"):  # an image is without it
        from connections.demo import environment

        environment.fill(os.environ)
    elif command == ["fivetran_sandbox"]:
        # The stand-in signs nothing and keeps no session, so it starts where nothing is configured.
        os.environ.pop("SECRET_KEY_FILE", None)
        os.environ["SECRET_KEY"] = secrets.token_urlsafe(50)
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"portal: {error}")


def _stop(*_signal: object) -> NoReturn:
    """End at once, with nothing started yet. No exception: whatever is imported now might swallow or print it."""
    shutil.rmtree(os.environ.get("DEMO_SCRATCH", ""), ignore_errors=True)
    os.write(1, b"Stopped.\n")
    os._exit(0)


if __name__ == "__main__":
    main()
