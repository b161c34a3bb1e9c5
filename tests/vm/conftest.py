"""What is in guest/ runs inside virtual machines (tests/vm/run), as `make test-vm` does."""

collect_ignore = ["guest"]
