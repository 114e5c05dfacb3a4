"""What Fivetran asks to trust: certificates and SSH host keys, found in the details of setup tests and read for people.
Everything here is from outside: any shape may come, and nothing raises.
"""

import base64
import binascii
import hashlib
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MOST = 20  # candidates of one test that are looked at
LONGEST_HASH = 500
LONGEST_PROOF = 20_000
LONGEST_TEXT = 2_000
LEFT_OUT = "left_out"  # the key of what stands, last, for the items of a list that was too long to be stored whole
_PEM = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")


class TrustKind(StrEnum):
    """The values are stored."""

    CERTIFICATE = "certificate"
    FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class Candidate:
    kind: TrustKind
    hash: str  # this and the proof go to Fivetran; the rest is what Fivetran says about it
    proof: str  # the encoded certificate, or the public key
    name: str = ""
    type: str = ""
    sha1: str = ""
    sha256: str = ""
    public_key: str = ""  # of a certificate, in Fivetran's words

    @property
    def digest(self) -> str:
        """SHA-256 of everything that is shown: an approval is bound to it, not only to the hash."""
        shown = [getattr(self, field) for field in self.__dataclass_fields__]
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What the portal itself reads from the bytes that would be sent, as (label, value)."""
        return facts_of_certificate(self.proof) if self.kind is TrustKind.CERTIFICATE else facts_of_key(self.proof)

    @property
    def _said(self) -> str:
        return self.sha256.replace(":", "").replace(" ", "").lower()

    @property
    def _hashed(self) -> dict[str, str]:
        """SHA-256 -> of what, for a certificate."""
        # Fivetran does not document over what it hashes, so the hash of the encoded text counts as well.
        raw = base64_bytes(self.proof) or b""
        texts = {"its encoded text": self.proof.encode(errors="replace"), "the certificate": raw}
        return {hashlib.sha256(content).hexdigest(): what for what, content in texts.items()}

    @property
    def sha256_label(self) -> str:
        """What Fivetran's own SHA-256 is of: another than the one computed here need not be a contradiction."""
        what = self._hashed.get(self._said) if self.kind is TrustKind.CERTIFICATE else None
        return f"SHA-256 of {what}, says Fivetran" if what else "SHA-256, says Fivetran"

    @property
    def contradiction(self) -> str:
        """A sentence where Fivetran's own SHA-256 is not that of the bytes; else empty."""
        if self.kind is not TrustKind.CERTIFICATE or len(self._said) != 64 or base64_bytes(self.proof) is None:
            return ""
        words = (
            "The SHA-256 that Fivetran names is not that of this certificate. Do not approve it before this is clear."
        )
        return "" if self._said in self._hashed else words


def candidates(details: Any) -> list[Candidate]:
    """In the `details` of one setup test: of an object, or of each object in an array."""
    items = details if isinstance(details, list) else [details]
    found = [candidate for item in items[:MOST] if isinstance(item, dict) for candidate in candidates_in(item)]
    return list(dict.fromkeys(found))


def left_out(details: Any) -> int:
    """How many items of an array of candidates are not looked at: beyond MOST, or not stored."""
    if not isinstance(details, list) or not candidates(details):
        return 0
    last = details[-1]
    lost = last.get(LEFT_OUT) if isinstance(last, dict) else None
    if isinstance(lost, int) and lost > 0:
        return lost + max(0, len(details) - 1 - MOST)
    return max(0, len(details) - MOST)


# The details of a failed test are an object or an array of objects with `hash` and `encoded_cert`, or `hash` and
# `public_key` (Fivetran, REST API, "Certificates" and "Get connection fingerprint details"). Titles differ: they are
# not looked at.
def candidates_in(item: dict[str, Any]) -> Iterator[Candidate]:
    hash_, certificate, key = (item.get(name) for name in ("hash", "encoded_cert", "public_key"))
    if not _usable(hash_, LONGEST_HASH):
        return
    said = {name: _text(item.get(name)) for name in ("name", "type", "sha1", "sha256")}
    if _usable(certificate, LONGEST_PROOF):
        # A certificate's entry has a public key too, in words: it is the certificate that is to be approved.
        yield Candidate(TrustKind.CERTIFICATE, str(hash_), str(certificate), **said, public_key=_text(key))
    elif "encoded_cert" not in item and _usable(key, LONGEST_PROOF):
        yield Candidate(TrustKind.FINGERPRINT, str(hash_), str(key), **said)


def _usable(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest and bool(value.strip()) and "\0" not in value


def _text(value: Any) -> str:
    return value[:LONGEST_TEXT] if isinstance(value, str) else ""


def base64_bytes(text: str) -> bytes | None:
    """With or without PEM's frame; None where `text` is not base64."""
    for frame in _PEM:
        text = text.replace(frame, "")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def facts_of_certificate(proof: str) -> list[tuple[str, str]]:
    raw = base64_bytes(proof)
    if not raw:
        return []
    sums = [
        ("SHA-1 of the certificate, computed here", _pairs(hashlib.sha1(raw, usedforsecurity=False).hexdigest())),
        ("SHA-256 of the certificate, computed here", _pairs(hashlib.sha256(raw).hexdigest())),
    ]
    return [*names_in_certificate(raw), *sums]


def names_in_certificate(raw: bytes) -> list[tuple[str, str]]:
    # The standard library tells subject, issuer and validity of certificates of authorities only.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=raw)
        told = context.get_ca_certs()
    except (ssl.SSLError, ValueError, OSError):
        return []
    if len(told) != 1:
        return []
    [one] = told
    valid = f"{one.get('notBefore', '?')} to {one.get('notAfter', '?')}"

    def distinguished(name: Any) -> str:
        return ", ".join(f"{key}={value}" for group in name or () for key, value in group)[:LONGEST_TEXT]

    names = [("Subject", distinguished(one.get("subject"))), ("Issuer", distinguished(one.get("issuer")))]
    return [*names, ("Valid", valid[:LONGEST_TEXT])]


def facts_of_key(proof: str) -> list[tuple[str, str]]:
    """As `ssh-keygen -l` prints them: SHA256 in base64, and the older MD5."""
    for word in proof.split()[:3]:
        raw = base64_bytes(word) if len(word) > 20 else None
        if raw:
            sha256 = base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
            md5 = _pairs(hashlib.md5(raw, usedforsecurity=False).hexdigest()).lower()
            return [("As ssh-keygen -l shows it", f"SHA256:{sha256}"), ("The older form", f"MD5:{md5}")]
    return []


def _pairs(digits: str) -> str:
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2)).upper()
