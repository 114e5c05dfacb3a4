"""The environment of a test run, set before Django's settings are read (a pytest plugin by `-p tests.environment`).

No address here answers: a test that needs a server starts it and names it. A DATABASE_URL that is set already is kept,
so that the same suite runs on PostgreSQL.
"""

import os
import tempfile

os.environ.setdefault("DATABASE_URL", f"sqlite:///{tempfile.gettempdir()}/portal-tests-{os.getpid()}.sqlite3")
os.environ.update(
    DJANGO_SETTINGS_MODULE="tests.settings",
    SECRET_KEY="tests-only-" + "k" * 50,
    PUBLIC_URL="http://localhost",
    ALLOWED_HOSTS="localhost,127.0.0.1,testserver",
    FIVETRAN_BASE_URL="http://127.0.0.1:9",
    FIVETRAN_API_KEY="sandbox-key",
    FIVETRAN_API_SECRET="sandbox-secret",
    EMAIL_URL="memorymail://",
    # One person of a test asks for more in a second than a colleague in an hour; test_limits.py sets the limits.
    OPEN_REQUESTS="500",
    SUBMISSIONS_PER_MINUTE="200",
)
for name in (
    "DEBUG",
    "REDIS_URL",
    "REDIS_URL_FILE",
    "PORT",
    "CREATIONS_PER_MINUTE",
    "TRUSTED_PROXY_HOPS",
    "CSRF_TRUSTED_ORIGINS",
):
    os.environ.pop(name, None)
# Playwright's synchronous API runs an event loop in the test's thread; Django would refuse the ORM there.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
