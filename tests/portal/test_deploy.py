"""What can be known about the deployment without a container engine: the files agree with each other and the code."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from runpy import run_path
from typing import Any

import psutil
import pytest
import yaml

from connections.queue import call
from tests import processes
from tests.portal.test_settings import PRODUCTION, run, settings_of
from tests.processes import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
DOCKERFILE = (ROOT / "Dockerfile").read_text()
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
CHECK = "import sys; sys.argv[1:] = ['check', '--deploy', '--fail-level', 'WARNING']; import manage; manage.main()"


_WORDS = {
    "CRITICAL",
    "ERROR",
    "WARNING",
    "INFO",
    "PERSISTENT",
    "UNSPECIFIED",
    "EMAILADDRESS",
}  # DEBUG is a variable too


def variables() -> set[str]:
    """Every variable that settings.py reads, without the words that two of them take."""
    calls = re.findall(r"\bread\.\w+\(([^)]*)", (ROOT / "portal/settings.py").read_text())
    return {name for call in calls for name in re.findall(r'"([A-Z_]+)"', call)} - _WORDS


def test_check_deploy_is_clean_with_production_settings() -> None:
    result = run(CHECK, PRODUCTION)
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("FIVETRAN_API_KEY", "", "connections.E001"),
        ("PUBLIC_URL", "http://portal.example.com", "connections.W001"),
        ("FIVETRAN_BASE_URL", "http://127.0.0.1:8100", "connections.W002"),
        ("EMAIL_URL", "", "connections.W003"),
        ("DATABASE_URL", "sqlite:////tmp/x.sqlite3", "connections.W004"),
        ("FIVETRAN_WEBHOOK_SECRET", "short", "connections.W005"),
        ("DEBUG", "true", "security.W018"),
        ("SECRET_KEY", "short", "security.W009"),
    ],
)
def test_check_deploy_finds_what_would_fail_people_later(name: str, value: str, identifier: str) -> None:
    result = run(CHECK, {**PRODUCTION, name: value})
    assert result.returncode == 1
    assert identifier in result.stderr


def test_compose_has_the_promised_services() -> None:
    assert {"web", "worker", "scheduler", "redis", "postgres"} <= set(SERVICES)
    assert OURS == ["control", "migrate", "scheduler", "web", "worker"]


def test_both_lanes_have_a_worker_and_there_is_one_scheduler() -> None:
    commands = [" ".join(service.get("command") or []) for service in SERVICES.values()]
    lanes = [match.group(1) for command in commands if (match := re.search(r"worker -Q (\S+)", command))]
    assert sorted(lanes) == ["control", "slow"]
    assert sum("portal beat" in command for command in commands) == 1


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_do_little(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["init"] is True


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_whoever_is_waited_for_says_when_it_is_ready(name: str) -> None:
    for target, how in SERVICES[name].get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            assert "test" in SERVICES[target]["healthcheck"]
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[target]["restart"] == "no"


def test_secrets_volumes_and_networks_are_declared() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        for variable, value in service.get("environment", {}).items():
            if variable.endswith("_FILE"):
                assert Path(value).name in service["secrets"]


def test_no_secret_stands_in_the_environment() -> None:
    for service in SERVICES.values():
        for variable in service.get("environment", {}):
            assert not re.search(r"(PASSWORD|SECRET|SECRET_KEY|SECRET_KEY_FALLBACKS|API_KEY)$", variable), variable


def test_images_are_pinned_and_ports_stay_on_this_machine() -> None:
    for service in SERVICES.values():
        if "build" not in service:
            assert re.search(r":\d", service["image"]), service["image"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
    assert SERVICES["redis"]["networks"] == SERVICES["postgres"]["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_redis_never_drops_a_queue_and_postgres_keeps_its_data() -> None:
    assert "--maxmemory-policy noeviction" in " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in " ".join(SERVICES["redis"]["command"])
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]


def test_a_worker_may_finish_its_call_before_it_is_stopped() -> None:
    minutes = int(SERVICES["worker"]["stop_grace_period"].removesuffix("m"))
    used = settings_of(PRODUCTION, "SUBMIT_DEADLINE", "CLAIM_LEASE")
    # The look-up before the call is within the lease of the claim.
    assert minutes * 60 > sum(used.values()) + call.PERSIST_SECONDS


def test_compose_passes_only_variables_that_are_read() -> None:
    known = {*variables(), "WEB_CONCURRENCY"}  # gunicorn.conf.py reads it
    for name in OURS:
        for variable in SERVICES[name]["environment"]:
            assert variable.removesuffix("_FILE") in known


ASKS = """
import redis
from django.conf import settings
from django.core.cache import cache
from portal.celery import app
print(redis.Redis.from_url(settings.REDIS_URL).ping())
cache.set("a", 1)
print(cache.get("a"))
with app.connection_for_write() as to:
    print(to.ensure_connection(max_retries=1).connected)
