"""From the form's values to the body of `POST /v1/connections`: the body, its digest, its name, its masked form."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from connections.spec.fields import BY_PATH, FIELDS, NAMING, Section, applicable

SECRETS_MANAGER, SECRETS_KEYS = "external_secrets_manager_id", "external_secrets_keys_config"
_WAREHOUSE = "destination_configuration.virtual_warehouse"
MASK = "******"  # what Fivetran itself answers in place of a secret
# Names of secrets among the `format: password` fields of Fivetran's OpenAPI file, and what only speaks about one.
_SECRET = re.compile(
    r"passw|secret|token|pass_?phrase|credential|connection_string|sas_url|auth_code|keystore|truststore|trusted_cert"
    r"|private_key|pvt_key|api_?key|access_key|account_key|authorization_id|function_trigger|webhook_key"
    r"|(?<!public)(?<!primary)(?<!project)_key$|^pats?$"
    r"|(^|_)cert$|(?<!public_)certificate(_backup|_path|_source)?$"
)
_LONGEST_KEY = 255  # characters; Fivetran's have at most 70
_ABOUT_A_SECRET = re.compile(
    r"(token|key|password|secret|credentials?)_(url|endpoint_url|name|type|source|region|expires_at)$"
    r"|^external_secrets_manager_id$|^token_(url_|authenticated_)|^(is|has|use|uses|enable)_|access_key_id$|public_(cert|certificate|key)$"
)

_SECRETS_OF: dict[str, frozenset[str]] = {
    service: frozenset(keys)
    for service, keys in json.loads(Path(__file__).with_name("secret_settings.json").read_text("utf-8")).items()
}


@dataclass(frozen=True)
class Asked:
    """What somebody asks for (path -> value), and what follows from it: each is worked out once and handed on."""

    values: Mapping[str, Any]

    @cached_property
    def body(self) -> dict[str, Any]:
        """The body that would be sent."""
        return build_body(self.values)

    @cached_property
    def spelled(self) -> bytes:
        """The body as it is hashed and measured."""
        return canonical(self.body)

    @cached_property
    def digest(self) -> str:
        """What an approval is bound to."""
        return hashlib.sha256(self.spelled).hexdigest()

    @cached_property
    def name(self) -> str:
        """The connection's name at Fivetran."""
        return natural_key(
            {path.removeprefix("config."): v for path, v in self.values.items() if path.startswith("config.")}
        )


# The body built at submission is stored, shown to the approver, bound to the approval by its digest and sent unchanged.
# Nothing may build it again later: the rules or the defaults could have changed since.
def build_body(values: Mapping[str, Any]) -> dict[str, Any]:
    answers = applicable(values)
    body: dict[str, Any] = {}
    for field in FIELDS:
        value = answers.get(field.path)
        # Defaults are written out: Fivetran's documents disagree on some. Directly is left out because it says nothing.
        if field.ours or value in (None, "") or (field.path, value) == ("networking_method", "Directly"):
            continue
        put_at(body, field.path, value)
    for path, value in answers.items():
        if is_of_service(path) and value not in (None, "", [], {}):
            put_at(body, path, value)
    return body


def is_of_service(path: str) -> bool:
    """Whether the service's metadata, and not the table of fields, describes the field at `path`."""
    return path.startswith(("config.", f"{SECRETS_KEYS}."))


def at(body: Mapping[str, Any], path: str) -> Any:
    found: Any = body
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def config_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of the service in a body or an answer; none where they have another shape."""
    config = data.get("config")
    return config if isinstance(config, Mapping) else {}


def put_at(body: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        body = body.setdefault(parent, {})
    body[last] = value


def canonical(body: Mapping[str, Any]) -> bytes:
    """The one spelling of `body` that is hashed: UTF-8 JSON, sorted keys, no white space (after RFC 8785)."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical body, 64 hexadecimal digits: an approval is bound to it."""
    return hashlib.sha256(canonical(body)).hexdigest()


def natural_key(config: Mapping[str, Any]) -> str:
    """The connection's name, as Fivetran's `schema` filter wants it; empty where `config` names nothing."""
    # `schema_prefix`, `schema.table`, `schema.table_group_name` or `schema` (OpenAPI descriptions of the config
    # objects).
    if prefix := config.get("schema_prefix"):
        return str(prefix)
    parts = [config.get("schema"), config.get("table") or config.get("table_group_name")]
    return ".".join(str(part) for part in parts if part)


