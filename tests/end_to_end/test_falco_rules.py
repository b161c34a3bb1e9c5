"""Falco's stable rules, as they are, against what they are about on a host: real programs under the real kernel."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from monitord.rules.polarity import Consequence
from monitord.rules.ruleset import load
from tests.end_to_end.falco import NEEDS_FALCO, PLACE, Case, falco, said
from tests.end_to_end.watched import python
from tests.support.falco import FALCO_RULES
from tests.support.rules import TABLE

pytestmark = [pytest.mark.bpf, NEEDS_FALCO]

PYTHON = Path(sys.executable).name

AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"


def copied(program, name):
    """A command that makes a copy of a program in the place, under another name."""
    return f"cp {Path(shutil.which(program)).resolve()} {PLACE}/{name}"


def spawned(argv):
    """A command that runs another one from no shell."""
    return python(f"import subprocess; subprocess.run({argv}, capture_output=True)")


def traced(request):
    """A command: ptrace of a child that waits."""
    return python(
        "import ctypes, os, signal\n"
        "child = os.fork()\n"
        "if not child: signal.pause()\n"
        f"ctypes.CDLL(None).ptrace({request}, child, 0, 0)\n"
        "os.kill(child, signal.SIGKILL)\n"
        "os.wait()\n"
    )


def from_memory(execute):
    """A command: copies a program into memory `fd`, and executes it."""
    return python(f"import os; fd = os.memfd_create('evil'); os.write(fd, open('/bin/true', 'rb').read()); {execute}")


def connected(address, port, argv):
    """A command: in a network of its own, a program connects to a server that hangs up."""
    server = f"import socket; s = socket.create_server(('{address}', {port})); print(flush=True); s.accept()"
    script = f"""
        busybox ip link set lo up
        busybox ip address add {address}/32 dev lo
        mkfifo {PLACE}/ready
        {python(server)} > {PLACE}/ready &
        read x < {PLACE}/ready
        {argv} && exit 1
        wait"""
    return f"unshare --net sh -c {shlex.quote(script)}"


SSH = "ssh -F none -o BatchMode=yes -p {} nobody@{} 2>/dev/null"

TRACED_BY_WISH = python("import ctypes; ctypes.CDLL(None).ptrace(0, 0, 0, 0)")

NGINX = copied("dash", "nginx")

CASES = {
    "Directory traversal monitored file read": Case(
        spawned(["cat", "/usr/../etc/../etc/hostname"]),
        {
            "fd.name": "/etc/hostname",
            "fd.nameraw": "/usr/../etc/../etc/hostname",
            "proc.name": "cat",
            "proc.pname": PYTHON,
            "proc.aname[2]": "sh",
            "proc.cmdline": "cat /usr/../etc/../etc/hostname",
            "proc.exepath": "/usr/bin/cat",
        },
        (
            "cat /usr/../etc/../etc/hostname",
            spawned(["cat", "/usr/../etc/hostname"]),
            spawned(["cat", "/usr/../var/../usr/lib/os-release"]),
        ),
    ),
    "Read sensitive file trusted after startup": Case(
        f"{NGINX}; {PLACE}/nginx -c 'sleep 5.1; read x < /etc/shadow'",
        {
            "fd.name": "/etc/shadow",
            "proc.name": "nginx",
            "proc.exepath": f"{PLACE}/nginx",
            "proc.cmdline": "nginx -c sleep 5.1; read x < /etc/shadow",
            "proc.pname": "sh",
        },
        (f"{NGINX}; {PLACE}/nginx -c 'read x < /etc/shadow'", "sleep 5.1; read x < /etc/shadow"),
    ),
    "Read sensitive file untrusted": Case(
        "cat /etc/shadow",
        {"fd.name": "/etc/shadow", "proc.name": "cat", "proc.pname": "sh", "proc.cmdline": "cat /etc/shadow"},
        ("read x < /etc/shadow", "cat /etc/passwd", f"{copied('cat', 'chage')}; {PLACE}/chage /etc/shadow"),
    ),
    "Run shell untrusted": Case(
        f"{copied(sys.executable, 'nginx')}; {PLACE}/nginx -c 'import os; os.system(\":\")'",
        {
            "proc.name": "sh",
            "proc.pname": "nginx",
            "proc.cmdline": "sh -c :",
            "proc.pexe": f"{PLACE}/nginx",
            "proc.pexepath": f"{PLACE}/nginx",
            "proc.pcmdline": 'nginx -c import os; os.system(":")',
            "proc.aname[2]": "sh",
        },
        (
            f"{copied(sys.executable, 'nginx')}; {PLACE}/nginx -c 'import os; os.system(\"whoami\")'",
            f"{copied('dash', 'make')}; {PLACE}/make -c 'sh -c :; :'",
            f"{NGINX}; {PLACE}/nginx -c 'true; :'",
        ),
    ),
    "System user interactive": Case(
        f"{copied('dash', 'sshd')}; {PLACE}/sshd -c '{AS_NOBODY} /usr/bin/id; :'",
        {"user.name": "nobody", "user.uid": 65534, "proc.name": "id", "proc.pname": "sshd", "proc.cmdline": "id"},
        (f"{copied('dash', 'sshd')}; {PLACE}/sshd -c 'id; :'", f"{AS_NOBODY} id"),
    ),
    "Search Private Keys or Passwords": Case(
        f"touch {PLACE}/x; ! grep -r 'BEGIN RSA PRIVATE' {PLACE}",
        {"proc.name": "grep", "proc.cmdline": f"grep -r BEGIN RSA PRIVATE {PLACE}", "proc.exepath": "/usr/bin/grep"},
        (f"! grep -r 'BEGIN CERTIFICATE' {PLACE}", f"find {PLACE} -name known_hosts", "echo id_rsa"),
    ),
    "Find AWS Credentials": Case(
        f"find {PLACE} -path '*/.aws/credentials'",
        {
            "proc.name": "find",
            "proc.cmdline": f"find {PLACE} -path */.aws/credentials",
            "proc.pcmdline": "sh",
            "group.gid": 0,
            "group.name": "root",
        },
        (f"find {PLACE} -path '*/.aws/credentials' -print", f"! grep -r region {PLACE}"),
    ),
    "Clear Log Activities": Case(
        f"touch {PLACE}/auth.log; : > {PLACE}/auth.log",
        {"fd.name": f"{PLACE}/auth.log", "proc.name": "sh"},
        (f"echo x >> {PLACE}/auth.log", f": > {PLACE}/other.log", f"touch {PLACE}/auth.log; cat {PLACE}/auth.log"),
    ),
    "Remove Bulk Data from Disk": Case(
        f"echo secret > {PLACE}/x; shred {PLACE}/x",
        {"proc.name": "shred", "proc.cmdline": f"shred {PLACE}/x", "proc.exepath": "/usr/bin/shred"},
        (f"touch {PLACE}/x; rm {PLACE}/x",),
    ),
    "Create Symlink Over Sensitive Files": Case(
        f"ln -s /etc/shadow {PLACE}/link",
        {"evt.arg.target": "/etc/shadow", "evt.arg.linkpath": f"{PLACE}/link", "proc.name": "ln"},
        (f"ln -s /etc/passwd {PLACE}/link", f"ln -s /etc/shadow- {PLACE}/link"),
    ),
    "Create Hardlink Over Sensitive Files": Case(
        f"ln /etc/shadow {PLACE}/link || :",
        {"evt.arg.oldpath": "/etc/shadow", "evt.arg.newpath": f"{PLACE}/link", "proc.name": "ln"},
        (f"ln /etc/passwd {PLACE}/link || :",),
    ),
    "PTRACE attached to process": Case(
        traced("16"),
        {"proc.name": PYTHON, "proc.pname": "sh", "proc.pcmdline": "sh", "evt.type": "ptrace"},
        (traced("17"),),
    ),
    "PTRACE anti-debug attempt": Case(TRACED_BY_WISH, {"proc.name": PYTHON, "evt.type": "ptrace"}, (traced("7"),)),
    "Execution from /dev/shm": Case(
        "cp /bin/true /dev/shm/zz-monitord; cd /dev/shm; ./zz-monitord x; rm zz-monitord",
        {
            "evt.res": "SUCCESS",
            "proc.name": "zz-monitord",
            "proc.exepath": "/dev/shm/zz-monitord",
            "proc.cmdline": "zz-monitord x",
            "proc.cwd": "/dev/shm/",
            "proc.pcmdline": "sh",
        },
        ("cp /bin/true /dev/shm/zz-monitord; cat /dev/shm/zz-monitord; rm /dev/shm/zz-monitord",),
    ),
    "Disallowed SSH Connection Non Standard Port": Case(
        connected("203.0.113.7", 443, SSH.format(443, "203.0.113.7")),
        {"fd.rport": 443, "fd.type": "ipv4", "fd.l4proto": "tcp", "proc.name": "ssh", "proc.pname": "sh"},
        (
            connected("203.0.113.7", 22, SSH.format(22, "203.0.113.7")),
            connected("10.0.0.7", 443, SSH.format(443, "10.0.0.7")),
            f"! unshare --net {SSH.format(443, '203.0.113.7')}",
        ),
    ),
    "Fileless execution via memfd_create": Case(
        "cd /; " + from_memory("os.execve(fd, ['evil', 'x'], {})"),
        {
            "evt.res": "SUCCESS",
            "proc.exepath": "memfd:evil",
            "proc.pname": "sh",
            "proc.cwd": "/",
        },
        (
            from_memory("os.execve('/bin/true', ['true'], {})"),
            python("import os; os.execve(os.open('/bin/true', 0), ['true'], {})"),
        ),
    ),
}

USUAL = {"user.name": "root", "user.uid": 0, "proc.tty": 0, "container.id": "host"}
"""What every alert says, unless the case has it otherwise."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with falco(tmp_path_factory.mktemp("daemon")) as opened:
        yield opened


