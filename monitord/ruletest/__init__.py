"""Layer 5: tests of rules, as their users write them."""
