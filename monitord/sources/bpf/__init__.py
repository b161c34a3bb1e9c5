"""The BPF source: compile, load and attach the programs in `bpf/`, read their rings and maps."""
