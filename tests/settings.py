"""The site's settings with what only speed or isolation asks for in a test run."""

from portal.settings import *  # noqa: F403
from portal.settings import STORAGES

# Hashed names need `collectstatic`; tests/test_demo.py serves the collected files.
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
REDIS_URL = "unix:///nowhere/redis.sock?db=0"
CELERY_BROKER_URL = "redis+socket:///nowhere/redis.sock?virtual_host=0"
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
