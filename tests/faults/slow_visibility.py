"""Production's settings with a broker that hands an unacknowledged message to the next worker after one second.

The workers say what they receive, so that a test sees that it happened.
"""

from portal.settings import *  # noqa: F403
from portal.settings import CELERY_BROKER_TRANSPORT_OPTIONS, LOGGING

CELERY_BROKER_TRANSPORT_OPTIONS = {
    **CELERY_BROKER_TRANSPORT_OPTIONS,
    "visibility_timeout": 1,
    # Every second kombu looks for such messages, and not at every tenth time that it could.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}
LOGGING["loggers"]["celery.worker.strategy"]["level"] = "INFO"
