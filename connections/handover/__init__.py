"""The few questions that a page may ask Fivetran itself, 5 seconds at most: whether a connection exists."""

from connections.handover.lookup import Unreachable, existing

__all__ = ["Unreachable", "existing"]
