"""Secrets never leave the sandbox, and none is stored: six stars replace a secret as soon as it arrives."""

import re
from typing import Any

from .catalog import Service

STARS = "******"
SECRET_NAME = re.compile(
    r"password|secret|token|private_key|passphrase|pass_phrase|api_key|credential|\bpats?\b|sas_url|primary_key\b"
)
SECRET_GROUPS = ("auth", "external_secrets_keys_config")


def masked(body: Any, service: Service | None) -> Any:
    """A request body with the secrets of its `config` and all of its `auth` replaced."""
    if not isinstance(body, dict):
        return body
    shown = dict(body)
    if isinstance(shown.get("config"), dict):
        shown["config"] = masked_config(shown["config"], service)
    if isinstance(shown.get("secret"), str):
        shown["secret"] = STARS
    return {name: stars(value) if name in SECRET_GROUPS and value else value for name, value in shown.items()}


def masked_config(config: dict[str, Any], service: Service | None) -> dict[str, Any]:
    """`config` with secret values replaced: by the service's metadata, and by name where it does not say."""
    known = service.secrets if service else frozenset()
    return {name: _value(name, value, name in known) for name, value in config.items()}


def stars(value: Any) -> Any:
    """Every text inside `value` replaced; objects and lists keep their shape."""
    if isinstance(value, dict):
        return {name: stars(item) for name, item in value.items()}
    if isinstance(value, list):
        return [stars(item) for item in value]
    return STARS if value not in (None, "") else value


def _value(name: str, value: Any, secret: bool) -> Any:
    if secret or SECRET_NAME.search(name):
        return stars(value)
    if isinstance(value, dict):
        return {key: _value(key, item, False) for key, item in value.items()}
    if isinstance(value, list):
        return [_value(name, item, False) if isinstance(item, (dict, list)) else item for item in value]
    return value
