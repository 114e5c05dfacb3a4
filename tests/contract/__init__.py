"""What others publish, held against what we do; skips where the publication is not at hand."""
