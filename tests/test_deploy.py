"""What can be known about the deployment without a container engine: the files agree with each other and the code."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import ROOT
from tests.test_settings import PRODUCTION, run, settings_of

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
DOCKERFILE = (ROOT / "Dockerfile").read_text()
CHECK = "import sys; sys.argv[1:] = ['check', '--deploy', '--fail-level', 'WARNING']; import manage; manage.main()"


def variables() -> set[str]:
    """Every variable that settings.py reads."""
    calls = re.findall(r"\bread\.\w+\(([^)]*)", (ROOT / "portal/settings.py").read_text())
    return {name for call in calls for name in re.findall(r'"([A-Z_]+)"', call)} - {"INFO"}


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
            assert not re.search(r"(PASSWORD|SECRET|SECRET_KEY|API_KEY)$", variable), variable


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
    assert minutes * 60 > settings_of(PRODUCTION, "SUBMIT_DEADLINE")["SUBMIT_DEADLINE"]


def test_compose_passes_only_variables_that_are_read() -> None:
    known = variables()
    for name in OURS:
        for variable in SERVICES[name]["environment"]:
            assert variable.removesuffix("_FILE") in known


def test_every_variable_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text()
    missing = {name for name in variables() if not re.search(rf"^#?{name}=", example, re.MULTILINE)}
    assert missing - {"DEBUG"} == set()


def test_the_image_is_built_from_the_lock_and_does_not_run_as_root() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert re.search(r"^USER 10001", DOCKERFILE, re.MULTILINE)
    assert "HEALTHCHECK" in DOCKERFILE
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert re.search(r":\d+\.\d+", image)
    copied = re.findall(r"^COPY (?!--from)(\S+)", DOCKERFILE, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(ignored)


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-demo.txt", "requirements-dev.txt"])
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
