"""Layer 0: the kernel's syscalls and constants, as data files and the functions that look things up in them."""
