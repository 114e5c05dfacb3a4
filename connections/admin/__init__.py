"""The Django admin: a window on everything, decisions through the same verbs as on the pages, and the company's policy.

What the portal records can be read and not changed here. Users, groups and the policy are edited.
"""

from django.contrib import admin

from connections.admin import changes, policy, presets, readonly, requests

__all__ = ["changes", "policy", "presets", "requests", "readonly"]

admin.site.site_header = admin.site.site_title = "Connection portal"
