"""The description that the company's SAML provider gives of itself: where people log in, and which keys sign."""

import base64
import threading
import time
from datetime import UTC, datetime
from typing import Any

import requests
from allauth.socialaccount.adapter import get_adapter
from cryptography import x509
from django.conf import settings
from lxml import etree
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from portal import environment
from portal.sign_on.accounts import Away, Refused

KEPT_FOR = 4 * 3600  # seconds; after that the old one serves as long as the new one cannot be had
PATIENCE = 5  # seconds for the whole document, which a thread waits for
ASKED_EVERY = 5  # seconds, while it is away
LONGEST = 4 * 1024 * 1024  # bytes
_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
BROKEN = "Your company’s log-in is not set up rightly. Its administrators, or the portal’s, have to mend that."


class _Kept:
    """The latest description, asked for by one thread at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._source: tuple[str, str] | None = None
        self._found: dict[str, Any] | None = None
        self._ask_again = 0.0
        self._why = ""

    def get(self) -> dict[str, Any]:
        """Raises Away and Refused."""
        with self._lock:
            source = (settings.SAML_METADATA_URL, settings.SAML_METADATA)
            if source != self._source:
                self._source, self._found, self._ask_again = source, None, 0.0
            if time.monotonic() >= self._ask_again:
                self._renew(*source)
            if self._found is None:
                raise Away(self._why)
            return self._found

    def _renew(self, url: str, document: str) -> None:
        try:
            self._found = parse(_fetch(url) if url else document.encode())
            self._ask_again = time.monotonic() + KEPT_FOR
        except (OSError, requests.RequestException) as error:
            self._why = f"SAML_METADATA_URL: {type(error).__name__}: {error}"
            self._ask_again = time.monotonic() + ASKED_EVERY


description = _Kept()


def _fetch(url: str) -> bytes:
    deadline, found = time.monotonic() + PATIENCE, b""
    with get_adapter().get_requests_session() as session:
        session.verify = settings.SAML_CA_BUNDLE or True
        with session.get(url, stream=True, allow_redirects=False, timeout=PATIENCE) as answer:
            answer.raise_for_status()
            # `read1` returns with what has come; `iter_content` would wait until its part is full.
            while part := answer.raw.read1(64 * 1024, decode_content=True):
                found += part
                if len(found) > LONGEST or time.monotonic() > deadline:
                    raise requests.Timeout("the document is too long, or takes too long")
    return found


def parse(document: bytes) -> dict[str, Any]:
    """The one identity provider that `document` describes, as python3-saml wants it. Raises Refused."""
    try:
        tree = OneLogin_Saml2_XML.to_etree(document)
        found = OneLogin_Saml2_IdPMetadataParser.parse(document).get("idp", {})
    except (etree.XMLSyntaxError, ValueError, AttributeError) as error:
        raise Refused(BROKEN, f"the SAML metadata is no usable XML: {error}") from None
    address = found.get("singleSignOnService", {}).get("url", "")
    usable = environment.web_parts(address) and (address.startswith("https:") or environment.is_loopback(address))
    if len(list(tree.iter(f"{_METADATA}IDPSSODescriptor"))) != 1 or not (found.get("entityId") and usable):
        raise Refused(
            BROKEN,
            "the SAML metadata describes no identity provider, or several, or none that takes redirects by https",
        )
    names = found["x509certMulti"].get("signing", []) if "x509certMulti" in found else [found.get("x509cert", "")]
    ends = [one for node in tree.iter(f"{_METADATA}EntityDescriptor") if (one := node.get("validUntil"))]
    return {
        "idp": {"entityId": found["entityId"], "singleSignOnService": found["singleSignOnService"]},
        "certificates": [name for name in names if name],
        "until": min((datetime.fromisoformat(one.replace("Z", "+00:00")) for one in ends), default=None),
    }


def provider() -> dict[str, Any]:
    """The description with those keys whose certificates hold now. Raises Away and Refused."""
    kept, now = description.get(), datetime.now(UTC)
    if kept["until"] and kept["until"] < now:
        raise Refused(BROKEN, f"the SAML metadata ran out on {kept['until']:%Y-%m-%d}")
    certificates = {text: x509.load_der_x509_certificate(base64.b64decode(text)) for text in kept["certificates"]}
    good = [text for text, one in certificates.items() if one.not_valid_before_utc <= now <= one.not_valid_after_utc]
    if not good:
        ends = ", ".join(f"{one.not_valid_after_utc:%Y-%m-%d}" for one in certificates.values())
        raise Refused(BROKEN, f"no certificate in the SAML metadata holds now (they end on: {ends or 'there is none'})")
    return {**kept["idp"], "x509certMulti": {"signing": good}}
