"""Which Fivetran account the current key belongs to: asked once per key and process, compared before every call."""

import hashlib

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connections.fivetran.client import FivetranClient
from connections.fivetran.errors import Refused, Unauthorized

# A key belongs to one account for ever, so an answer holds as long as key and address stay the same. Hashed: the
# process need not keep a second copy of the secret.
_known: dict[bytes, str] = {}


def same(client: FivetranClient, approved: str) -> bool:
    """Whether `approved` ("API root account_id", from the approval) is where the client's calls go. Raises
    FivetranError when Fivetran does not answer or the key cannot be read.
    """
    root, _, account_id = approved.partition(" ")
    if root != settings.FIVETRAN_BASE_URL:
        return False
    # An id that either side does not know cannot contradict.
    return not account_id or _account_id(client) in ("", account_id)


def _account_id(client: FivetranClient) -> str:
    try:
        credentials = settings.FIVETRAN_CREDENTIALS()
    except ImproperlyConfigured:  # its file is being replaced, or is gone: no row is wrong for that
        raise Unauthorized("The API key could not be read.") from None
    key = hashlib.sha256("\0".join((settings.FIVETRAN_BASE_URL, *credentials)).encode()).digest()
    if key not in _known:
        try:
            _known[key] = str(client.get_account().data.get("account_id") or "")
        except Refused:
            return ""  # this key may not ask; then the address alone is compared
    return _known[key]
