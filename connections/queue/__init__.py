"""What all kinds of background jobs share."""
