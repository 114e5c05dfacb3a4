#!/usr/bin/env python
"""Django's command line for the portal: `python manage.py help` lists the commands."""

import os
import secrets
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def main() -> None:
    """Run one management command; a wrong environment ends in one sentence instead of a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    if sys.argv[1:2] == ["demo"]:
        from portal import demo

        demo.fill(os.environ)
    elif sys.argv[1:2] == ["fivetran_sandbox"]:
        # The stand-in signs nothing and keeps no session, so it starts where nothing is configured.
        os.environ.pop("SECRET_KEY_FILE", None)
        os.environ["SECRET_KEY"] = secrets.token_urlsafe(50)
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"portal: {error}")


if __name__ == "__main__":
    main()
