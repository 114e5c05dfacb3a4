"""The Django admin. Decisions go through the same verbs as on the pages; records are read-only; users, groups and the
policy are edited.
"""

from connections.admin import access, changes, policy, presets, readonly, refusing, requests, teams

__all__ = ["access", "changes", "policy", "presets", "readonly", "refusing", "requests", "teams"]
