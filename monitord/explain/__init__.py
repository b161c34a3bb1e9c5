"""Layer 4: what a rule asks for, and why it did, or did not, match an event."""
