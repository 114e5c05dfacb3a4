"""The WSGI application (`gunicorn portal.wsgi`)."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = get_wsgi_application()
# A portal that cannot reach Fivetran should say so when it is started, not at the first approved request.
settings.FIVETRAN_CREDENTIALS()
