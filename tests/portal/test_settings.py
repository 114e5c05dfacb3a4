"""The environment becomes settings, or an error that says what to do."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connections.demo import environment as demo
from portal import environment as read
from tests.processes import ROOT

PRODUCTION = {
    "SECRET_KEY": "s" * 60 + "abcdefghijk",
    "PUBLIC_URL": "https://portal.example.com",
    "DATABASE_URL": "postgresql://portal:pw@db.example.com/portal",
    "REDIS_URL": "rediss://:pw@redis.example.com:6380/1",
    "EMAIL_URL": "smtp+tls://u:p@mail.example.com:587",
    "FIVETRAN_API_KEY": "real-key",
    "FIVETRAN_API_SECRET": "real-secret",
    "TRUSTED_PROXY_HOPS": "1",
}


def run(code: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`code` in a fresh interpreter whose environment holds nothing of ours but `environment`."""
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    command = [sys.executable, *(["-c", code] if code else ["manage.py", "check"])]
    return subprocess.run(command, env={**base, **environment}, cwd=ROOT, capture_output=True, text=True, check=False)


def settings_of(environment: dict[str, str], *names: str) -> dict[str, Any]:
    """The named settings under `environment`."""
    chosen = f"{{name: getattr(settings, name) for name in {names!r}}}"
    code = f"import json; from portal import settings; print(json.dumps({chosen}, default=str))"
    result = run(code, environment)
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_one_person_has_limits_unless_they_are_set_to_0() -> None:
    names = ("OPEN_REQUESTS", "SUBMISSIONS_PER_MINUTE")
    assert settings_of(PRODUCTION, *names) == {"OPEN_REQUESTS": 20, "SUBMISSIONS_PER_MINUTE": 10}
    off = dict.fromkeys(names, "0")
    assert settings_of({**PRODUCTION, **off}, *names) == dict.fromkeys(names, 0)


def test_two_doors_of_the_company_have_places_of_their_own() -> None:
    pytest.importorskip("onelogin")
    oidc = {"OIDC_ISSUER": "https://login.example.com", "OIDC_CLIENT_ID": "portal", "OIDC_CLIENT_SECRET": "secret"}
    saml = {"SAML_METADATA_URL": "https://login.example.com/metadata"}
    others = {"/webhooks/": [1, 2], "/handover/": [2, 1]}
    names = ("REQUESTS_AT_ONCE",)
    assert settings_of(PRODUCTION, *names) == {names[0]: others}
    assert settings_of({**PRODUCTION, **oidc}, *names) == {names[0]: {**others, "/accounts/oidc/": [2, 2]}}
    each = {"/accounts/oidc/": [2, 0], "/accounts/saml/": [2, 0]}
    assert settings_of({**PRODUCTION, **oidc, **saml}, *names) == {names[0]: {**others, **each}}


def test_a_start_without_a_secret_key_says_what_to_do() -> None:
    result = run("", {})
    assert result.returncode == 1
    assert result.stderr.startswith("portal: SECRET_KEY is not set. Set it to")
    assert "make run" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_collected_static_files_no_page_fails_and_the_log_says_what_to_run(tmp_path: Path) -> None:
    environment = {
        "SECRET_KEY": "x",
        "DATABASE_URL": "sqlite://:memory:",
        "FIVETRAN_API_KEY": "real-key",
        "FIVETRAN_API_SECRET": "real-secret",
        "STATIC_ROOT": str(tmp_path),
    }
    code = """
import re, portal.wsgi
from django.test import Client
from django.views.defaults import server_error
client = Client(HTTP_HOST="127.0.0.1")
page = client.get("/accounts/login/")
files = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.content.decode())
print(page.status_code, len(files) > 3, {client.get(path).status_code for path in files})
print(client.get("/nothing").status_code, server_error(page.wsgi_request).status_code)
"""
    result = run(code, environment)
    assert result.stdout.splitlines() == ["200 True {200}", "404 500"], result.stderr
    assert "manage.py collectstatic" in result.stderr


