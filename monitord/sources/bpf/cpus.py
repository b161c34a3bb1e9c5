"""The CPUs of this machine."""

from pathlib import Path


def online_cpus(path: Path = Path("/sys/devices/system/cpu/online")) -> tuple[int, ...]:
    """The CPUs that run now: ``0-3,6`` in sysfs."""
    cpus: list[int] = []
    for part in path.read_text(encoding="ascii").strip().split(","):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)
