"""The site's settings with what only speed or isolation asks for in a test run."""

from portal.settings import *  # noqa: F403
from portal.settings import DATABASES, INSTALLED_APPS, STORAGES, TEMPLATES
from tests.templates import Undefined

# Hashed names need `collectstatic`; the test of `make run` serves the collected files.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = Undefined()
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"]["init_command"] += "; PRAGMA synchronous=OFF"
REDIS_URL = "unix:///nowhere/redis.sock?db=0"
CELERY_BROKER_URL = "redis+socket:///nowhere/redis.sock?virtual_host=0"
# By this name pytest-django's live server knows to serve the files as they lie, not those of an earlier collectstatic.
INSTALLED_APPS = ["tests.flush"] + [
    "django.contrib.staticfiles" if name == "portal.apps.TrimmedStaticFiles" else name for name in INSTALLED_APPS
]