"""
# Variables that .env does not set, and why.
NOT_IN_COMPOSE = {
    "DEBUG": "never in production",
    "SQLITE_LOCK_TIMEOUT": "the database there is PostgreSQL",
    "STATIC_ROOT": "the image has its static files where it collected them",
    "PORT": "inside it is always 8000; outside it is the port of this machine, which compose itself reads",
}


def test_the_reading_of_settings_finds_its_variables() -> None:
    assert {"DEBUG", "SECRET_KEY", "REDIS_PASSWORD", "FIVETRAN_API_SECRET", "CLAIM_LEASE"} <= variables()
    assert len(variables()) > 30


def test_every_variable_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    missing = {name for name in variables() if not re.search(rf"^#?{name}=", example, re.MULTILINE)}
    assert missing == {"DEBUG"}


@pytest.mark.parametrize("name", sorted(variables() - set(NOT_IN_COMPOSE)))
def test_every_variable_reaches_the_containers(name: str) -> None:
    """From .env, unless it is a secret in a file or an address inside; `NAME: ${NAME:-}` in x-portal's environment."""
    for service in OURS:
        given = SERVICES[service]["environment"]
        if f"{name}_FILE" in given:
            assert name not in given
            continue
        assert name in given, (
            f"docker-compose.yml does not pass {name} to {service}, and NOT_IN_COMPOSE does not say why"
        )
        inside = given[name].startswith(("postgresql://", "redis://"))
        fixed = (service, name) == ("migrate", "STATEMENT_TIMEOUT")
        assert inside or fixed or re.match(rf"\$\{{{name}:[-?]", given[name]), given[name]


def test_no_secret_is_offered_where_it_reaches_no_container() -> None:
    example, heading, _outside = (ROOT / ".env.example").read_text().partition("# Outside docker compose")
    assert heading
    for service in OURS:
        for variable, value in SERVICES[service]["environment"].items():
            if variable.endswith("_FILE"):
                assert re.search(rf"> secrets/{Path(value).name}\b", example), variable
                offered = re.search(rf"^#?{variable.removesuffix('_FILE')}=(.*)", example, re.MULTILINE)
                assert not offered or f"not here: secrets/{Path(value).name}" in offered[1], variable


def test_the_defaults_stand_in_the_settings_alone() -> None:
    for service in OURS:
        for value in SERVICES[service]["environment"].values():
            assert not re.search(r"\$\{[A-Z_]+:-[^}]", value), value


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    """So does compose hand over what .env leaves out."""
    given = {name: value for name, value in SERVICES["web"]["environment"].items() if value.endswith(":-}")}
    names: tuple[str, ...] = (
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "TRUSTED_PROXY_HOPS",
        "DEFAULT_FROM_EMAIL",
        "FIVETRAN_BASE_URL",
    )
    names += ("CREATIONS_PER_MINUTE", "EXPIRE_DAYS", "SUBMIT_DEADLINE", "SETTLE_SECONDS", "STATEMENT_TIMEOUT")
    assert set(names) <= set(given)
    bare = {name: value for name, value in PRODUCTION.items() if name not in given}
    assert settings_of({**bare, **dict.fromkeys(given, "")}, *names) == settings_of(bare, *names)


