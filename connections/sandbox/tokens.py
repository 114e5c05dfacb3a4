"""Connect Card tokens: JSON Web Tokens signed with HMAC SHA-256 (RFC 7519, RFC 7515)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any

HEADER = {"alg": "HS256", "typ": "JWT"}


class BadToken(Exception):
    """The token is not ours, was changed, or is expired; the text says which."""


def sign(claims: dict[str, Any], key: bytes) -> str:
    signed = f"{encode(json.dumps(HEADER).encode())}.{encode(json.dumps(claims).encode())}"
    return f"{signed}.{encode(_mac(signed, key))}"


def read(token: str, key: bytes) -> dict[str, Any]:
    """The claims of a token; BadToken when the signature is wrong or `exp` is past."""
    signed, _, signature = token.rpartition(".")
    try:
        if not hmac.compare_digest(decode(signature), _mac(signed, key)):
            raise BadToken("This address was changed, or is not one of ours.")
        claims: dict[str, Any] = json.loads(decode(signed.partition(".")[2]))
    except (ValueError, binascii.Error):
        raise BadToken("This address was changed, or is not one of ours.") from None
    if claims["exp"] <= time.time():
        raise BadToken("This address has expired. Ask for a new one.")
    return claims


def _mac(text: str, key: bytes) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
