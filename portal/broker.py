"""Whether the broker is there."""

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry


def answers(seconds: float) -> bool:
    """Whether the broker answers a ping within `seconds`, asked once."""
    options = {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": Retry(NoBackoff(), 0)}
    try:
        with Redis.from_url(settings.REDIS_URL, **options) as client:
            return bool(client.ping())
    except (RedisError, OSError):
        return False
