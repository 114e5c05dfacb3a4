"""What the machine does, against the sandbox over its socket."""
