"""Layer 2: events with all that was known about them, kept to be judged again: elsewhere, later, in tests."""
