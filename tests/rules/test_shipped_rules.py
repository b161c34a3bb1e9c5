from pathlib import Path

import pytest

from monitord.abi.arch import Abi
from monitord.abi.event import Flag
from monitord.rules.evaluate import evaluate
from monitord.rules.ruleset import load
from tests.support.rules import TABLE, FakeContext, make_event, make_process

DIRECTORY = Path(__file__).parents[2] / "config/rules"
SHIPPED = load((DIRECTORY,), TABLE)[0]
RULES = [rule for rule in SHIPPED.rules if not rule.correlation and rule.name not in SHIPPED.silent]
"""Those that alert of one event."""

READ, WRITE, TRUNCATE = 0, 0o2, 0o1001
ROOT = {"uid": 0}


def matched(event, process=None, ancestors=()):
    """The rule that would be reported: the first that is true and that the kernel would have let through."""
    context = FakeContext([process or make_process(event.comm), make_process(event.parent_comm), *ancestors])
    for rule in RULES:
        if evaluate(rule.condition, event, context):
            assert rule.interest.admits(event)
            return rule.name
    return None


def opened(path, flags, **changes):
    return make_event("openat", args=((1 << 64) - 100, 1, flags), texts=[(1, path.encode())], ret=3, **changes)


def executed(path, **changes):
    return make_event("execve", texts=[(0, path.encode())], **changes)


def renamed(new, **changes):
    return make_event("rename", texts=[(0, b"/tmp/x"), (1, new.encode())], **changes)


def removed(path, **changes):
    return make_event("unlinkat", args=((1 << 64) - 100, 1), texts=[(1, path.encode())], **changes)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (opened("/etc/shadow", READ), "Password file read"),
        (opened("/etc/gshadow-", READ, comm="python3"), "Password file read"),
        (executed("/bin/sh", comm="sh", parent_comm="nginx"), "Shell started by a network daemon"),
        (executed("/bin/bash", comm="bash", parent_comm="php-fpm8.2"), "Shell started by a network daemon"),
        (executed("/dev/shm/x", comm="x"), "Execution from shared memory"),
        (make_event("ptrace", args=(16, 7)), "Process attached with ptrace"),
        (make_event("ptrace", args=(0x4206, 7)), "Process attached with ptrace"),
        (make_event("process_vm_writev", args=(7,), ret=8), "Memory of another process written"),
        (opened("/proc/7/mem", WRITE), "Memory of another process written"),
        (make_event("init_module", comm="insmod", **ROOT), "Kernel module load"),
        (make_event("finit_module", comm="modprobe", **ROOT), "Kernel module load"),
        (make_event("bpf", args=(5,), ret=7), "BPF program loaded"),
        (make_event("io_uring_setup", args=(8,), ret=7), "io_uring set up"),
        (make_event("getpid", abi=Abi.I386, flags=Flag.FOREIGN, ret=7), "32-bit call from a 64-bit program"),
        (make_event("getpid", abi=Abi.X32, flags=Flag.FOREIGN, ret=-38), "32-bit call from a 64-bit program"),
        (make_event("setuid", args=(0,), **ROOT), "Program made itself root"),
        (make_event("setresuid", args=(0, 0, 0), **ROOT), "Program made itself root"),
        (make_event("setuid32", abi=Abi.I386, args=(0,), **ROOT), "Program made itself root"),
        (make_event("fchmodat", args=(3, 1, 0o4755), texts=[(1, b"x")]), "Setuid bit set"),
        (make_event("fchmod", args=(3, 0o4755)), "Setuid bit set"),
        (make_event("mount", texts=[(1, b"/etc"), (0, b"/tmp/x"), (2, b"")]), "Mount over a system directory"),
        (make_event("mount", texts=[(1, b"/proc/7"), (0, b"/tmp"), (2, b"")]), "Mount over a system directory"),
        (opened("/etc/sudoers.d/me", WRITE), "Privilege configuration changed"),
        (renamed("/etc/passwd"), "Privilege configuration changed"),
        (opened("/etc/ld.so.preload", 0o101), "Privilege configuration changed"),
        (opened("/etc/cron.d/x", WRITE), "Cron job changed"),
        (renamed("/var/spool/cron/crontabs/ann"), "Cron job changed"),
        (opened("/home/ann/.ssh/authorized_keys", 0o2001), "SSH keys changed"),
        (renamed("/root/.ssh/authorized_keys"), "SSH keys changed"),
        (opened("/etc/motd", 0o2001), "Write below /etc"),
        (make_event("creat", texts=[(0, b"/etc/x")], ret=3), "Write below /etc"),
        (opened("/usr/bin/ls", WRITE), "Write below a program directory"),
        (opened("/var/log/auth.log", TRUNCATE), "System log cleared"),
        (make_event("truncate", texts=[(0, b"/var/log/wtmp")]), "System log cleared"),
        (removed("/var/log/journal/0a/system.journal", comm="rm"), "System log cleared"),
    ],
)
def test_what_is_reported(event, expected):
    assert expected == matched(event)


