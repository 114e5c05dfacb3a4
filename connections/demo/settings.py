"""The settings of `make run` beside the sandbox: the site's own, with log-ins by one click and a page of the mails."""

import os

from connections.demo import environment
from portal.settings import *  # noqa: F403
from portal.settings import EMAIL_BACKEND, TEMPLATES

ROOT_URLCONF = "connections.demo.urls"
# First, so that a page of the same name comes before the portal's, which it extends.
TEMPLATES[0]["DIRS"].insert(0, environment.BASE_DIR / "connections" / "demo" / "templates")
TEMPLATES[0]["OPTIONS"]["context_processors"].append("connections.demo.pages.demo")
if EMAIL_BACKEND == "django.core.mail.backends.console.EmailBackend":  # else somebody set EMAIL_URL
    EMAIL_BACKEND = "connections.demo.mails.EmailBackend"
    EMAIL_FILE_PATH = str(environment.data_folder(os.environ) / environment.MAILS)
