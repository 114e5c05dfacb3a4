"""Fivetran's side: the client against servers that say anything, and the local stand-in."""
