"""Who, where and in what: alerts of real processes in real containers, sessions and namespaces."""

import contextlib
import json
import platform
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from monitord.sources.bpf.scope import ScopeError, cgroup2_mount
from tests.support.container import AVAILABLE, BUSYBOX, RUNTIMES, container
from tests.support.daemon import PATIENCE_S, configured, running, shell, until
from tests.support.live import compiled, compiled32

pytestmark = pytest.mark.bpf

ID = "4f0c" * 16
LXC = Path(sys.prefix) / "lxc"
"""Unpacked, not installed."""
OUTPUT = (
    "%proc.name|%container.id|%container.type|%proc.aname[1]|%proc.aname[2]|%proc.pname|%proc.env[COLOUR]"
    "|%proc.env[DB_PASSWORD]|%proc.vpid|%user.homedir|%proc.cwd|%proc.sid.exe|%proc.pcmdline|%proc.cmdline"
)
RULES = f"""
- rule: Looked
  desc: A file that is not there.
  condition: evt.type in (open, openat) and fd.name startswith /nowhere/
  output: "%fd.name|{OUTPUT}"
  priority: NOTICE
- rule: Coloured
  desc: Asks for a variable.
  condition: evt.type in (unlink, unlinkat) and proc.env[COLOUR] = green
  output: "%proc.env"
  priority: NOTICE
- rule: Connected
  desc: To this machine, from a 32-bit program.
  condition: evt.type = connect and evt.abi = i386 and evt.failed = false and fd.sip = 127.0.0.1 and fd.l4proto = tcp
  output: "%evt.type|%proc.name|%fd.sip|%fd.type"
  priority: NOTICE
- rule: As root
  desc: A program that root runs, and what it opens.
  condition: >
    (evt.type in (execve, execveat) or evt.type in (open, openat) and fd.name = /absent/as-root)
    and user.uid = 0 and proc.name = setuid-cat
  output: "%evt.type|%user.name|%user.uid"
  priority: NOTICE
- rule: Dived
  desc: A file is opened from far below.
  condition: evt.type in (open, openat, openat2) and fd.name = /etc/hostname and proc.name = diver
  output: "%evt.type|%fd.name|%fd.directory|%fd.nameraw"
  priority: NOTICE
- rule: Run
  desc: Any program with odd arguments.
  condition: evt.type in (execve, execveat) and evt.failed = false and proc.name = true
  output: "%proc.name|%proc.cmdline|%proc.exe"
  priority: NOTICE
"""

