"""`python -m tests.chaos`, behind `make chaos`: requests are filed, decided and sent while everything breaks.

From the environment or as NAME=VALUE: SEED (7), REQUESTS (400), UNIQUE_NAMES (0: the sandbox takes a name twice, the
worst case), DATABASE (postgresql where there is one, else sqlite), WORKERS (3). The last line holds the numbers that
count; the exit status is 0 only if duplicates, lost and wrong are 0.
"""

import logging
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests import processes
from tests.chaos.options import CLOCKS, options
from tests.faults.broker import own_broker


@contextmanager
def database(wanted: str) -> Iterator[tuple[str, processes.PostgresServer | None]]:
    """A fresh database's DATABASE_URL, and its server; SQLite has none, for where PostgreSQL is missing."""
    with ExitStack() as stack:
        if wanted != "sqlite":
            try:
                server = stack.enter_context(processes.postgres_server())
            except (processes.Missing, subprocess.CalledProcessError) as error:
                if wanted:
                    sys.exit(str(error))
            else:
                yield server.url, server
                return
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="portal-chaos-"))
        yield f"sqlite:///{folder}/chaos.sqlite3", None


def main() -> int:
    """Run it; returns the exit status."""
    chosen = options()
    with ExitStack() as stack:
        database_url, server = stack.enter_context(database(chosen.database))
        broker = stack.enter_context(own_broker())
        sandbox = stack.enter_context(processes.sandbox())
        environment = {
            **processes.environment(database_url=database_url, redis_url=broker.url, fivetran_url=sandbox.url),
            **CLOCKS,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "EMAIL_URL": "dummymail://",
            "LOG_LEVEL": "WARNING",
            "PYTHONWARNINGS": "ignore",
        }
        os.environ.update(environment, LOG_LEVEL="ERROR")  # here only the findings are to be seen
        import django

        django.setup()
        logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # that the database is away is one of the faults
        from tests.chaos.run import run  # needs Django's settings

        return run(chosen, stack, environment, server=server, broker=broker, sandbox=sandbox)


if __name__ == "__main__":
    sys.exit(main())