@pytest.mark.parametrize("process", ["portal.wsgi", "worker"])
def test_a_process_without_fivetran_keys_refuses_to_start(process: str) -> None:
    environment = {"SECRET_KEY": "x", "DATABASE_URL": "sqlite://:memory:"}
    start = "from portal.celery import require_fivetran_credentials as r; r()"
    result = run("import portal.wsgi" if process == "portal.wsgi" else start, environment)
    assert result.returncode == 1
    assert "FIVETRAN_API_KEY and FIVETRAN_API_SECRET are not set. Create a system key in Fivetran" in result.stderr


def test_production_is_strict_about_https() -> None:
    names: tuple[str, ...] = ("SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS")
    names += ("ALLOWED_HOSTS",)
    names += ("CSRF_TRUSTED_ORIGINS", "SECURE_PROXY_SSL_HEADER", "DEBUG", "CELERY_BROKER_USE_SSL", "EMAIL_USE_TLS")
    values = settings_of(PRODUCTION, *names)
    assert values == {
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31536000,
        "ALLOWED_HOSTS": ["portal.example.com"],
        "CSRF_TRUSTED_ORIGINS": ["https://portal.example.com"],
        "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"],
        "DEBUG": False,
        "CELERY_BROKER_USE_SSL": {"ssl_cert_reqs": 2},
        "EMAIL_USE_TLS": True,
    }


def test_plain_http_gets_no_secure_cookies_that_browsers_would_drop() -> None:
    names = ("SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS")
    values = settings_of({"SECRET_KEY": "x", "PORT": "8010"}, *names, "PUBLIC_URL", "SECURE_PROXY_SSL_HEADER")
    assert values["PUBLIC_URL"] == "http://127.0.0.1:8010"
    assert values["SESSION_COOKIE_NAME"] == "sessionid"
    assert not values["SESSION_COOKIE_SECURE"]
    assert not values["SECURE_SSL_REDIRECT"]
    assert values["SECURE_HSTS_SECONDS"] == 0
    assert values["SECURE_PROXY_SSL_HEADER"] is None


def test_postgresql_gets_a_pool_and_time_limits() -> None:
    database = settings_of(PRODUCTION, "DATABASES")["DATABASES"]["default"]
    assert database["OPTIONS"]["pool"]["max_size"] >= 16
    assert database["OPTIONS"]["tcp_user_timeout"] == 60_000
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (0, True)
    limits = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "60s"}
    assert settings_of(PRODUCTION, "DATABASE_LIMITS")["DATABASE_LIMITS"] == limits
    assert settings_of({**PRODUCTION, "STATEMENT_TIMEOUT": "0"}, "DATABASE_LIMITS")["DATABASE_LIMITS"] == {}


def test_what_the_address_of_the_database_says_is_kept() -> None:
    url = "postgresql://portal:pw@%2Fvar%2FRun:6000/portal?connect_timeout=9&keepalives_idle=7&sslmode=require"
    url += "&options=-c%20statement_timeout%3D9s&application_name=a%40b"
    database = settings_of({**PRODUCTION, "DATABASE_URL": url}, "DATABASES")["DATABASES"]["default"]
    assert [database[name] for name in ("HOST", "PORT", "NAME", "USER")] == ["/var/Run", "6000", "portal", "portal"]
    given = {"connect_timeout": "9", "keepalives_idle": "7", "sslmode": "require", "application_name": "a@b"}
    assert {**given, "options": "-c statement_timeout=9s", "keepalives_count": 3}.items() <= database["OPTIONS"].items()
    by_query = "postgresql:///portal?host=/run/postgresql&port=6000&user=me&password=p%40w"
    database = settings_of({**PRODUCTION, "DATABASE_URL": by_query}, "DATABASES")["DATABASES"]["default"]
    assert [database[name] for name in ("HOST", "PORT", "USER", "PASSWORD")] == ["/run/postgresql", "6000", "me", "p@w"]


