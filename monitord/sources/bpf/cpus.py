"""The CPUs of this machine."""

import os


def online_cpus(path: str | os.PathLike[str] = "/sys/devices/system/cpu/online") -> tuple[int, ...]:
    """The CPUs that run now: ``0-3,6`` in sysfs."""
    with open(path, encoding="ascii") as file:
        text = file.read()
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)
