"""Starting anew: the demo's rows, people, mails and connections are deleted, and nothing else ever is."""

import shutil
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.db import connection, transaction

from connections.demo import sandbox_control
from connections.demo.company import COLLEAGUES
from connections.demo.management.commands.seed_demo import PEOPLE
from connections.models import ConnectionRequest
from portal.environment import is_loopback


def clear() -> None:
    """Raises CommandError where there may be more than a demo."""
    if not sandbox_control.is_sandbox(settings.FIVETRAN_BASE_URL):
        raise CommandError(f"{settings.FIVETRAN_BASE_URL} does not say that it is the sandbox: nothing was deleted.")
    accounts = ConnectionRequest.objects.exclude(approved_account="").values_list("approved_account", flat=True)
    if real := sorted({root for root, *_ in map(str.split, accounts) if not is_loopback(root)}):
        raise CommandError(f"There are requests that were approved for {real[0]}: nothing was deleted.")
    _empty_tables()
    sandbox_control.tell("DELETE", "connections")
    shutil.rmtree(Path(settings.EMAIL_FILE_PATH or "/nonexistent"), ignore_errors=True)


def _empty_tables() -> None:
    # Not row by row: on PostgreSQL nobody deletes an event.
    models = apps.get_app_config("connections").get_models(include_auto_created=True)
    tables = [*(model._meta.db_table for model in models), Session._meta.db_table]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), tables, reset_sequences=True))
    with transaction.atomic():
        User.objects.filter(username__in=[*PEOPLE, *COLLEAGUES]).delete()