@pytest.mark.parametrize("given", ["https://Bücher.Example:443/", "https://xn--bcher-kva.example"])
def test_an_international_name_is_its_ascii_form_everywhere(given: str) -> None:
    names = ("PUBLIC_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DEFAULT_FROM_EMAIL", "CONNECT_CARD_REDIRECT_HOSTS")
    environment = {**PRODUCTION, "PUBLIC_URL": given, "ALLOWED_HOSTS": "müller.example"}
    environment["CONNECT_CARD_REDIRECT_HOSTS"] = "Straße.example"
    assert list(settings_of(environment, *names).values()) == [
        "https://xn--bcher-kva.example",
        ["xn--bcher-kva.example", "xn--mller-kva.example"],
        ["https://xn--bcher-kva.example"],
        "portal@xn--bcher-kva.example",
        ["xn--strae-oqa.example"],
    ]


def test_what_is_compared_with_browsers_is_spelled_as_they_do() -> None:
    names = ("PUBLIC_URL", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DEFAULT_FROM_EMAIL", "LOG_LEVEL")
    environment = {**PRODUCTION, "PUBLIC_URL": "HTTPS://Portal.Example.com.:443", "LOG_LEVEL": "debug"}
    environment |= {"ALLOWED_HOSTS": "*, .Example.com., 2001:DB8::1, [::1]"}
    environment |= {"CSRF_TRUSTED_ORIGINS": "https://Bücher.Example/, http://Other.example:8080"}
    environment["DEFAULT_FROM_EMAIL"] = 'Péter, "the portal" <Portal@Bücher.example>'
    assert "DEFAULT_FROM_EMAIL" in run("", environment).stderr, "a comma is between two addresses"
    environment["DEFAULT_FROM_EMAIL"] = "Péters Portal <Portal@Bücher.example>"
    assert list(settings_of(environment, *names).values()) == [
        "https://portal.example.com",
        ["portal.example.com", "*", ".example.com", "[2001:db8::1]", "[::1]"],
        ["https://xn--bcher-kva.example", "http://other.example:8080"],
        "Péters Portal <Portal@xn--bcher-kva.example>",
        "DEBUG",
    ]


def test_the_database_password_may_be_a_file_of_its_own(tmp_path: Any) -> None:
    (tmp_path / "password").write_text("p@ss/word\n")
    environment = {**PRODUCTION, "DATABASE_URL": "postgresql://portal@db/portal"}
    environment["DATABASE_PASSWORD_FILE"] = str(tmp_path / "password")
    assert settings_of(environment, "DATABASES")["DATABASES"]["default"]["PASSWORD"] == "p@ss/word"


def test_sqlite_waits_instead_of_failing() -> None:
    database = settings_of({"SECRET_KEY": "x"}, "DATABASES")["DATABASES"]["default"]
    assert database["NAME"] == str(ROOT / "db.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert database["OPTIONS"]["timeout"] >= 5


def test_celery_treats_the_message_as_a_doorbell() -> None:
    from portal.celery import app

    assert app.conf.task_acks_late is False
    assert app.conf.task_reject_on_worker_lost is False
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.worker_pool == "threads"
    assert app.conf.result_backend is None
    assert app.conf.accept_content == ["json"]
    assert app.conf.broker_transport_options["socket_timeout"] == 5
    assert {queue.name for queue in app.conf.task_queues} == {"slow", "control"}


def test_tasks_lanes_and_schedules_are_those_of_the_jobs() -> None:
    from portal.celery import app

    jobs = {job.name: job for job in import_module("connections.worker").JOBS}
    import_module("connections.tasks")
    assert {name for name in app.tasks if not name.startswith("celery.")} == set(jobs)
    assert app.conf.task_routes == {name: {"queue": job.lane.value} for name, job in jobs.items()}
    scheduled = import_module("connections.tasks").SCHEDULED
    assert set(scheduled) == {"sweep", "notify", "observe", "refresh_catalog", "probe", "seal", "erase"}
    wanted = {name: (getattr(settings, job.every), job.lane.value) for name, job in jobs.items() if job.every}
    assert scheduled == wanted


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FIVETRAN_BASE_URL", "http://api.fivetran.com", "Use https"),
        ("FIVETRAN_BASE_URL", "https://api.fivetran.com/v1", "Leave out /v1"),
        ("FIVETRAN_BASE_URL", "ftp://api.fivetran.com", "Set it to an address such as https://api.fivetran.com"),
        ("FIVETRAN_BASE_URL", "https://key:secret@api.fivetran.com", "Set it to an address"),
        ("PUBLIC_URL", "portal.example.com", "Set it to an address"),
        ("PUBLIC_URL", "http://portal.example.com:99999", "Set it to an address"),
        ("PUBLIC_URL", "https://example.com/portal", "Leave the path out"),
        ("PUBLIC_URL", "https://a\u2028b.example.com", "no name of a host"),
        ("PUBLIC_URL", "https://portal_1.example.com", "no name of a host"),
        ("PUBLIC_URL", f"https://{'.'.join(['a' * 50] * 6)}", "no name of a host"),
        ("PUBLIC_URL", "https://-.example", "no name of a host"),
        ("PUBLIC_URL", "https://a b.example", "no name of a host"),
        ("ALLOWED_HOSTS", "portal.example.com:443", "Write the name alone"),
        ("ALLOWED_HOSTS", "good.example,https://portal.example.com", "Write the name alone"),
        ("CONNECT_CARD_REDIRECT_HOSTS", "https://x.example/path", "Write the name alone"),
        ("CONNECT_CARD_REDIRECT_HOSTS", "*.example.com", "Write the name alone"),
        ("CSRF_TRUSTED_ORIGINS", "portal.example.com", "Set it to an address such as https://portal.example.com"),
        ("CSRF_TRUSTED_ORIGINS", "https://portal.example.com/path", "Leave the path out"),
        ("CSRF_TRUSTED_ORIGINS", "https://*.example.com", "no name of a host"),
        ("DEFAULT_FROM_EMAIL", "Portal", "such as portal@example.com"),
        ("DEFAULT_FROM_EMAIL", "Portal, Inc <portal@example.com>", "such as portal@example.com"),
        ("DEFAULT_FROM_EMAIL", "portal@ex_ample.com", "no name of a host"),
        ("LOG_LEVEL", "loud", "Set it to one of: CRITICAL, ERROR, WARNING, INFO, DEBUG"),
        ("EMAIL_URL", "smtp://u:p@h:587/?tls=true", "option 'tls'"),
        ("EMAIL_URL", "smtp://u:p@h:587/path", "a path where none can be"),
        ("EMAIL_URL", "filemail://mails/here", "filemail:////FOLDER"),
        ("DATABASE_URL", "postgresql://u@h/n?sslmode=maybe", "Set it to one of: disable"),
        ("DATABASE_URL", "postgresql://u@h/n?sslmode=require&sslmode=disable", "'sslmode' more than once"),
        ("DATABASE_URL", "postgresql://u@h/n?conn_health_checks=false", "option 'conn_health_checks'"),
        ("DATABASE_URL", "postgresql://u@h/n?atomic_requests=false", "option 'atomic_requests'"),
        ("DATABASE_URL", "postgresql://u@h/n?pool=True", "option 'pool'"),
        ("DATABASE_URL", "postgresql://u@h/n?connect_timeout=soon", "Set it to a whole number"),
        ("DATABASE_URL", "sqlite:////tmp/x.sqlite3?timeout=5", "SQLite takes none"),
        ("DATABASE_URL", "postgresql://u@h:99999/n", "DATABASE_URL is not usable"),
        ("REDIS_URL", "redis://h/0?health_check_interval=5", "option 'health_check_interval'"),
        ("REDIS_URL", "rediss://h/0?ssl_cert_reqs=none", "option 'ssl_cert_reqs'"),
        ("REDIS_URL", "unix:///r.sock?socket_timeout=5", "option 'socket_timeout'"),
        ("REDIS_URL", "redis://h/zero", "not an address of Redis"),
        ("REDIS_URL", "redis://h:99999/0", "not an address of Redis"),
        ("CREATIONS_PER_MINUTE", "-1", "whole number, 0 or more"),
        ("CREATIONS_PER_MINUTE", "many", "whole number, 0 or more"),
        ("EXPIRE_DAYS", "0", "whole number, 1 or more"),
        ("OPEN_REQUESTS", "-1", "whole number, 0 or more"),
        ("SUBMISSIONS_PER_MINUTE", "few", "whole number, 0 or more"),
        ("SUBMIT_DEADLINE", "0", "seconds above 0"),
        ("SUBMIT_DEADLINE", "nan", "seconds above 0"),
        ("DEBUG", "maybe", "true or false"),
        ("REDIS_URL", "memcached://localhost", "not an address of Redis"),
        ("DATABASE_URL", "nosql://host/name", "DATABASE_URL is not usable"),
        ("EMAIL_URL", "pigeon://coop", "EMAIL_URL"),
        ("SECRET_KEY_FILE", "/does/not/exist", "cannot be read"),
        ("FIVETRAN_CA_BUNDLE", "/does/not/exist.pem", "not there or cannot be read: /does/not/exist.pem. Correct"),
        ("FIVETRAN_PROXY_URL", "proxy.example.com:3128", "Set it to one such as http://proxy.example.com:3128"),
        ("FIVETRAN_PROXY_URL", "socks5://proxy.example.com", "or unset it"),
        ("FIVETRAN_PROXY_URL", "http://", "or unset it"),
        ("FIVETRAN_PROXY_URL", "http://proxy.example.com:99999", "or unset it"),
    ],
)
def test_a_value_that_cannot_be_used_names_what_can(name: str, value: str, says: str) -> None:
    result = run("", {"SECRET_KEY": "x", name: value})
    assert result.returncode == 1
    assert result.stderr.startswith("portal: "), result.stderr
    assert name in result.stderr
    assert says in result.stderr


