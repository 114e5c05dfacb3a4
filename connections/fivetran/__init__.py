"""Fivetran's REST API: the client, what its errors say, and a local stand-in."""
