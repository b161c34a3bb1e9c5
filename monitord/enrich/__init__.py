"""Layer 3: who made a call and on what, answered from the events themselves and from /proc."""
