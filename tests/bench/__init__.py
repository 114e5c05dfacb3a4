"""The benchmarks (`make bench`): each goal is a ratio with its yardstick, measured interleaved in the same run."""
