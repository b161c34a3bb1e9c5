"""Layer 2: what is masked before anything is written."""
