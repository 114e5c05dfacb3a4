"""What a service asks of its source's owner: the secrets and the authorisation that the portal never sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connections.catalog.metadata import parse
from connections.catalog.offers import guide_at
from connections.models import CatalogEntry, Kind


@dataclass(frozen=True)
class Credentials:
    """The labels of a service's secrets, whether its owner also has to authorise Fivetran, and Fivetran's guide."""

    secrets: tuple[str, ...] = ()
    authorise: bool = False
    guide: str = ""


def needs_authorisation(detail: Mapping[str, Any] | None) -> bool:
    """Whether a metadata answer has an `auth` object: somebody has to sign in to the source, or give its tokens.

    Not where the service can also be read by a service account (Google Sheets and its like): the source is then shared
    with the destination's own, and nobody enters anything.
    """
    if not isinstance(detail, Mapping):
        return False
    auth = detail.get("auth")
    return isinstance(auth, Mapping) and bool(auth.get("properties")) and not _has_service_account(detail.get("config"))


def _has_service_account(config: Any) -> bool:
    choices = [p.choices for p in parse(config).properties if p.name.startswith("auth")]
    return any("serviceaccount" in value.replace("_", "").lower() for values in choices for value in values)


def without_secrets(service: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` (path -> value) of a connection without what its service's metadata, as far as known, calls a secret.

    Beside the names that `payloads` knows: Fivetran masks by its own list, and not everything.
    """
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service).only("detail").first()
    detail = entry.detail if entry is not None and isinstance(entry.detail, Mapping) else {}
    known = parse(detail.get("config"), service)
    return {path: value for path, value in values.items() if not known.is_secret(path.removeprefix("config."))}


def credentials_of(service: str) -> Credentials:
    """What a service asks for, from the cached copy alone: a page that somebody opens by a link makes no call."""
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service).only("detail", "data").first()
    if entry is None:
        return Credentials()
    config = entry.detail.get("config") if isinstance(entry.detail, Mapping) else None
    secrets = dict.fromkeys(label for _, label in parse(config, service).secrets)
    return Credentials(tuple(secrets), needs_authorisation(entry.detail), guide_at(entry.data.get("link_to_docs")))