def test_a_program_from_memory_is_reported():
    process = make_process("x", exepath="memfd:x")

    assert "Fileless execution" == matched(executed("/proc/self/fd/3", comm="x"), process)


def test_a_script_in_shared_memory_is_reported_whatever_runs_it():
    process = make_process("sh", exepath="/usr/bin/dash")

    assert "Execution from shared memory" == matched(executed("/dev/shm/x.sh", comm="x.sh"), process)


@pytest.mark.parametrize(
    "event",
    [
        opened("/etc/shadow", READ, comm="sshd"),
        opened("/etc/shadow", READ, comm="unix_chkpwd"),
        opened("/etc/passwd", READ),
        make_event("openat", args=(0, 1, READ), texts=[(1, b"/etc/shadow")], ret=-13),
        executed("/bin/sh", comm="sh", parent_comm="make"),
        executed("/usr/bin/ls", comm="ls", parent_comm="nginx"),
        make_event("ptrace", args=(16, 7), comm="gdb"),
        make_event("ptrace", args=(0,)),
        make_event("ptrace", args=(16, 7), ret=-1),
        opened("/proc/self/status", READ),
        make_event("finit_module", comm="(udev-worker)", **ROOT),
        make_event("finit_module", comm="modprobe", parent_comm="kworker/u8:1", **ROOT),
        make_event("finit_module", comm="insmod", ret=-1, **ROOT),
        make_event("bpf", args=(5,), ret=7, comm="systemd"),
        make_event("bpf", args=(1,)),
        make_event("getpid", abi=Abi.I386, ret=7),
        make_event("setuid", args=(0,), comm="sudo", **ROOT),
        make_event("setuid", args=(33,), uid=33),
        make_event("setuid", args=(0,), ret=-1),
        make_event("fchmod", args=(3, 0o755)),
        make_event("mount", texts=[(1, b"/mnt/usb"), (0, b"/dev/sdb1"), (2, b"vfat")]),
        opened("/etc/shadow", WRITE, comm="passwd"),
        opened("/etc/motd", WRITE, comm="dpkg"),
        opened("/etc/hosts", READ),
        opened("/var/log/nginx/access.log", 0o2001, comm="nginx"),
        opened("/var/log/auth.log", TRUNCATE, comm="logrotate"),
        opened("/tmp/x", TRUNCATE),
        removed("/tmp/x"),
        renamed("/home/ann/x"),
    ],
)
def test_ordinary_use_is_not(event):
    assert matched(event) is None


def test_what_a_package_manager_starts_may_write_configuration():
    event = opened("/etc/x.conf", WRITE, comm="sed", parent_comm="x.postinst")

    assert matched(event, ancestors=[make_process("dpkg"), make_process("apt-get")]) is None