@pytest.mark.parametrize("rule", CASES)
def test_says_who_did_what(watched, place, rule):
    case = CASES[rule]
    expected = USUAL | case.says

    assert expected == said(rule, watched.alerts_of(case.does.replace(PLACE, str(place))), place, expected)


NEAR = [(rule, command) for rule, case in CASES.items() for command in case.near]


@pytest.mark.parametrize(("rule", "command"), NEAR, ids=[f"{rule}-{at}" for at, (rule, _) in enumerate(NEAR)])
def test_what_is_nearly_that_is_fine(watched, place, rule, command):
    assert rule not in {alert["rule"] for alert in watched.alerts_of(command.replace(PLACE, str(place)))}


def test_every_rule_that_needs_no_container_is_tried():
    """Two can never fire, and are reported when they are loaded: nothing supplies what they ask for."""
    rules, problems = load((FALCO_RULES,), TABLE)
    tried = [rule.name for rule in rules.rules if Consequence.NEVER not in rule.consequences and rule.name in CASES]

    assert len(CASES) == len(tried) == 16
    assert [
        "'Contact K8S API Server From Container' can never fire: fd.sip.name",
        "'Debugfs Launched in Privileged Container' can never fire: container.privileged",
    ] == [
        problem.message.removeprefix("rule ").partition(" is not")[0] for problem in problems if problem.code == "R030"
    ]
