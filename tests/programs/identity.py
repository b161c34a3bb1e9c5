"""
Becomes what it is told to, step by step; after each step a call that is looked at, and what /proc says of it as JSON.

usage: identity.py PATH-OF-OUTPUT
"""

import contextlib
import ctypes
import json
import os
import pty
import sys
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
LOGIN = Path("/proc/self/loginuid")
STEPS = []


def status():
    lines = Path("/proc/self/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def step(name):
    said = status()
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    STEPS.append(
        {
            "name": name,
            "caps": [int(said[key], 16) for key in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")],
            "uids": list(map(int, said["Uid"].split())),
            "gids": list(map(int, said["Gid"].split())),
            "pids": [os.getpid(), os.getppid(), os.getpgrp(), os.getsid(0)],
            "nspid": list(map(int, said["NSpid"].split())),
            "tty": int(fields[4]),
            "loginuid": int(LOGIN.read_text()) if LOGIN.exists() else None,
            "pid_ns": os.stat("/proc/self/ns/pid").st_ino,
        }
    )
    os.getpgid(0)


def main():
    step("as it starts")
    os.setsid()
    with contextlib.suppress(OSError):  # a kernel without audit, or one that lets nobody
        LOGIN.write_text("61234")
    step("its own session")
    _controller, terminal = pty.openpty()
    LIBC.ioctl(terminal, 0x540E, 0)  # TIOCSCTTY
    step("a terminal")
    if not os.fork():
        os.setpgid(0, 0)
        step("a child in a group of its own")
        write()
        os._exit(0)
    os.wait()
    LIBC.prctl(24, 21, 0, 0, 0)  # PR_CAPBSET_DROP CAP_SYS_ADMIN
    step("a smaller bounding set")
    os.setresgid(61235, 61236, 61237)
    os.setresuid(61234, 61236, 0)
    step("three users")
    os.setresuid(61234, 61234, 61234)
    step("an ordinary user")
    write()


def write():
    with open(sys.argv[1], "a") as out:
        out.writelines(json.dumps(step) + "\n" for step in STEPS)
    STEPS.clear()


if os.fork() == 0:  # no leader of its group
    main()
    os._exit(0)
os.wait()
