"""The environment of `make run`: what the trial needs and nobody has set. manage.py calls it before it reads the
settings.
"""

import atexit
import secrets
import shutil
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[2]
SANDBOX_KEY, SANDBOX_SECRET = "sandbox-key", "sandbox-secret"  # noqa: S105  (known to everybody: it opens a sandbox)

MAILS = "mails"  # the folder of the mails, in that of the data
SETTINGS = "connections.demo.settings"

# Short clocks: a request whose answer is lost settles within a minute while somebody looks on.
CLOCKS = {
    "SUBMIT_CONNECT_TIMEOUT": "5",
    "SUBMIT_READ_TIMEOUT": "10",
    "SUBMIT_DEADLINE": "15",
    "SETTLE_SECONDS": "20",
    "SWEEP_INTERVAL": "2",
    "CLAIM_LEASE": "15",
    "PROBE_SECONDS": "2",
    "OBSERVE_INTERVAL": "5",
    "SYNC_HISTORY_INTERVAL": "5",
}

# One person tries out in an hour what a company asks for in a week.
LIMITS = {"OPEN_REQUESTS": "500", "SUBMISSIONS_PER_MINUTE": "200"}
COMPANY = {"COMPANY_NAME": "Example Ltd"}


def data_folder(environ: MutableMapping[str, str]) -> Path:
    """Where the trial keeps its files: DEMO_DATA, or `.demo` in the project."""
    return Path(environ.get("DEMO_DATA") or BASE_DIR / ".demo").resolve()


def is_set(environ: MutableMapping[str, str], name: str) -> bool:
    """Whether the variable, or the one that names its file, has a value."""
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def fill(environ: MutableMapping[str, str]) -> None:
    """Set in `environ` what the trial needs and is not set; DEMO_STARTS then names what has to be started for it."""
    folder = data_folder(environ)
    folder.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix="portal-")  # short: a socket's path has at most 107 characters
    environ["DEMO_SCRATCH"] = scratch
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    starts = []
    if not is_set(environ, "REDIS_URL"):
        starts.append("broker")
        environ["REDIS_URL"] = f"unix://{scratch}/redis.sock"
        for name in ("REDIS_PASSWORD", "REDIS_PASSWORD_FILE"):
            environ.pop(name, None)  # that of another broker: a server without a password refuses one
    if not is_set(environ, "FIVETRAN_BASE_URL"):
        starts.append("sandbox")
        environ["FIVETRAN_BASE_URL"] = f"http://127.0.0.1:{environ.get('SANDBOX_PORT') or '8100'}"
        # A real key never goes to the sandbox, which would refuse it anyway.
        for name in ("FIVETRAN_API_KEY_FILE", "FIVETRAN_API_SECRET_FILE"):
            environ.pop(name, None)
        environ.update({"FIVETRAN_API_KEY": SANDBOX_KEY, "FIVETRAN_API_SECRET": SANDBOX_SECRET})
        if not is_set(environ, "FIVETRAN_WEBHOOK_SECRET"):
            environ["FIVETRAN_WEBHOOK_SECRET"] = _kept_secret(folder / "webhook_secret")
    if not is_set(environ, "SECRET_KEY"):
        environ["SECRET_KEY"] = _kept_secret(folder / "secret_key")
    environ["DEMO_STARTS"] = ",".join(starts)
    environ["DJANGO_SETTINGS_MODULE"] = SETTINGS
    environ.setdefault("STATIC_ROOT", str(folder / "static"))
    environ.setdefault("LOG_LEVEL", "WARNING")
    environ.setdefault("WEB_CONCURRENCY", "1")  # one web process will do for a trial
    # Celery warns of root, which is who one is in most containers; the trial's broker is a private socket.
    environ.setdefault("PYTHONWARNINGS", "ignore:You're running the worker with superuser")
    for name, value in (CLOCKS | LIMITS | COMPANY).items():
        environ[name] = environ.get(name) or value


def _kept_secret(path: Path) -> str:
    # Made once and kept: sessions outlive a restart.
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50), encoding="utf-8")
    return path.read_text(encoding="utf-8")
