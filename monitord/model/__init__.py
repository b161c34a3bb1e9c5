"""Layer 1: the values that stages hand to each other. No I/O here."""