def test_the_password_of_a_proxy_is_not_repeated() -> None:
    result = run("", {"SECRET_KEY": "x", "FIVETRAN_PROXY_URL": "ftp://me:hunter2@proxy.example.com"})
    assert result.returncode == 1
    assert "hunter2" not in result.stderr


def test_a_proxy_and_its_certificates_are_taken_as_they_are(tmp_path: Any) -> None:
    (tmp_path / "ca.pem").write_text("-")
    given = {
        "FIVETRAN_PROXY_URL": "http://me:pw@proxy.example.com:3128",
        "FIVETRAN_CA_BUNDLE": str(tmp_path / "ca.pem"),
    }
    assert settings_of({"SECRET_KEY": "x", **given}, *given) == given
    nothing = dict.fromkeys(given, "")
    assert settings_of({"SECRET_KEY": "x", **nothing}, *given) == nothing


def test_the_way_to_a_folder_for_mail_is_as_the_example_says() -> None:
    example = (ROOT / ".env.example").read_text()
    assert "filemail:////var/mail/portal" in example
    values = settings_of({"SECRET_KEY": "x", "EMAIL_URL": "filemail:////var/mail/portal"}, "EMAIL_FILE_PATH")
    assert values == {"EMAIL_FILE_PATH": "/var/mail/portal"}