def masked(body: Mapping[str, Any]) -> dict[str, Any]:
    """Fivetran's own mask in place of any value below a key that names a secret."""
    # Only a second protection, since the form refuses secrets. Names of secrets in an external manager are not secret.
    plain = (SECRETS_MANAGER, SECRETS_KEYS)
    return {key: value if key in plain else _masked(key, value) for key, value in body.items()}


def _masked(key: str, value: Any) -> Any:
    # A group called credentials holds a bucket or a region too, and an approver has to see what will be sent.
    is_group = isinstance(value, (Mapping, list)) and "credential" in key.lower()
    if is_secret(key) and not is_group:
        return MASK
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, list):
        return [_masked("", item) for item in value]
    return value


def is_secret(key: str) -> bool:
    """By the name: the published metadata does not mark all secrets."""
    if len(key) > _LONGEST_KEY:
        return True  # not a key of Fivetran's: to be safe
    name = key.lower()
    return bool(_SECRET.search(name)) and not _ABOUT_A_SECRET.search(name)


def secrets_of(service: str) -> frozenset[str]:
    """Source: the `format: password` fields of Fivetran's OpenAPI file, in `secret_settings.json`."""
    return _SECRETS_OF.get(service, frozenset())


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    known = secrets_of(str(values.get("service") or ""))
    return {
        path: value
        for path, value in values.items()
        if not path.startswith("config.")
        or not (path.split(".")[1] in known or lies_in_secret(path.split(".")[1:]) or _has_secret_rows(value))
    }


def lies_in_secret(path: Sequence[str]) -> bool:
    """Whether the value at `path`, key by key, is a secret by its own name or by that of a group around it."""
    *groups, name = [key for key in path if not key.isdigit()] or [""]
    # As in `masked`, a group called credentials is not one: it holds a bucket or a region too.
    return is_secret(name) or any(is_secret(group) and "credential" not in group.lower() for group in groups)


def in_words(values: Mapping[str, Any]) -> list[str]:
    """Short phrases: "every 6 hours", "direct connection", "setup tests on"."""
    return [words for _, words in phrases(values)]


def phrases(values: Mapping[str, Any]) -> list[tuple[Section, str]]:
    """The phrases of `in_words`, each with its section of the form."""
    answers = applicable(values)
    networking = dict(BY_PATH["networking_method"].choices).get(answers["networking_method"], "")  # PrivateLink, SSH
    tests = "setup tests after the hand-over" if answers["use_connect_card"] else "setup tests off"
    found = [
        (Section.WHEN, schedule_in_words(values)),
        (Section.HOW, "direct connection" if answers["networking_method"] == "Directly" else f"by {networking}"),
        (Section.SETUP, "setup tests on" if answers["run_setup_tests"] else tests),
    ]
    said = {
        "paused": "created paused",
        "pause_after_trial": "paused after the trial",
        "trust_certificates": "certificates trusted without review",
        "trust_fingerprints": "SSH fingerprints trusted without review",
        "use_connect_card": "credentials handed over by Connect Card",
        "connect_card_config.all_fields": "all fields in the Connect Card",
    }
    found += [(BY_PATH[path].section, words) for path, words in said.items() if answers.get(path)]
    for path in (_WAREHOUSE, SECRETS_MANAGER):
        if answers.get(path):
            label = BY_PATH[path].label
            found.append((Section.ADVANCED, f"{label[:1].lower()}{label[1:]} {answers[path]}"))
    if answers["data_delay_sensitivity"] == "CUSTOM":
        found.append((Section.TOLD, f"warns after {answers.get('data_delay_threshold') or '?'} minutes of delay"))
    return found


def said_in_words(values: Mapping[str, Any]) -> list[str]:
    """For a connection that was made elsewhere: without defaults, and without how it was tested."""
    schedule, networking, _tests, *others = in_words(values)
    told = [schedule] if tells_schedule(values) else []
    return [*told, *([networking] if values.get("networking_method") else []), *others]


def tells_schedule(values: Mapping[str, Any]) -> bool:
    return values.get("schedule_type") == "manual" or values.get("sync_frequency") not in (None, "")


