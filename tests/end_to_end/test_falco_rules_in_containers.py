"""Falco's stable rules that are about containers, as they are, against real programs in real containers of runc."""

import shlex
import shutil
import subprocess
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.falco import NEEDS_FALCO, PLACE, Case, falco, said
from tests.support.container import AVAILABLE, BUSYBOX, bundle, remove_cgroups

pytestmark = [pytest.mark.bpf, NEEDS_FALCO, pytest.mark.skipif(not AVAILABLE, reason="needs runc and busybox-static")]

ID = "4f0c" * 16


@dataclass(frozen=True)
class Contained(Case):
    """
    What a rule is about, done by the shell of a container.

    :ivar capabilities: what the container may do beside runc's usual things.
    :ivar terminal: whether it has one.
    """

    capabilities: tuple[str, ...] = ()
    terminal: bool = False


PACKETS = "/bin/arping -c 1 -w 1 -I lo 127.0.0.1; true"
MODULE = "echo garbage > /dev/shm/x.ko; ! /bin/insmod /dev/shm/x.ko"
ESCAPE = "echo /x > /dev/shm/release_agent"

CASES = {
    "Terminal shell in container": Contained(
        "true",
        {"proc.name": "sh", "proc.pname": "runc", "proc.cmdline": "sh -c true", "proc.tty": 34816},
        terminal=True,
    ),
    "Netcat Remote Code Execution in Container": Contained(
        "! /bin/nc 127.0.0.1 1 -e /bin/sh",
        {"proc.name": "nc", "proc.cmdline": "nc 127.0.0.1 1 -e /bin/sh", "proc.exepath": "/bin/busybox"},
        ("! /bin/nc 127.0.0.1 1", "/bin/echo nc -e /bin/sh"),
    ),
    "Packet socket created in container": Contained(
        PACKETS,
        {"evt.type": "socket", "proc.name": "arping", "proc.cmdline": "arping -c 1 -w 1 -I lo 127.0.0.1"},
        ("/bin/ping -c 1 127.0.0.1; true",),
        capabilities=("CAP_NET_RAW",),
    ),
    "Redirect STDOUT/STDIN to Network Connection in Container": Contained(
        # The shell runs its own nc, without an exec: that of another rule.
        "nc -l -p 4444 </dev/null & until nc 127.0.0.1 4444 -e /bin/true; do sleep 0.1; done",
        {
            "fd.type": "ipv4",
            "fd.l4proto": "tcp",
            "fd.sip": "127.0.0.1",
            "fd.rport": 4444,
            "proc.name": "nc",
            "proc.exepath": "/bin/busybox",
        },
        ("nc -l -p 4444 </dev/null & until nc 127.0.0.1 4444 </dev/null; do sleep 0.1; done", "echo x | cat"),
    ),
    "Linux Kernel Module Injection Detected": Contained(
        MODULE,
        {"proc.name": "insmod", "proc.args": "/dev/shm/x.ko", "evt.res": "ENOSYS", "proc.pexepath": "/bin/busybox"},
        capabilities=("CAP_SYS_MODULE",),
    ),
    "Detect release_agent File Container Escapes": Contained(
        ESCAPE,
        {
            "fd.name": "/dev/shm/release_agent",
            "thread.cap_effective": "CAP_KILL CAP_NET_BIND_SERVICE CAP_SYS_ADMIN CAP_AUDIT_WRITE",
            "proc.name": "sh",
        },
        (f"{ESCAPE}s", "! cat /sys/fs/cgroup/release_agent"),
        capabilities=("CAP_SYS_ADMIN",),
    ),
}

WITHOUT = {
    "Terminal shell in container": "true",
    "Linux Kernel Module Injection Detected": MODULE,
    "Detect release_agent File Container Escapes": ESCAPE,
}
"""What is no matter in a container without the terminal or the capability."""

USUAL = {"user.name": "root", "user.uid": 0, "proc.tty": 0, "container.id": ID[:12]}
"""What every alert says, unless the case has it otherwise."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with falco(tmp_path_factory.mktemp("daemon")) as opened:
        yield opened


@pytest.fixture
def contained(watched):
    """Alerts of what a shell does in a container of its own."""
    directories = []
    cgroup = f"/monitord-test-{uuid.uuid4().hex}"

    def alerts(command, case):
        directory = Path(tempfile.mkdtemp(prefix="monitord-test-"))
        directories.append(directory)
        argv = bundle(
            directory,
            f"{cgroup}/docker/{ID}",
            ["sh", "-c", command],
            capabilities=case.capabilities,
            terminal=case.terminal,
        )
        run = shlex.join(argv)
        return watched.alerts_of(f"script -qec {shlex.quote(run)} /dev/null" if case.terminal else run)

    yield alerts
    remove_cgroups(f"{cgroup}/docker/{ID}")
    for directory in directories:
        shutil.rmtree(directory)


@pytest.mark.parametrize("rule", CASES)
def test_says_who_did_what_and_in_which_container(contained, rule):
    case = CASES[rule]
    expected = USUAL | case.says

    assert expected == said(rule, contained(case.does, case), Path(PLACE), expected)


NEAR = [(rule, command) for rule, case in CASES.items() for command in case.near]


@pytest.mark.parametrize(("rule", "command"), NEAR, ids=[f"{rule}-{at}" for at, (rule, _) in enumerate(NEAR)])
def test_what_is_nearly_that_is_fine(contained, rule, command):
    assert rule not in {alert["rule"] for alert in contained(command, CASES[rule])}


@pytest.mark.parametrize("rule", WITHOUT)
def test_what_a_container_may_not_do_is_fine(contained, rule):
    assert rule not in {alert["rule"] for alert in contained(WITHOUT[rule], Contained("", {}))}


@pytest.fixture
def on_overlay(watched, tmp_path):
    """Alerts of a program in a container whose image, below an overlay, has all but `/bin/busybox-evil`."""
    cgroup = f"/monitord-test-{uuid.uuid4().hex}/docker/{ID}"
    root, image = tmp_path / "rootfs", tmp_path / "image"

    def alerts(program):
        argv = bundle(tmp_path, cgroup, ["/bin/sh", "-c", f"{program} true; :"])
        root.rename(image)
        for name in ("rootfs", "upper", "work"):
            (tmp_path / name).mkdir()
        options = f"lowerdir={image},upperdir={tmp_path}/upper,workdir={tmp_path}/work"
        if subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, root], check=False).returncode:
            pytest.skip("no overlay file system here")
        shutil.copy(BUSYBOX, root / "bin/busybox-evil")
        return watched.alerts_of(shlex.join(argv))

    yield alerts
    subprocess.run(["umount", root], check=False)
    remove_cgroups(cgroup)


class TestDropAndExecute:
    RULE = "Drop and execute new binary in container"

    def test_says_what_was_put_there(self, on_overlay):
        says = USUAL | {
            "proc.name": "busybox-evil",
            "proc.exe": "/bin/busybox-evil",
            "proc.exepath": "/bin/busybox-evil",
            "proc.cmdline": "busybox-evil true",
            "proc.pname": "sh",
        }

        assert says == said(self.RULE, on_overlay("/bin/busybox-evil"), Path(PLACE), says)

    def test_what_is_in_the_image_is_fine(self, on_overlay):
        assert [] == on_overlay("/bin/env")


@pytest.mark.parametrize("rule", ["Packet socket created in container", "Netcat Remote Code Execution in Container"])
def test_on_the_host_it_is_fine(watched, rule):
    assert [] == watched.alerts_of(f"busybox sh -c {shlex.quote(CASES[rule].does)}")
