"""What `make run` starts on one machine. An app of its own, which the image is without."""
