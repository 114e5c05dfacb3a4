"""From the form's values to the body of `POST /v1/connections`: the body, its digest, its natural key, its public face.

The body that is built at submission is stored, shown to the approver, bound to the approval by its digest and sent as
it is; nothing rebuilds it later.
"""

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


def build_body(values: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON body for `values` (path -> typed value).

    Every applicable field is written out with its default, except empty values and `networking_method` Directly, which
    says nothing. Values that do not apply, and our own fields, are not in it.
    """
    answers = applicable(values)
    body: dict[str, Any] = {}
    for field in FIELDS:
        value = answers.get(field.path)
        if field.ours or value in (None, "") or (field.path, value) == ("networking_method", "Directly"):
            continue
        _put(body, field.path, value)
    for path, value in answers.items():
        if is_of_service(path) and value not in (None, "", [], {}):
            _put(body, path, value)
    return body


def is_of_service(path: str) -> bool:
    """Whether the service's metadata, and not the table of fields, says what the field at `path` is."""
    return path.startswith(("config.", f"{SECRETS_KEYS}."))


def at(body: Mapping[str, Any], path: str) -> Any:
    """The value at the dotted `path`; None where there is none."""
    found: Any = body
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        body = body.setdefault(parent, {})
    body[last] = value


def canonical(body: Mapping[str, Any]) -> bytes:
    """The one spelling of `body` that is hashed: UTF-8 JSON, sorted keys, no white space (after RFC 8785)."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical body, in 64 hexadecimal digits: what an approval is bound to."""
    return hashlib.sha256(canonical(body)).hexdigest()


def natural_key(config: Mapping[str, Any]) -> str:
    """The connection's name at Fivetran, as its `schema` filter wants it.

    `schema_prefix`, `schema.table`, `schema.table_group_name` or `schema` (OpenAPI descriptions of the config objects).
    Empty where `config` names nothing.
    """
    if prefix := config.get("schema_prefix"):
        return str(prefix)
    parts = [config.get("schema"), config.get("table") or config.get("table_group_name")]
    return ".".join(str(part) for part in parts if part)


def masked(body: Mapping[str, Any]) -> dict[str, Any]:
    """`body` as people may see it: any value below a key that names a secret becomes Fivetran's own mask.

    A second net only, since the form refuses secrets; the names of secrets in an external manager are none. A group
    called credentials is looked into: in it stand a bucket or a region too, and what an approver sees is what will be
    sent.
    """
    plain = (SECRETS_MANAGER, SECRETS_KEYS)
    return {key: value if key in plain else _masked(key, value) for key, value in body.items()}


def _masked(key: str, value: Any) -> Any:
    is_group = isinstance(value, (Mapping, list)) and _is_of_credentials(key)
    if is_secret(key) and not is_group:
        return MASK
    if isinstance(value, Mapping):
        return masked(value)
    if isinstance(value, list):
        return [_masked("", item) for item in value]
    return value


def is_secret(key: str) -> bool:
    """Whether a config key is a secret by its name (the published metadata does not mark all of them).

    One that is longer than any key of Fivetran counts as one.
    """
    if len(key) > _LONGEST_KEY:
        return True
    name = key.lower()
    return bool(_SECRET.search(name)) and not _ABOUT_A_SECRET.search(name)


def secrets_of(service: str) -> frozenset[str]:
    """The config keys of `service` that are secrets though neither their names nor, always, its metadata say so.

    Source: the `format: password` fields of Fivetran's OpenAPI file, in `secret_settings.json`.
    """
    return _SECRETS_OF.get(service, frozenset())


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` (path -> value) of a form without the settings that are secrets by their names or by the service."""
    known = secrets_of(str(values.get("service") or ""))
    return {
        path: value
        for path, value in values.items()
        if not path.startswith("config.")
        or not (path.split(".")[1] in known or lies_in_secret(path.split(".")[1:]) or _has_secret_rows(value))
    }


def lies_in_secret(path: Sequence[str]) -> bool:
    """Whether the value at `path`, key by key, is a secret by its own name or by that of a group it stands in.

    A group called credentials is none: in it stand a bucket or a region too.
    """
    *groups, name = [key for key in path if not key.isdigit()] or [""]
    return is_secret(name) or any(is_secret(group) and not _is_of_credentials(group) for group in groups)


def _is_of_credentials(group: str) -> bool:
    return "credential" in group.lower()


def in_words(values: Mapping[str, Any]) -> list[str]:
    """What is asked for, in short phrases: "every 6 hours", "direct connection", "setup tests on"."""
    return [words for _, words in phrases(values)]


def _tests_in_words(answers: Mapping[str, Any]) -> str:
    if answers["run_setup_tests"]:
        return "setup tests on"
    return "setup tests after the hand-over" if answers["use_connect_card"] else "setup tests off"


def phrases(values: Mapping[str, Any]) -> list[tuple[Section, str]]:
    """The same, each with the section of the form in which it was answered."""
    answers = applicable(values)
    networking = dict(BY_PATH["networking_method"].choices).get(answers["networking_method"], "")  # PrivateLink, SSH
    found = [
        (Section.WHEN, schedule_in_words(values)),
        (Section.HOW, "direct connection" if answers["networking_method"] == "Directly" else f"by {networking}"),
        (Section.SETUP, _tests_in_words(answers)),
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
            found.append((Section.ADVANCED, f"{_lower(BY_PATH[path].label)} {answers[path]}"))
    if answers["data_delay_sensitivity"] == "CUSTOM":
        found.append((Section.TOLD, f"warns after {answers.get('data_delay_threshold') or '?'} minutes of delay"))
    return found


def said_in_words(values: Mapping[str, Any]) -> list[str]:
    """As `in_words`, of a connection that was made elsewhere: no default is told as a fact, nor how it was tested."""
    schedule, networking, _tests, *others = in_words(values)
    told = [schedule] if tells_schedule(values) else []
    return [*told, *([networking] if values.get("networking_method") else []), *others]


def tells_schedule(values: Mapping[str, Any]) -> bool:
    """Whether `values` say when it syncs, without any default."""
    return values.get("schedule_type") == "manual" or values.get("sync_frequency") not in (None, "")


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


def schedule_in_words(values: Mapping[str, Any]) -> str:
    """When it syncs: "every 6 hours", "daily at 05:00 UTC", "only when started by hand"."""
    answers = applicable(values)
    if answers["schedule_type"] == "manual":
        return "only when started by hand"
    if time := answers.get("daily_sync_time"):
        return f"daily at {time} UTC"
    return _words("sync_frequency", answers)


def _words(path: str, answers: Mapping[str, Any]) -> str:
    labels = dict(BY_PATH[path].choices)
    return str(labels.get(answers[path], answers[path])).lower()


def copied(values: Mapping[str, Any], *, keep_names: bool) -> dict[str, Any]:
    """`values` for a copy: never a mask in place of a secret, and the destination names only with `keep_names`."""
    return {path: value for path, value in values.items() if value != MASK and (keep_names or path not in NAMING)}


def described(data: Mapping[str, Any]) -> dict[str, Any]:
    """path -> value for a copy of the connection that Fivetran describes in `data` (`GET /v1/connections/{id}`).

    Without what a copy must not have: secrets and their masks, destination names, and whether it is paused just now.
    """
    theirs = (path for path, field in BY_PATH.items() if not field.ours and not path.startswith("connect_card_config."))
    values = {path: value for path in theirs if (value := at(data, path)) is not None}
    config = data.get("config")
    values.update(_flat("config", config if isinstance(config, Mapping) else {}))
    usable = {path: v for path, v in values.items() if v not in (None, "", [], {}) and MASK not in json.dumps(v)}
    return {path: v for path, v in usable.items() if path not in NAMING and path != "paused"}


def _flat(path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        is_group = isinstance(value, Mapping) and _is_of_credentials(key)  # looked into, as by `masked`
        if (is_secret(key) and not is_group) or _has_secret_rows(value):
            continue
        if isinstance(value, Mapping):
            found.update(_flat(f"{path}.{key}", value))
        else:
            found[f"{path}.{key}"] = value
    return found


def _has_secret_rows(value: Any) -> bool:
    """Whether it is a list in which a row has a secret: without it the row says nothing, so the whole list goes."""
    return isinstance(value, list) and any(map(_names_secret, value))


def _names_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(is_secret(key) or _names_secret(inner) for key, inner in value.items())
    return isinstance(value, list) and any(map(_names_secret, value))


def risks(body: Mapping[str, Any]) -> list[str]:
    """What an approver should notice in `body`, in words; empty where there is nothing."""
    found = []
    if body.get("trust_certificates"):
        found.append("Trusts any TLS certificate without review")
    if body.get("trust_fingerprints"):
        found.append("Trusts any SSH fingerprint without review")
    if body.get("sync_frequency") == 1 and body.get("schedule_type") != "manual":
        found.append("Syncs every minute")
    return found


# --- what is changed later -------------------------------------------------------------------------------------------
SCHEDULE = ("sync_frequency", "daily_sync_time", "schedule_type")
# What a PATCH does besides changing the connection. Fivetran runs the setup tests unless told not to.
_QUIETLY = {"run_setup_tests": False}
_OF_THE_CALL = frozenset({"run_setup_tests"})


def pause_body(*, paused: bool) -> dict[str, Any]:
    """The body of `PATCH /v1/connections/{id}` that pauses or unpauses, and does nothing else."""
    return {"paused": paused, **_QUIETLY}


def schedule_body(values: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the PATCH that sets the schedule of `values` (path -> typed value), as far as each part applies."""
    answers = applicable(values)
    return {**{path: answers[path] for path in SCHEDULE if answers.get(path) not in (None, "")}, **_QUIETLY}


def overlaid(body: Mapping[str, Any], changes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What is approved now: `body` of the creation under the bodies of the changes that were made, in their order.

    A daily time goes when the new schedule leaves it no meaning. What only the call itself did is not laid over.
    """
    found = dict(body)
    for change in changes:
        found |= {path: value for path, value in change.items() if path not in _OF_THE_CALL}
    if "daily_sync_time" in found and "daily_sync_time" not in applicable(found):
        del found["daily_sync_time"]
    return found


_PLAIN = (str, int, float)


def adopted(data: Mapping[str, Any]) -> dict[str, Any]:
    """path -> value of a connection that was made elsewhere, as Fivetran describes it in `data`.

    Like `described`, with what only a copy must not have: its destination names, and whether it is paused. A field of
    another shape than Fivetran documents is left out.
    """
    config = data.get("config")
    given = config if isinstance(config, Mapping) else {}
    names = {path: given[key] for path in NAMING if isinstance(given.get(key := path.removeprefix("config.")), str)}
    paused = {"paused": data["paused"]} if isinstance(data.get("paused"), bool) else {}
    plain = {path: v for path, v in described(data).items() if path.startswith("config.") or isinstance(v, _PLAIN)}
    return {**plain, **names, **paused}


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` (path -> value) as a body, with nothing added and nothing left out."""
    body: dict[str, Any] = {}
    for path, value in values.items():
        _put(body, path, value)
    return body