def schedule_in_words(values: Mapping[str, Any]) -> str:
    """As "every 6 hours", "daily at 05:00 UTC" or "only when started by hand"."""
    answers = applicable(values)
    if answers["schedule_type"] == "manual":
        return "only when started by hand"
    if time := answers.get("daily_sync_time"):
        return f"daily at {time} UTC"
    frequency = answers["sync_frequency"]
    return str(dict(BY_PATH["sync_frequency"].choices).get(frequency, frequency)).lower()


def copied(values: Mapping[str, Any], *, keep_names: bool) -> dict[str, Any]:
    """Without masks, and without the first part of the destination's name unless `keep_names`: it must be another."""
    parts = [path for path in NAMING if values.get(path)]
    left_out = () if keep_names else parts[:1]
    return {path: value for path, value in values.items() if value != MASK and path not in left_out}


def described(data: Mapping[str, Any]) -> dict[str, Any]:
    """path -> value for a copy of the connection that Fivetran describes in `data` (`GET /v1/connections/{id}`).

    Left out: secrets and their masks, destination names, and whether it is paused just now.
    """
    theirs = (path for path, field in BY_PATH.items() if not field.ours and not path.startswith("connect_card_config."))
    values = {path: value for path in theirs if (value := at(data, path)) is not None}
    values.update(_flat("config", config_of(data)))
    usable = {path: v for path, v in values.items() if v not in (None, "", [], {}) and MASK not in json.dumps(v)}
    return {path: v for path, v in usable.items() if path not in NAMING and path != "paused"}


def _flat(path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        is_group = isinstance(value, Mapping) and "credential" in key.lower()  # as in `masked`
        if (is_secret(key) and not is_group) or _has_secret_rows(value):
            continue
        if isinstance(value, Mapping):
            found.update(_flat(f"{path}.{key}", value))
        else:
            found[f"{path}.{key}"] = value
    return found


def _has_secret_rows(value: Any) -> bool:
    # Without its secret a row says nothing, so callers drop the whole list.
    return isinstance(value, list) and any(map(_names_secret, value))


def _names_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(is_secret(key) or _names_secret(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_names_secret, value))


def risks(body: Mapping[str, Any]) -> list[str]:
    found = {
        "Trusts any TLS certificate without review": body.get("trust_certificates"),
        "Trusts any SSH fingerprint without review": body.get("trust_fingerprints"),
        "Syncs every minute": body.get("sync_frequency") == 1 and body.get("schedule_type") != "manual",
    }
    return [words for words, is_so in found.items() if is_so]


# --- what is changed later -------------------------------------------------------------------------------------------
SCHEDULE = ("sync_frequency", "daily_sync_time", "schedule_type")
# What a PATCH does besides changing the connection. Fivetran runs the setup tests unless told not to.
_QUIETLY = {"run_setup_tests": False}
_OF_THE_CALL = frozenset({"run_setup_tests"})


def pause_body(*, paused: bool) -> dict[str, Any]:
    """The body of `PATCH /v1/connections/{id}`."""
    return {"paused": paused, **_QUIETLY}


def schedule_body(values: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the PATCH for `values` (path -> typed value)."""
    answers = applicable(values)
    return {**{path: answers[path] for path in SCHEDULE if answers.get(path) not in (None, "")}, **_QUIETLY}


def overlaid(body: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What is approved now: `body` of the creation, overlaid with the bodies of the changes made since, in order."""
    found = dict(body)
    for change in changes:
        found |= {path: value for path, value in change.items() if path not in _OF_THE_CALL}
    # The new schedule may leave an older daily time without a meaning.
    if "daily_sync_time" in found and "daily_sync_time" not in applicable(found):
        del found["daily_sync_time"]
    return found


_PLAIN = (str, int, float)


def adopted(data: Mapping[str, Any]) -> dict[str, Any]:
    """As `described`, for a connection that was made elsewhere: with its destination names and whether it is paused."""
    given = config_of(data)
    # Fivetran documents the types, but a field of another type must not break the page: it is left out.
    names = {path: given[key] for path in NAMING if isinstance(given.get(key := path.removeprefix("config.")), str)}
    paused = {"paused": data["paused"]} if isinstance(data.get("paused"), bool) else {}
    plain = {path: v for path, v in described(data).items() if path.startswith("config.") or isinstance(v, _PLAIN)}
    return {**plain, **names, **paused}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for path, value in values.items():
        put_at(body, path, value)
    return body
