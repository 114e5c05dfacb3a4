"""Sessions in the database, under keys that the database can be asked for."""

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS


class SessionStore(db.SessionStore):
    def _validate_session_key(self, key: str | None) -> bool:
        # Django asks the database for whatever the cookie says: a NUL in it was an error on every page.
        return key is not None and len(key) >= 8 and set(key) <= set(VALID_KEY_CHARS)
