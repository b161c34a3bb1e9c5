"""Layer 0: the byte contract with `bpf/`, and the kernel's calling conventions."""
