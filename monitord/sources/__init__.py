"""Layer 3, first stage: where events and counts come from."""
