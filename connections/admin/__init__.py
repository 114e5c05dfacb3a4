"""The Django admin. Decisions go through the same verbs as on the pages; records are read-only; users, groups and the
policy are edited.
"""

from connections.admin import changes, policy, presets, readonly, requests, teams

__all__ = ["changes", "policy", "presets", "requests", "readonly", "teams"]
