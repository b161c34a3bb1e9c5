"""monitord: a syscall monitor for Linux."""

__version__ = "0.1.0"