def test_the_example_shows_the_defaults() -> None:
    example = (ROOT / ".env.example").read_text()
    shown = dict(re.findall(r"^#([A-Z_]+)=([\w:/.]+)$", example, re.MULTILINE))
    shown = {name: value for name, value in shown.items() if name not in {"DEFAULT_FROM_EMAIL", "STATIC_ROOT"}}
    real = settings_of({"SECRET_KEY": "x"}, *(set(shown) - {"DATABASE_URL", "REDIS_URL"}))
    assert len(real) > 12
    for name, value in real.items():
        assert str(value).removesuffix(".0") == shown[name], name


def test_the_broker_asks_for_the_password_that_the_portal_sends(tmp_path: Path) -> None:
    """The line of compose starts the tests' broker; then both ways to it, Celery's and redis-py's, are tried."""
    redis = SERVICES["redis"]
    assert SERVICES["web"]["environment"]["REDIS_PASSWORD_FILE"] == "/run/secrets/redis_password"
    assert redis["secrets"] == ["redis_password"]
    (tmp_path / "redis_password").write_text("s3cret-_x\n")
    shell, option, line = redis["command"]
    port = processes.free_port()
    line = line.replace("$$", "$").replace("/run/secrets", str(tmp_path))
    line = (
        line.replace("redis-server", processes.broker_program()) + f" --bind 127.0.0.1 --port {port} --dir {tmp_path}"
    )
    environment = {
        "SECRET_KEY": "x",
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "REDIS_URL": f"redis://127.0.0.1:{port}/0",
    }
    with processes.running("broker", [shell, option, line]) as broker:
        broker.wait_until(lambda: "Ready to accept" in broker.log.read_text())
        refused = run(ASKS, environment)
        assert refused.returncode == 1 and "authenticated" in refused.stderr
        taken = run(ASKS, {**environment, "REDIS_PASSWORD_FILE": str(tmp_path / "redis_password")})
        assert taken.stdout.split() == ["True", "1", "True"], taken.stderr
        assert "s3cret" not in " ".join(psutil.Process(broker.popen.pid).cmdline())


def test_the_host_of_the_public_address_is_allowed_beside_others() -> None:
    """Or the container's own health check would be refused."""
    values = settings_of({**PRODUCTION, "ALLOWED_HOSTS": "inside.example.com, other"}, "ALLOWED_HOSTS")
    assert values == {"ALLOWED_HOSTS": ["portal.example.com", "inside.example.com", "other"]}


SIZE = {"k": 1024, "m": 1024**2, "g": 1024**3}


def _bytes(text: str) -> int:
    return int(text[:-1]) * SIZE[text[-1]]


def _tmp(service: dict[str, Any]) -> int:
    [mount] = service["tmpfs"]
    return _bytes(re.search(r"^/tmp:size=(\d+\w)", mount)[1])  # type: ignore[index]


def test_tmp_holds_the_largest_request_of_every_thread_at_once() -> None:
    largest = settings_of(PRODUCTION, "REQUEST_BODY_LIMIT")["REQUEST_BODY_LIMIT"]
    web = run_path(str(ROOT / "gunicorn.conf.py"))
    assert _tmp(SERVICES["web"]) >= web["workers"] * web["threads"] * largest


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_has_a_limit_of_memory_with_its_reason(name: str) -> None:
    service = SERVICES[name]
    text = (ROOT / "docker-compose.yml").read_text()
    block = text[text.index("services:") :].split(f"\n  {name}:", 1)[1]
    assert re.search(r"^    mem_limit: \S+ # \w.{20,}", block, re.MULTILINE), "each number with its reason"
    if name in OURS:  # what lies in /tmp counts too
        assert _bytes(service["mem_limit"]) >= _tmp(service) + 128 * SIZE["m"]


def test_redis_can_rewrite_its_file_within_its_memory() -> None:
    most = re.search(r"--maxmemory (\d+)mb", " ".join(SERVICES["redis"]["command"]))
    assert most and _bytes(SERVICES["redis"]["mem_limit"]) >= 2 * int(most[1]) * SIZE["m"]


