"""docs/kubernetes.yaml and docs/systemd/ against the schemas of what reads them, and against the product."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from django.core.management import get_commands
from django.urls import resolve

from connections.queue import call
from connections.worker import JOBS
from tests.conftest import missing
from tests.portal.test_deploy import CHECK, variables
from tests.portal.test_settings import PRODUCTION, run, settings_of
from tests.processes import ROOT

MANIFEST = [*yaml.safe_load_all((ROOT / "docs/kubernetes.yaml").read_text())]
UNITS = sorted((ROOT / "docs/systemd").glob("*.service"))
SHARED = ROOT / "docs/systemd/portal-.service.d/portal.conf"
LANES = sorted({job.lane.value for job in JOBS})
OLDEST = "1.30"  # as the manifest says
SECRETS = {
    "secret_key": PRODUCTION["SECRET_KEY"],
    "database_password": "of-the-database",
    "redis_password": "of-redis",
    "fivetran_api_key": "real-key",
    "fivetran_api_secret": "real-secret",
    "fivetran_webhook_secret": "",
    "email_url": PRODUCTION["EMAIL_URL"],
}


def of_kind(*kinds: str) -> dict[str, Any]:
    """The manifest's objects of these kinds, by name."""
    return {one["metadata"]["name"]: one for one in MANIFEST if one["kind"] in kinds}


PODS = {name: one["spec"]["template"]["spec"] for name, one in of_kind("Deployment", "Job").items()}
CONTAINERS = {name: pod["containers"][0] for name, pod in PODS.items()}
[GIVEN] = [one["data"] for one in of_kind("ConfigMap").values()]


def lines(path: Path, name: str) -> list[str]:
    """The values of a setting of a unit."""
    return re.findall(rf"^{name}=(.*)$", path.read_text(), re.MULTILINE)


def commands() -> Iterator[list[str]]:
    """What runs, by both."""
    yield from (container["command"] for container in CONTAINERS.values())
    for unit in UNITS:
        [line] = lines(unit, "ExecStart")
        words = [word for word in line.split() if "=" not in word and word != "/usr/bin/env"]
        assert words[0].startswith("/opt/portal/.venv/bin/")
        yield [Path(words[0]).name, *words[1:]]


def accepted(thing: dict[str, Any], version: str) -> bool:
    """Whether Kubernetes' own schema of that version takes it, and knows each of its fields."""
    try:
        kubernetes_validate.validate(thing, version, strict=True)
    except kubernetes_validate.ValidationError:
        return False
    return True


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
def test_kubernetes_takes_the_manifest(version: str) -> None:
    assert {one["kind"] for one in MANIFEST} > {"Deployment", "Service", "Job", "ConfigMap", "PodDisruptionBudget"}
    assert [one["metadata"]["name"] for one in MANIFEST if not accepted(one, version)] == []


@pytest.mark.parametrize(("field", "value"), [("replicas", "two"), ("replcas", 2)])
def test_a_wrong_field_is_found(field: str, value: object) -> None:
    wrong = deepcopy(of_kind("Deployment")["web"])
    wrong["spec"][field] = value
    assert not accepted(wrong, OLDEST)


def test_every_command_is_one_that_the_product_has() -> None:
    lanes, schedulers = [], 0
    for command in commands():
        match command:
            case ["gunicorn", "portal.wsgi", "--bind", _]:
                pass
            case ["celery", "-A", "portal", "worker", "-Q", lane, "-c", _, *_]:
                lanes.append(lane)
            case ["celery", "-A", "portal", "beat"]:
                schedulers += 1
            case ["python", "manage.py", name, *_]:
                assert name in get_commands()
            case _:
                pytest.fail(" ".join(command))
    assert sorted(lanes) == sorted(LANES * 2) and schedulers == 2
    for container in CONTAINERS.values():
        if asks := container.get("readinessProbe", {}).get("exec"):
            assert asks["command"] == ["python", "manage.py", "check_worker"] and "check_worker" in get_commands()


def test_the_units_of_one_machine_have_names_of_their_own() -> None:
    """A worker answers to its name, and both lanes run on one machine."""
    names = [match[1] for unit in UNITS if (match := re.search(r"worker .*-n (\S+)@%H", unit.read_text()))]
    assert sorted(names) == ["control", "slow-%i"]


def test_every_variable_is_one_that_the_product_reads() -> None:
    known = {*variables(), "WEB_CONCURRENCY"}
    named = {*GIVEN, *(variable["name"] for one in CONTAINERS.values() for variable in one.get("env", ()))}
    own = {"DJANGO_SETTINGS_MODULE", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}  # of Django and Python
    for path in (*UNITS, SHARED):
        named |= {word.partition("=")[0] for line in lines(path, "Environment") for word in line.split()} - own
        named |= set(re.findall(r"/usr/bin/env (\w+)=", path.read_text()))
    assert {name.removesuffix("_FILE") for name in named} <= known


def test_the_product_starts_with_what_the_manifest_gives_it(tmp_path: Path) -> None:
    place = GIVEN["SECRET_KEY_FILE"].rpartition("/")[0]
    for name, text in SECRETS.items():
        (tmp_path / name).write_text(text)
    given = {name: value.replace(place, str(tmp_path)) for name, value in GIVEN.items()}
    found = run(CHECK, given)
    assert found.returncode == 0 and "no issues" in found.stdout, found.stderr


