"""Secrets of second factors are encrypted where they are stored, by a key that is made of SECRET_KEY."""

import base64
from functools import lru_cache
from typing import TYPE_CHECKING

from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.auth.models import User

if TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet

_PURPOSE = b"portal.sign_on.second_factor"  # what is made of SECRET_KEY for another purpose opens nothing here


class Unreadable(Exception):
    """A stored secret was encrypted by another SECRET_KEY."""


class Secrets(DefaultMFAAdapter):
    """Where django-allauth asks how secrets are stored, and what the app calls the account."""

    def get_totp_label(self, user: User) -> str:
        return user.get_username()  # what is typed at the log-in, for who has two accounts

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        from cryptography.fernet import InvalidToken

        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            raise Unreadable from error


def _cipher() -> "MultiFernet":
    from cryptography.fernet import MultiFernet  # 7 MB, for who has a second factor

    return MultiFernet([_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@lru_cache(maxsize=8)
def _fernet(secret_key: str) -> "Fernet":
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