@pytest.mark.parametrize(
    ("given", "for_redis", "for_celery"),
    [
        ("redis://h:6379/3", "redis://h:6379/3", "redis://h:6379/3"),
        ("redis://h?db=3&password=p%40w", "redis://:p%40w@h/3", "redis://:p%40w@h/3"),
        ("rediss://h:1?username=me&password=p", "rediss://me:p@h:1", "rediss://me:p@h:1"),
        ("unix:///run/r.sock", "unix:///run/r.sock?db=0", "redis+socket:///run/r.sock?virtual_host=0"),
        ("unix:///run/r.sock?db=4", "unix:///run/r.sock?db=4", "redis+socket:///run/r.sock?virtual_host=4"),
        ("redis+socket:///r.sock?virtual_host=2", "unix:///r.sock?db=2", "redis+socket:///r.sock?virtual_host=2"),
        ("unix://:pw@/r.sock", "unix://:pw@/r.sock?db=0", "redis+socket://:pw@/r.sock?virtual_host=0"),
        (
            "unix:///r.sock?db=1&password=p%40w",
            "unix://:p%40w@/r.sock?db=1",
            "redis+socket://:p%40w@/r.sock?virtual_host=1",
        ),
    ],
)
def test_a_redis_address_is_spelled_for_each_reader(given: str, for_redis: str, for_celery: str) -> None:
    assert read.redis_spellings(given) == (for_redis, for_celery)


