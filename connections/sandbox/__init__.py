"""A sandbox of Fivetran's REST API: own process, real HTTP, stateful, with failures on demand. It imports nothing of
the portal, so that it cannot agree with the portal's mistakes. Start it with ``python -m connections.sandbox``; its
page ``/`` lists what it can do.
"""
