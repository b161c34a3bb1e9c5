"""Layer 4: the stages put together, and the threads that move events through them."""
