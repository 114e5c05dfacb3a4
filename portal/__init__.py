"""The site: settings, URLs and the two process entry points. Nothing of the product lives here."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