@pytest.mark.parametrize(
    ("given", "for_redis", "for_celery"),
    [
        ("redis://h:6379/3", "redis://:p%40w%2F@h:6379/3", "redis://:p%40w%2F@h:6379/3"),
        ("rediss://me@h/0", "rediss://me:p%40w%2F@h/0", "rediss://me:p%40w%2F@h/0"),
        ("redis://:old@[::1]:6379/0", "redis://:p%40w%2F@[::1]:6379/0", "redis://:p%40w%2F@[::1]:6379/0"),
        ("unix:///r.sock?db=4", "unix://:p%40w%2F@/r.sock?db=4", "redis+socket://:p%40w%2F@/r.sock?virtual_host=4"),
        (
            "unix://me:old@/r.sock",
            "unix://me:p%40w%2F@/r.sock?db=0",
            "redis+socket://me:p%40w%2F@/r.sock?virtual_host=0",
        ),
    ],
)
def test_the_password_of_redis_joins_its_address(tmp_path: Path, given: str, for_redis: str, for_celery: str) -> None:
    assert read.redis_spellings(given, "p@w/") == (for_redis, for_celery)
    (tmp_path / "password").write_text("p@w/\n")
    environment = {**PRODUCTION, "REDIS_URL": given, "REDIS_PASSWORD_FILE": str(tmp_path / "password")}
    values = settings_of(environment, "REDIS_URL", "CELERY_BROKER_URL", "CACHES")
    assert (values["REDIS_URL"], values["CELERY_BROKER_URL"]) == (for_redis, for_celery)
    assert values["CACHES"]["default"]["LOCATION"] == for_redis


