"""A sandbox of Fivetran's REST API: own process, real HTTP, stateful, with failures on demand (listed on its page
``/``). It imports nothing of the portal, so that it cannot agree with the portal's mistakes. Start: ``python -m
connections.sandbox``.
"""
