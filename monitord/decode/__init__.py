"""Layer 3, second stage: bytes of a ring into columns."""
