"""What a service needs from its source owner: the secrets and the authorisation, which the portal never sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connections.catalog.metadata import parse
from connections.catalog.offers import guide_at
from connections.models import CatalogEntry, Kind


@dataclass(frozen=True)
class Credentials:
    secrets: tuple[str, ...] = ()
    authorise: bool = False
    guide: str = ""


def needs_authorisation(detail: Mapping[str, Any] | None) -> bool:
    """Whether somebody has to sign in to the source, or give its tokens (the metadata has an `auth` object)."""
    if not isinstance(detail, Mapping):
        return False
    auth = detail.get("auth")
    if not isinstance(auth, Mapping) or not auth.get("properties"):
        return False
    # Where a service account can read it (Google Sheets and its like), the source is shared with that of the
    # destination, and nobody enters anything.
    choices = [p.choices for p in parse(detail.get("config")).properties if p.name.startswith("auth")]
    return not any("serviceaccount" in value.replace("_", "").lower() for values in choices for value in values)


def without_secrets(service: str, values: Mapping[str, Any]) -> dict[str, Any]:
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service).only("detail").first()
    detail = entry.detail if entry is not None and isinstance(entry.detail, Mapping) else {}
    # In addition to the names that `payloads` knows: Fivetran masks by its own list, and not everything.
    known = parse(detail.get("config"), service)
    return {path: value for path, value in values.items() if not known.is_secret(path.removeprefix("config."))}


def credentials_of(service: str) -> Credentials:
    entry = CatalogEntry.objects.filter(kind=Kind.SERVICE, fivetran_id=service).only("detail", "data").first()
    if entry is None:
        return Credentials()
    # A page that somebody opens by a link makes no call to Fivetran.
    config = entry.detail.get("config") if isinstance(entry.detail, Mapping) else None
    secrets = dict.fromkeys(label for _, label in parse(config, service).secrets)
    return Credentials(tuple(secrets), needs_authorisation(entry.detail), guide_at(entry.data.get("link_to_docs")))
