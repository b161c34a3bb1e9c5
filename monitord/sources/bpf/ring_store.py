"""
Perf rings that a process with more privileges opens for the daemon: ``-m monitord.sources.bpf.ring_store CONFIG``.

To open one takes CAP_SYS_ADMIN where kernel.perf_event_paranoid is above 2, as Debian sets it; to map, to enable and
to read one takes nothing. So the unit has this run as root before the daemon (``ExecStartPre=+``): it gives the
descriptors to systemd's store for the service (sd_pid_notify_with_fds(3)), ends, and the daemon is started with them
(sd_listen_fds(3)), as a user that never had the capability.
"""

import array
import fcntl
import os
import select
import socket
import sys

from monitord.sources.bpf import libbpf
from monitord.sources.bpf.cpus import online_cpus
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.perf_event import open_output

_FIRST_FD = 3  # SD_LISTEN_FDS_START
_RING = "ring-"
_STATS = "stats"
_PATIENCE_MS = 10_000


def main(path: str) -> int:
    """
    Open a ring for every CPU, and give all to systemd.

    Whatever goes wrong is not the end: the daemon says it when it misses them.

    :param path: the configuration, which says whether programs are timed; the daemon says what is wrong with it.
    :return: the exit code.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as systemd:
        # A leading @ stands for the NUL of an abstract address.
        address = os.environ["NOTIFY_SOCKET"]
        systemd.connect("\0" + address[1:] if address.startswith("@") else address)
        for cpu in online_cpus():
            try:
                fd = open_output(cpu)
            except (ProcessLookupError, PermissionError, LoadError):
                continue
            _store(systemd, f"{_RING}{cpu}", fd)
        if _wants_stats(path) and (fd := libbpf.library().bpf_enable_stats(libbpf.STATS_RUN_TIME)) >= 0:
            _store(systemd, _STATS, fd)
        _wait_until_taken(systemd)
    return 0


def _wants_stats(path: str) -> bool:
    """
    ``bpf.program_stats``.

    The configuration is read only where that may be true: it takes more than twice as long as all the rest, and this
    runs before every start.
    """
    try:
        with open(path, "rb") as file:
            if b"program_stats" not in file.read().replace(b"program_stats: false", b""):
                return False
    except OSError:
        return False
    from pathlib import Path

    from monitord.config.load import load

    return load(Path(path))[0].bpf.program_stats


def _store(systemd: socket.socket, name: str, fd: int) -> None:
    """In the place of one that a start before left there. FDPOLL: an event that nobody maps polls as hung up."""
    systemd.send(f"FDSTOREREMOVE=1\nFDNAME={name}".encode())
    _send(systemd, f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}", fd)
    os.close(fd)


def _wait_until_taken(systemd: socket.socket) -> None:
    """systemd must have read all before this process ends: it takes nothing from one that it does not know any more."""
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    _send(systemd, "BARRIER=1", theirs)
    os.close(theirs)
    poll = select.poll()
    poll.register(ours, 0)  # hung up when systemd has closed its end
    poll.poll(_PATIENCE_MS)
    os.close(ours)


def _send(systemd: socket.socket, state: str, fd: int) -> None:
    systemd.sendmsg([state.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])


class RingStore:
    """
    What systemd started this process with; empty for everybody else.

    :ivar rings: CPU -> descriptor, whoever takes one owns it.
    :ivar stats: keeps the kernel's statistics of BPF programs on while it is open; -1 for none.
    """

    def __init__(self) -> None:
        self.rings: dict[int, int] = {}
        self.stats = -1
        if os.environ.get("LISTEN_PID") != str(os.getpid()):
            return
        count, names = int(os.environ["LISTEN_FDS"]), os.environ.get("LISTEN_FDNAMES", "").split(":")
        for fd, name in zip(range(_FIRST_FD, _FIRST_FD + count), names, strict=False):
            fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
            if name.startswith(_RING):
                self.rings[int(name.removeprefix(_RING))] = fd
            elif name == _STATS:
                self.stats = fd

    def close(self) -> None:
        """What nobody took."""
        for fd in (*self.rings.values(), self.stats):
            if fd >= 0:
                os.close(fd)
        self.rings, self.stats = {}, -1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
