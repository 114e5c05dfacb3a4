"""The few questions that a page may ask Fivetran itself, 5 seconds at most: does it exist, and a fresh Connect Card."""

from connections.interactive.connect_card import mint
from connections.interactive.lookup import Unreachable, existing

__all__ = ["Unreachable", "existing", "mint"]
