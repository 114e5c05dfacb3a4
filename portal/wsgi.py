"""The WSGI application (`gunicorn portal.wsgi`)."""

import logging
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from portal.content_type import usable_content_type

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
os.environ.setdefault("SQLITE_LOCK_TIMEOUT", "3")

application = usable_content_type(get_wsgi_application())
# A portal that cannot reach Fivetran should say so when it is started, not at the first approved request.
settings.FIVETRAN_CREDENTIALS()
if settings.WHITENOISE_USE_FINDERS:
    logging.getLogger(__name__).warning(
        "The static files were not collected: browsers ask for each of them again every minute. "
        "Run `manage.py collectstatic --noinput` before the web process starts."
    )
