"""The site: settings, URLs and the two process entry points. No part of the product is here."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
