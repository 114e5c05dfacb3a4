"""Faults injected from outside into real processes; nothing in the product knows of them."""
