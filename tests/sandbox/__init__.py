"""The sandbox, tried over its own socket."""