def test_the_image_is_built_from_the_lock_and_does_not_run_as_root() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert re.search(r"^USER 10001", DOCKERFILE, re.MULTILINE)
    assert "HEALTHCHECK" in DOCKERFILE
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert re.search(r":\d+\.\d+", image)
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    assert {f"!{name}" for name in copied} <= set(IGNORED)


def in_image() -> list[Path]:
    """What the Dockerfile copies, without what .dockerignore leaves out (its last line that fits counts)."""
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    files = [file for name in copied for file in [ROOT / name, *(ROOT / name).rglob("*")] if file.is_file()]
    return [file.relative_to(ROOT) for file in files if not _ignored(file.relative_to(ROOT))]


def _ignored(file: Path) -> bool:
    ignored = False
    for line in IGNORED:
        pattern = line.removeprefix("!")
        if any(fnmatch(str(part), pattern.removeprefix("**/")) for part in (file, *file.parents[:-1], Path(file.name))):
            ignored = not line.startswith("!")
    return ignored


def test_the_image_has_the_commands_that_it_can_run_and_no_others(tmp_path: Path) -> None:
    for file in in_image():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, tmp_path / file)
    load = (
        "import django, json; django.setup(); from django.core import management as m;"
        "ours = [name for name, app in m.get_commands().items() if app.startswith('connections')];"
        "[m.load_command_class('connections', name) for name in ours]; print(json.dumps(ours))"
    )
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "portal.settings", **PRODUCTION}
    command = [sys.executable, "-c", load]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    ours = {file.stem for file in (ROOT / "connections/management/commands").glob("[a-z]*.py")}
    assert set(json.loads(run.stdout)) == ours
    assert not list(tmp_path.rglob("*sandbox*"))
    for name in ("demo", "fivetran_sandbox"):
        command = [sys.executable, "manage.py", name]
        run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 1 and run.stderr.startswith(f"Unknown command: '{name}'"), run.stderr


def test_installing_without_docker_is_told_as_the_image_does_it() -> None:
    told = (ROOT / "docs/operators.md").read_text().partition("### Without Docker")[2].partition("### The proxy")[0]
    assert "pip install --require-hashes -r requirements.txt" in told


@pytest.mark.parametrize(
    "lock", ["requirements.txt", "requirements-demo.txt", "requirements-dev.txt", "requirements-clients.txt"]
)
def test_locks_hold_hashes_and_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    pins = [line for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    assert pins
    assert all("==" in line for line in pins)
    assert text.count("--hash=sha256:") >= len(pins)


def test_the_locks_agree_and_hold_every_dependency() -> None:
    def pins(lock: str) -> set[str]:
        return {line.split(" ")[0] for line in (ROOT / lock).read_text().splitlines() if re.match(r"[a-z0-9]", line)}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert pins("requirements.txt") <= pins("requirements-demo.txt") <= pins("requirements-dev.txt")
    locked = {pin.split("==")[0] for pin in pins("requirements.txt")}
    asked = {re.match(r"[A-Za-z0-9-]+", line).group().lower() for line in project["project"]["dependencies"]}  # type: ignore[union-attr]
    assert asked <= locked


def test_every_dependency_says_what_it_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for line in text.splitlines():
        if re.match(r'    "[a-z].*[><=]', line):
            assert "# " in line, line


def test_the_health_check_tells_a_dead_server() -> None:
    command = [sys.executable, str(ROOT / "portal/healthcheck.py"), "1"]
    assert subprocess.run(command, check=False).returncode == 1


@pytest.mark.parametrize("target", ["run", "test", "lint", "bench", "chaos", "lock"])
def test_make_knows_the_promised_commands(target: str) -> None:
    dry = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert dry.returncode == 0, dry.stderr


def test_ci_runs_exactly_the_documented_commands() -> None:
    commands = (ROOT / ".ci/run").read_text().splitlines()
    assert [line for line in commands if line.startswith("make ")] == ["make test", "make lint"]
