"""The description that the company's SAML provider gives of itself: where people log in, and which keys sign."""

import base64
from datetime import UTC, datetime
from typing import Any

import requests
from cryptography import x509
from django.conf import settings
from lxml import etree
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML

from portal import environment
from portal.sign_on.accounts import Away, Refused
from portal.sign_on.outgoing import ASKED_EVERY, Bounded, Kept

KEPT_FOR = 4 * 3600  # seconds; after that the old one serves as long as the new one cannot be had
_METADATA = "{urn:oasis:names:tc:SAML:2.0:metadata}"
BROKEN = "Your company’s log-in is not set up rightly. Its administrators, or the portal’s, have to mend that."


class Description:
    """The latest one."""

    def __init__(self, kept_for: float = KEPT_FOR, asked_every: float = ASKED_EVERY) -> None:
        self._kept = Kept[dict[str, Any]](kept_for, asked_every)

    def get(self) -> dict[str, Any]:
        """Raises Away and Refused: a page for maintenance has status 200, too."""
        return self._kept.get((settings.SAML_METADATA_URL, settings.SAML_METADATA), self._ask)

    def _ask(self) -> dict[str, Any]:
        url = settings.SAML_METADATA_URL
        try:
            document = _fetch(url) if url else settings.SAML_METADATA.encode()
        except (OSError, requests.RequestException) as error:
            raise Away(f"SAML_METADATA_URL: {type(error).__name__}: {error}") from None
        return parse(document)


description = Description()


def _fetch(url: str) -> bytes:
    with Bounded(settings.SAML_CA_BUNDLE) as session:
        answer = session.get(url)
        answer.raise_for_status()
        return answer.content


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
    try:
        until = min((_moment(one) for one in ends), default=None)
        for name in filter(None, names):
            x509.load_der_x509_certificate(base64.b64decode(name))
    except ValueError as error:
        raise Refused(BROKEN, f"a date or a certificate of the SAML metadata cannot be read: {error}") from None
    return {
        "idp": {"entityId": found["entityId"], "singleSignOnService": found["singleSignOnService"]},
        "certificates": [name for name in names if name],
        "until": until,
    }


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


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
