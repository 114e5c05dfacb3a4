"""What `make run` starts on one machine. An app of its own, which is not in the image."""
