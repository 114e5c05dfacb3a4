"""A local stand-in for Fivetran's REST API: own process, real HTTP, stateful, with failures on demand.

It imports nothing of the portal, so that it cannot agree with the portal's mistakes, and needs only the standard
library. Start it with ``python -m connections.sandbox --port 8100``;
its start page ``/`` lists what it can do.
"""