KEYS = (
    "path",
    "name",
    "container",
    "type",
    "parent",
    "grandparent",
    "pname",
    "colour",
    "secret",
    "vpid",
    "home",
    "cwd",
    "session",
    "pcmdline",
    "cmdline",
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("daemon")
    with shell() as opened, running(directory, opened.scope, configured(directory, RULES)) as daemon:
        yield opened, daemon


def said_of(daemon, name):
    """The messages about whoever looked for /nowhere/NAME."""
    return [alert["output"] for alert in daemon.alerts() if alert["output"].startswith(f"/nowhere/{name}|")]


def looked(daemon, name):
    """What is said of the process that looked for /nowhere/NAME."""
    until(lambda: said_of(daemon, name))
    daemon.settle()
    (output,) = said_of(daemon, name)
    return keys_of(output)


def keys_of(output):
    return dict(zip(KEYS, output.split("|"), strict=True))


def test_on_the_host(watched):
    opened, daemon = watched
    looks = stays("open('/nowhere/host', 0)", daemon, "/nowhere/host")
    opened.run(f"cd /usr; COLOUR=green DB_PASSWORD=s3cret {looks}")
    said = looked(daemon, "host")

    assert ("host", "host", "green", "***") == tuple(said[key] for key in ("container", "type", "colour", "secret"))
    assert ("sh", "/usr/", "/root") == (said["parent"], said["cwd"], said["home"])
    assert "s3cret" not in daemon.alert_log.read_text()


def test_a_variable_is_asked_for_by_a_rule_and_all_of_them_are_shown_without_secrets(watched):
    opened, daemon = watched
    opened.run("COLOUR=green A_TOKEN=s3cret " + stays("unlink('/nowhere-either')", daemon, "Coloured"))
    daemon.settle()

    (output,) = [alert["output"] for alert in daemon.alerts() if alert["rule"] == "Coloured"]
    assert "COLOUR=green" in output
    assert "A_TOKEN=***" in output


def test_an_orphan_is_known_by_the_parent_that_it_was_born_to(watched):
    opened, daemon = watched
    program = (
        "import os, time\n"
        "open('/proc/self/comm', 'w').write('mother')\n"
        "me = os.getpid()\n"
        "if not os.fork():\n"
        "    while os.getppid() == me: time.sleep(0.01)\n"
        "    open('/proc/self/comm', 'w').write('orphan')\n"
        "    try: open('/nowhere/orphan')\n"
        "    except OSError: os._exit(0)\n"
    )
    opened.run(f'{sys.executable} -c "{program}"; :')
    said = looked(daemon, "orphan")

    assert ("orphan", "mother", "sh") == (said["name"], said["parent"], said["grandparent"])
    assert "mother" != said["pname"]


def test_a_setuid_program_runs_as_its_owner(watched, place):
    """As whom a process may do things is its effective user, the one that Falco shows."""
    opened, daemon = watched
    program = shutil.copy(Path(shutil.which("cat")).resolve(), place / "setuid-cat")
    as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    for mode in (0o755, 0o4755):
        program.chmod(mode)
        opened.run(f"{as_nobody} {program} /absent/as-root")
    daemon.settle()

    said = [alert["output"] for alert in daemon.alerts() if alert["rule"] == "As root"]
    assert ["execve|root|0", "openat|root|0"] == said


@pytest.mark.parametrize("name", ["d", "d" * 250], ids=["short", "long"])
@pytest.mark.parametrize("by_descriptor", [False, True], ids=["cwd", "dirfd"])
def test_a_deep_directory_hides_nothing_of_a_process_that_is_gone(watched, place, name, by_descriptor):
    opened, daemon = watched
    path = "../" * 40 + "./" * 1400 + "etc/hostname"
    program = (
        "import ctypes, os\nctypes.CDLL(None).prctl(15, b'diver', 0, 0, 0)\n"
        f"os.chdir('{place}')\nfor _ in range(30):\n    os.mkdir('{name}')\n    os.chdir('{name}')\n"
        "at = None\n"
        f"if {by_descriptor}:\n    at = os.open('.', os.O_PATH)\n    os.chdir('/')\n"
        f"os.open('{path}', 0, dir_fd=at)\nos.kill(os.getpid(), 9)\n"
    )
    before = len(daemon.alerts())
    opened.run(_quoted(program))
    daemon.settle()

    assert [f"openat|/etc/hostname|/etc|{path}"] == [
        alert["output"] for alert in daemon.alerts()[before:] if alert["rule"] == "Dived"
    ]


def test_where_a_process_was_that_is_gone_is_known_however_deep(watched, place):
    opened, daemon = watched
    program = (
        f"import os\nos.chdir('{place}')\n"
        "for at in range(30):\n    os.mkdir(f'd{at}')\n    os.chdir(f'd{at}')\n"
        "try: os.open('/nowhere/deep', 0)\nexcept OSError: os.kill(os.getpid(), 9)\n"
    )
    opened.run(_quoted(program))

    assert f"{place}/{'/'.join(f'd{at}' for at in range(30))}/" == looked(daemon, "deep")["cwd"]


def test_a_pid_that_is_given_again_at_once_is_another_process(watched):
    """Within the 10 ms that /proc tells starts by."""
    opened, daemon = watched
    opened.run(f"{compiled('again')} /bin/true")
    daemon.settle()

    said = {(keys["name"], keys["cmdline"]) for keys in map(keys_of, said_of(daemon, "again"))}
    assert {("again", "again /bin/true")} == said


def test_in_a_pid_namespace(watched):
    opened, daemon = watched
    opened.run("unshare --pid --fork sh -c 'cat /nowhere/namespace 2>/dev/null; true'")
    said = looked(daemon, "namespace")

    assert ("cat", "sh", "unshare", "2") == tuple(said[key] for key in ("name", "parent", "grandparent", "vpid"))


@pytest.mark.parametrize(
    "arguments",
    [
        r"[b'two\nlines', b'\x1b[31m', b'\xff\xfe', b'']",
        "[b'x' * 131_000]",
        "[]",
    ],
    ids=["odd bytes", "128 KiB", "none"],
)
def test_odd_arguments_make_one_line_of_json(watched, arguments):
    opened, daemon = watched
    before = len(daemon.alert_log.read_bytes().splitlines())
    program = f"import os; os.execv('/bin/true', [b'true', *{arguments}])"
    opened.run(_quoted(program))
    daemon.settle()

    lines = daemon.alert_log.read_bytes().splitlines()[before:]
    assert 1 == len([line for line in lines if json.loads(line)["rule"] == "Run"])
    assert all(line.decode().isprintable() for line in lines)


@pytest.mark.parametrize(
    "name",
    [rb"two\nlines", rb"\x1b[31m\x9b", rb"\xff\xfe|\xe2\x80", rb"a) R 1 (b"],
    ids=["lines", "escapes", "bytes", "stat"],
)
def test_an_odd_name_makes_one_line_of_json(watched, name):
    opened, daemon = watched
    before = len(daemon.alert_log.read_bytes().splitlines())
    path = f"/nowhere/odd-name-{uuid.uuid4().hex}"
    program = (
        f"import ctypes, time\nctypes.CDLL(None).prctl(15, b'{name.decode()}', 0, 0, 0)\n"
        f"try: open('{path}')\nexcept OSError: time.sleep(0.3)\n"
    )
    opened.run(_quoted(program))
    daemon.settle()
    lines = daemon.alert_log.read_bytes().splitlines()[before:]
    (alert,) = [alert for alert in map(json.loads, lines) if alert["output"].startswith(path)]

    assert all(line.decode().isprintable() for line in lines)
    true = name.decode("unicode_escape").encode("latin-1")
    assert true.decode("utf-8", "backslashreplace") == alert["output_fields"]["proc.name"]


def test_an_empty_argv(watched):
    """Linux makes one empty string of it, from 5.18 on."""
    opened, daemon = watched
    program = (
        "import ctypes, os\nnone = (ctypes.c_char_p * 1)(None)\nctypes.CDLL(None).execve(b'/bin/true', none, none)\n"
    )
    opened.run(_quoted(program))
    daemon.settle()

    assert "true|" in [alert["output"] for alert in daemon.alerts() if alert["rule"] == "Run"][-1]


def stays(call, daemon, said):
    """A command: a call that fails, of a process that is there until that is said: environments are kept nowhere."""
    return _quoted(
        "import os, time\n"
        f"try: os.{call}\n"
        "except OSError: pass\n"
        f"for _ in range({round(PATIENCE_S / 0.05)}):\n"
        f"    if '{said}' in open('{daemon.alert_log}').read(): break\n"
        "    time.sleep(0.05)\n"
    )


def _quoted(program):
    return f"{sys.executable} -c '" + program.replace("'", "'\\''") + "'"


@pytest.mark.skipif(not AVAILABLE, reason="needs runc and busybox-static")
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_in_a_container(tmp_path, runtime):
    """Scoped to its cgroup, which is there before the runtime makes those inside."""
    name = f"monitord-test-{uuid.uuid4().hex}"
    try:
        scope = cgroup2_mount() / name
    except ScopeError:
        pytest.skip("no cgroup v2")
    scope.mkdir()
    work, bundle = tmp_path / "daemon", tmp_path / "bundle"
    work.mkdir()
    bundle.mkdir()
    with running(work, f"cgroup:/{name}", configured(work, RULES)) as daemon:
        look = 'BEGIN { getline < "/nowhere/container"; getline }'  # it stays until it has been judged
        argv = ["sh", "-c", f"awk '{look}'; true"]
        secrets = {"DB_PASSWORD": "s3cret", "COLOUR": "red"}
        with container(bundle, f"/{name}/docker/{ID}", argv, secrets, runtime) as runc:
            until(lambda: said_of(daemon, "container"))
            runc.stdin.write(b"\n")
        said = looked(daemon, "container")
        metrics = daemon.scrape()
    subprocess.run(["rmdir", scope], capture_output=True, check=False)

    assert (ID[:12], "docker", "awk", "sh") == tuple(said[key] for key in ("container", "type", "name", "parent"))
    assert ("red", "***") == (said["colour"], said["secret"])
    assert 1 <= metrics.value("monitord_origin_alerts_total", container=ID[:12], unit="")
    assert 1 <= metrics.value("monitord_origin_events_total", container=ID[:12], unit="")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit x86 programs make it")
def test_a_connect_by_socketcall_is_a_connect(watched):
    shell, daemon = watched
    assert 0 == shell.run(compiled32("socketcall"))
    daemon.settle()

    (alert,) = [alert for alert in daemon.alerts() if alert["rule"] == "Connected"]
    assert "connect|socketcall|127.0.0.1|ipv4" == alert["output"]


@pytest.fixture
def lxc(tmp_path):
    """The command that runs a script in a container of LXC, and the name of the container."""
    if not LXC.exists() or not Path(BUSYBOX).exists():
        pytest.skip("make test fetches lxc, and needs busybox-static")
    (library,) = LXC.glob("usr/lib/*/liblxc.so.1")
    name = f"monitord-test-{uuid.uuid4().hex[:12]}"
    root = tmp_path / "rootfs"
    for directory in ("bin", "dev", "proc", "sys"):
        (root / directory).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin" / "busybox")
    (root / "bin" / "sh").symlink_to("busybox")
    (tmp_path / "mount").mkdir()
    options = {
        "lxc.rootfs.path": f"dir:{root}",
        "lxc.rootfs.mount": tmp_path / "mount",
        "lxc.net.0.type": "empty",
        "lxc.apparmor.profile": "unchanged",
        "lxc.init.cmd": "/bin/busybox sh /script",
    }
    (tmp_path / "config").write_text("".join(f"{key} = {value}\n" for key, value in options.items()))
    lxc_start = f"LD_LIBRARY_PATH={library.parent} {LXC}/usr/bin/lxc-start"
    yield f"{lxc_start} -F -P {tmp_path} -n {name} -f {tmp_path}/config", name, root / "script"
    for _, where, kind, *_ in map(str.split, Path("/proc/mounts").read_text().splitlines()):
        if kind in ("cgroup", "cgroup2"):
            with contextlib.suppress(OSError):  # not there, or of another container
                (Path(where) / "lxc.pivot").rmdir()


def test_in_a_container_of_lxc(watched, lxc):
    opened, daemon = watched
    command, name, script = lxc
    script.write_text("busybox cat /nowhere/lxc 2>/dev/null; busybox sleep 0.5\n")
    opened.run(f"cat /nowhere/before-lxc; {command}")
    said, before = looked(daemon, "lxc"), looked(daemon, "before-lxc")

    assert (name, "lxc", "busybox") == tuple(said[key] for key in ("container", "type", "name"))
    assert ("host", "host") == (before["container"], before["type"])
