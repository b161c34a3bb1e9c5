"""What a machine can have that makes its kernel refuse what others take."""

import platform
import re
from pathlib import Path

OLDEST = (5, 10)
"""The oldest kernel that monitord is made for and tested on."""

LOCKED_DOWN = (
    "the kernel is locked down (confidentiality), so BPF programs may not read its memory: "
    "boot with lockdown=integrity, or without it"
)

OTHER_CLOCK = (
    "this is a time namespace with another CLOCK_BOOTTIME than the kernel's, so every event would have a wrong time: "
    "run monitord outside of it"
)


def is_old(release: str) -> bool:
    """Whether a kernel is older than `OLDEST`, or has a name that tells nothing."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST


def is_locked_down(root: Path = Path("/")) -> bool:
    """Whether BPF programs may not read kernel memory; kernel_lockdown(7). False where securityfs does not tell."""
    try:
        return "[confidentiality]" in (root / "sys/kernel/security/lockdown").read_text("ascii")
    except OSError:
        return False


def has_other_clock(root: Path = Path("/")) -> bool:
    """Whether CLOCK_BOOTTIME is not that of events; time_namespaces(7). False where /proc does not tell."""
    try:
        lines = (root / "proc/self/timens_offsets").read_text("ascii").splitlines()
    except OSError:
        return False
    return any(words[0] == "boottime" and words[1:] != ["0", "0"] for words in map(str.split, lines))


def too_old(release: str | None = None) -> str | None:
    """What to say of a kernel that is older than `OLDEST`; None of others."""
    release = platform.release() if release is None else release
    return (
        f"Linux {release} is older than {'.'.join(map(str, OLDEST))}, which monitord needs" if is_old(release) else None
    )


def advice(root: Path = Path("/"), release: str | None = None) -> str:
    """Why this kernel refuses a program that others take, or who can tell."""
    return LOCKED_DOWN if is_locked_down(root) else too_old(release) or "run `monitord doctor`"
