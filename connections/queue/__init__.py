"""The mechanism of background work that no kind of job has for itself."""