def test_a_rotated_key_is_read_without_a_restart(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("key", "secret"):
        (tmp_path / name).write_text(f"old-{name}\n")
    monkeypatch.setenv("ROTATED_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("ROTATED_SECRET_FILE", str(tmp_path / "secret"))
    credentials = read.fresh_pair("ROTATED_KEY", "ROTATED_SECRET")
    assert credentials() == ("old-key", "old-secret")
    (tmp_path / "key").write_text("new-key")
    assert credentials() == ("new-key", "old-secret")
    (tmp_path / "key").unlink()
    with pytest.raises(ImproperlyConfigured, match="ROTATED_KEY_FILE names a file that cannot be read"):
        credentials()


def test_the_key_pair_is_not_in_the_settings() -> None:
    result = run("import sys; sys.argv[1:] = ['diffsettings', '--all']; import manage; manage.main()", PRODUCTION)
    assert result.returncode == 0, result.stderr
    assert "FIVETRAN_CREDENTIALS" in result.stdout
    assert "real-key" not in result.stdout
    assert "real-secret" not in result.stdout


class TestTrialEnvironment:
    """connections.demo.environment.fill: what `make run` sets and what it leaves alone."""

    def test_fills_what_is_missing(self, tmp_path: Any) -> None:
        environment = {"DEMO_DATA": str(tmp_path), "SANDBOX_PORT": "", "SUBMIT_DEADLINE": ""}
        demo.fill(environment)
        assert environment["FIVETRAN_BASE_URL"] == "http://127.0.0.1:8100"
        assert environment["FIVETRAN_API_KEY"] == "sandbox-key"
        assert environment["REDIS_URL"].startswith("unix://")
        assert environment["DEMO_STARTS"] == "broker,sandbox"
        clocks = ("CONNECT_TIMEOUT", "READ_TIMEOUT", "DEADLINE")
        assert [environment[f"SUBMIT_{name}"] for name in clocks] == ["5", "10", "15"]
        assert "DEBUG" not in environment
        assert (environment["OPEN_REQUESTS"], environment["SUBMISSIONS_PER_MINUTE"]) == ("500", "200")

    def test_keeps_its_secret_key(self, tmp_path: Any) -> None:
        first: dict[str, str] = {"DEMO_DATA": str(tmp_path)}
        second = dict(first)
        demo.fill(first)
        demo.fill(second)
        assert first["SECRET_KEY"] == second["SECRET_KEY"]
        assert len(first["SECRET_KEY"]) > 50
        assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0

    def test_leaves_what_is_set(self, tmp_path: Any) -> None:
        given = {
            "DEMO_DATA": str(tmp_path),
            "REDIS_URL": "redis://r:6379/0",
            "FIVETRAN_BASE_URL": "https://api.fivetran.com",
            "FIVETRAN_API_KEY_FILE": "/run/key",
            "SETTLE_SECONDS": "900",
            "OPEN_REQUESTS": "0",
        }
        environment = dict(given)
        demo.fill(environment)
        assert given.items() <= environment.items()
        assert environment["DEMO_STARTS"] == ""
        assert "FIVETRAN_API_KEY" not in environment

    def test_its_own_broker_gets_no_password_of_another(self, tmp_path: Any) -> None:
        environment = {"DEMO_DATA": str(tmp_path), "REDIS_PASSWORD": "x", "REDIS_PASSWORD_FILE": "/run/x"}
        demo.fill(environment)
        assert not {"REDIS_PASSWORD", "REDIS_PASSWORD_FILE"} & set(environment)

    def test_a_real_key_does_not_go_to_the_stand_in(self, tmp_path: Any) -> None:
        environment = {
            "DEMO_DATA": str(tmp_path),
            "FIVETRAN_API_KEY": "real",
            "FIVETRAN_API_SECRET_FILE": "/run/secret",
        }
        demo.fill(environment)
        assert environment["FIVETRAN_API_KEY"] == "sandbox-key"
        assert "FIVETRAN_API_SECRET_FILE" not in environment


def test_the_scheduler_has_the_schedule_and_loads_nothing_of_the_product() -> None:
    """In a process of its own, as `celery -A portal beat` begins."""
    script = (
        "import sys; from portal.celery import app; beat = app.Beat(app=app, quiet=True); beat.init_loader()\n"
        "entries = app.conf.beat_schedule.values()\n"
        "print({e['task']: (e['schedule'].seconds, e['options']['queue']) for e in entries})\n"
        "print([name for name in sys.modules if name.startswith(('connections.', 'django.contrib'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    scheduled, loaded = done.stdout.splitlines()
    assert scheduled == str(import_module("connections.tasks").SCHEDULED)
    assert loaded == "[]"


def test_a_scheduler_that_cannot_read_the_schedule_says_why_and_ends() -> None:
    environment = {**os.environ, "FIVETRAN_BASE_URL": "ftp://nowhere"}
    command = [sys.executable, "-m", "celery", "-A", "portal", "beat"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode
    assert "Set it to an address such as https://api.fivetran.com" in done.stderr