def test_secrets_come_as_files_and_stand_nowhere() -> None:
    files = {Path(value).name for name, value in GIVEN.items() if name.endswith("_FILE")}
    assert files == set(SECRETS)
    assert not of_kind("Secret") and not [
        name for name in GIVEN if re.search(r"(PASSWORD|SECRET|KEY|EMAIL_URL)$", name)
    ]
    for container, pod in zip(CONTAINERS.values(), PODS.values(), strict=True):
        [secret] = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
        [mount] = [mount for mount in container["volumeMounts"] if mount["name"] == "secrets"]
        assert secret["secretName"] == "portal-secrets" and GIVEN["SECRET_KEY_FILE"].startswith(mount["mountPath"])
    assert set(re.findall(r"--from-file=(\w+)", (ROOT / "docs/kubernetes.yaml").read_text())) == set(SECRETS)
    loaded = dict(line.split(":") for line in lines(SHARED, "LoadCredential"))
    used = dict(word.split("=%d/") for line in lines(SHARED, "Environment") for word in line.split() if "=%d/" in word)
    assert set(loaded) == set(used.values()) == set(SECRETS)
    assert {name for name in GIVEN if name.endswith("_FILE")} == set(used)


def test_the_guide_names_every_secret_and_an_address_of_two_servers_that_is_taken() -> None:
    guide = (ROOT / "docs/scaling.md").read_text()
    assert [name for name in SECRETS if f"`{name}`" not in guide] == []
    [url] = re.findall(r"export DATABASE_URL='(.*)'", guide)
    database = settings_of({**PRODUCTION, "DATABASE_URL": url}, "DATABASES")["DATABASES"]["default"]
    assert (database["HOST"], database["OPTIONS"]["connect_timeout"]) == ("pg1,pg2", "2")
    assert database["OPTIONS"]["target_session_attrs"] == "read-write"


@pytest.mark.parametrize("name", sorted(PODS))
def test_a_pod_can_do_little(name: str) -> None:
    pod, container = PODS[name], CONTAINERS[name]
    assert pod["automountServiceAccountToken"] is pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"] is True and own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"]
    assert re.search(r":\d", container["image"])


def test_probes_ask_what_is_there_by_the_name_that_people_use() -> None:
    web = CONTAINERS["web"]
    asked = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        ask = web[probe]["httpGet"]
        [host] = ask["httpHeaders"]
        assert (host["name"], f"https://{host['value']}") == ("Host", GIVEN["PUBLIC_URL"])
        asked[probe] = resolve(ask["path"]).route
    assert asked == {"startupProbe": "healthz", "livenessProbe": "healthz", "readinessProbe": "readyz"}
    assert "livenessProbe" not in CONTAINERS["worker"]  # it would cut off calls while Redis is away
    [service] = of_kind("Service").values()
    assert (
        service["spec"]["selector"].items()
        <= of_kind("Deployment")["web"]["spec"]["template"]["metadata"]["labels"].items()
    )


def test_a_worker_may_finish_its_call_before_it_is_stopped() -> None:
    used = settings_of(PRODUCTION, "SUBMIT_DEADLINE", "CLAIM_LEASE")
    longest = sum(used.values()) + call.PERSIST_SECONDS
    assert PODS["worker"]["terminationGracePeriodSeconds"] > longest
    [minutes] = lines(ROOT / "docs/systemd/portal-worker@.service", "TimeoutStopSec")
    assert int(minutes.removesuffix("min")) * 60 > longest


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as on a machine whose project is this one."""
    if not shutil.which("systemd-analyze"):
        missing("There is no systemd-analyze on this machine (Debian: apt-get install systemd).")
    folder = tmp_path / "units"
    shutil.copytree(ROOT / "docs/systemd", folder)
    for file in (*folder.glob("*.service"), *folder.glob("*/*.conf")):
        text = file.read_text().replace("/opt/portal/.venv", sys.prefix)
        file.write_text(text.replace("/opt/portal", str(ROOT)))
    return folder


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze` with these units before the machine's own."""
    environment = {"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin"}
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_systemd_takes_the_units(installed: Path) -> None:
    units = [file.name for file in installed.glob("*.service")]
    assert len(units) == 5
    found = analyze(installed, "verify", "--man=no", *units)
    assert (found.returncode, found.stderr) == (0, "")
    (installed / units[0]).write_text("[Service]\nExecStart=/nowhere/program\nProtectSistem=strict\n")
    wrong = analyze(installed, "verify", "--man=no", units[0])
    assert "ProtectSistem" in wrong.stderr and "/nowhere/program" in wrong.stderr


def test_systemd_calls_them_closed(installed: Path) -> None:
    """Of 10 at most 2: a service that nobody has closed has 9.6."""
    for unit in installed.glob("*.service"):
        found = analyze(installed, "security", "--offline=true", "--no-pager", f"./{unit.name}")
        level = re.search(r"Overall exposure level for \S+: ([\d.]+)", found.stdout)
        assert level and float(level[1]) <= 2, found.stdout + found.stderr
