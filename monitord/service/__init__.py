"""Layer 5: the life of the daemon: start, signals, reload, watchdog, stop."""
