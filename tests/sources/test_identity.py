"""The thread behind an event and what it executes, compared with what it says of itself."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from monitord.model.interest import Along
from monitord.model.task import NO_LOGIN
from monitord.model.value import Missing
from monitord.rules.fields import CATALOGUE
from monitord.rules.operand import value_of
from monitord.rules.parser import parse_operand
from tests.support.live import PROGRAMS, Gated, compiled, events_of, interest, scope_of, watching
from tests.support.rules import FakeContext

pytestmark = pytest.mark.bpf


def value(event, field):
    found, _ = parse_operand(field, 0)
    return value_of(found, event, FakeContext(), CATALOGUE)


def values(event, *fields):
    return [value(event, field) for field in fields]


def watched(argv, wanted, **popen):
    gated = Gated(argv, **popen)
    with watching(scope_of(gated), wanted, ring_pages=512) as source:
        assert 0 == gated.run()
        return events_of(source)


def steps(wrapper=()):
    """By the name of a step, what the program said and the event behind it."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        out = Path(directory) / "out"
        out.touch(0o666)
        out.chmod(0o666)
        program = ["/usr/bin/python3", "-S", "-E", str(PROGRAMS / "identity.py"), str(out)]
        events = watched([*wrapper, *program], interest("getpgid", along=Along.TASK))
        # A child inherits what is not written yet, and writes it, too.
        said = {step["name"]: step for step in map(json.loads, out.read_text().splitlines())}
    assert len(events) == len(said) == 7
    by_vpid = {}
    for event in events:
        by_vpid.setdefault(event.task.vpid, []).append(event)
    return {name: (step, by_vpid[step["pids"][0]].pop(0)) for name, step in said.items()}


@pytest.fixture(scope="module")
def on_host():
    return steps()


@pytest.fixture(scope="module")
def in_namespace():
    return steps(["/usr/bin/unshare", "-p", "-f", "--mount-proc"])


STEPS = (
    "as it starts",
    "its own session",
    "a terminal",
    "a child in a group of its own",
    "a smaller bounding set",
    "three users",
    "an ordinary user",
)


@pytest.mark.parametrize("name", STEPS)
class TestTask:
    def test_what_it_says_of_itself(self, on_host, name):
        self.agree(*on_host[name])

    def test_in_a_pid_namespace(self, in_namespace, name):
        self.agree(*in_namespace[name])

    @staticmethod
    def agree(step, event):
        task = event.task
        caps = (task.cap_effective, task.cap_permitted, task.cap_inheritable, task.cap_bounding, task.cap_ambient)
        assert step["caps"] == list(caps)
        assert step["uids"] == [task.ruid, event.uid, task.suid, task.fsuid]
        assert step["gids"] == [task.rgid, event.gid, task.sgid, task.fsgid]
        assert step["pids"] == [task.vpid, task.vppid, task.vpgid, task.vsid]
        assert step["nspid"][-1] == task.vpid == task.vtid
        assert step["tty"] == task.tty
        assert step["pid_ns"] == task.pid_ns
        assert step["loginuid"] in (None, task.loginuid)


class TestFields:
    def test_of_the_session(self, on_host):
        _, event = on_host["its own session"]

        assert [event.pid, True, "python3"] == values(event, "proc.sid", "proc.is_sid_leader", "proc.sname")
        assert [0, event.pid] == values(event, "proc.tty", "proc.pgid")

    def test_of_the_terminal(self, on_host):
        step, event = on_host["a terminal"]

        assert step["tty"] == value(event, "proc.tty") != 0

    def test_of_the_group(self, on_host):
        _, event = on_host["a child in a group of its own"]

        assert [True, True, False] == values(event, "proc.is_vpgid_leader", "proc.is_pgid_leader", "proc.is_sid_leader")

    def test_of_the_namespace(self, in_namespace):
        step, event = in_namespace["as it starts"]

        assert [step["pids"][0], 1] == values(event, "proc.vpid", "proc.pvpid")
        assert value(event, "proc.vpid") != event.pid
        assert value(event, "proc.pidns_init_start_ts") <= value(event, "proc.pid.ts")

    def test_of_capabilities(self, on_host):
        _, root = on_host["a smaller bounding set"]
        _, user = on_host["an ordinary user"]

        assert "CAP_CHOWN CAP_DAC_OVERRIDE" in value(root, "thread.cap_effective")
        assert ["", ""] == values(user, "thread.cap_effective", "thread.cap_permitted")

    def test_of_the_login(self, on_host):
        for name in ("as it starts", "its own session"):
            step, event = on_host[name]
            expected = -1 if step["loginuid"] in (None, NO_LOGIN) else step["loginuid"]

            assert expected == value(event, "user.loginuid")


PROGRAM = Along.PROGRAM


@pytest.fixture
def overlay(tmp_path):
    """A directory on an overlay: `image` comes from below, `dropped` was put there."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    shutil.copy(compiled("flood"), tmp_path / "lower" / "image")
    merged = tmp_path / "merged"
    options = ",".join(f"{name}dir={tmp_path / name}" for name in ("lower", "upper", "work"))
    mount = ["mount", "-t", "overlay", "overlay", "-o", options, merged]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no overlay file system here")
    try:
        shutil.copy(merged / "image", merged / "dropped")
        yield merged
    finally:
        subprocess.run(["umount", merged], check=True)


class TestProgram:
    def test_the_inode(self):
        stat = os.stat(compiled("flood"))
        (event,) = watched([compiled("flood"), "open", "1", "/etc/hostname"], interest("openat", along=PROGRAM))[-1:]

        assert [stat.st_ino, stat.st_ctime_ns, stat.st_mtime_ns] == values(
            event, "proc.exe_ino", "proc.exe_ino.ctime", "proc.exe_ino.mtime"
        )
        assert [False, False] == values(event, "proc.is_exe_upper_layer", "proc.is_exe_lower_layer")

    @pytest.mark.parametrize(
        ("mode", "owner", "user", "writable"),
        [
            (0o755, 0, 0, True),
            (0o755, 0, 61234, False),
            (0o757, 0, 61234, True),
            (0o775, 0, 61234, False),
            (0o555, 61234, 61234, True),
        ],
    )
    def test_writable(self, tmp_path, mode, owner, user, writable):
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            copy = shutil.copy(compiled("flood"), directory)
            os.chmod(copy, mode)
            os.chown(copy, owner, 0)
            events = watched(
                [copy, "open", "1", "/etc/hostname"], interest("execve", along=PROGRAM), user=user, group=61235
            )

            assert writable == value(events[-1], "proc.is_exe_writable")

    @pytest.mark.parametrize(
        ("wrapper", "owner", "writable"),
        [
            ("/usr/bin/setpriv --reuid=61234 --regid=61235 --groups=1,61236,61237", 0, True),
            ("/usr/bin/setpriv --reuid=61234 --regid=61235 --groups=1,61237", 0, False),
            ("/usr/bin/setpriv --reuid=61234 --regid=61235 --clear-groups unshare --user --map-root-user", 0, False),
            ("/usr/bin/setpriv --reuid=61234 --regid=61235 --clear-groups unshare --user --map-root-user", 61234, True),
            ("/usr/bin/unshare --user --map-root-user", 61234, False),
            ("/usr/bin/unshare --user --map-root-user", 0, True),
            ("", 0, False),
        ],
        ids=["group", "no group", "root of nothing", "root of its own", "not mapped", "mapped", "read-only"],
    )
    def test_writable_by_whom(self, wrapper, owner, writable):
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], check=True)
            try:
                os.chmod(directory, 0o755)
                copy = shutil.copy(compiled("flood"), directory)
                os.chmod(copy, 0o775)
                os.chown(copy, owner, 61236)
                if not wrapper:
                    subprocess.run(["mount", "-o", "remount,ro", directory], check=True)
                argv = [*wrapper.split(), copy, "open", "1", "/etc/hostname"]
                events = watched(argv, interest("openat", along=PROGRAM))
            finally:
                subprocess.run(["umount", directory], check=True)

        assert writable == value(events[-1], "proc.is_exe_writable")

    @pytest.mark.parametrize(("owner", "writable"), [(61234, True), (61235, False)])
    def test_writable_by_the_root_of_some(self, owner, writable):
        become = (
            "import ctypes, os, sys\n"
            "reads, writes = os.pipe()\n"
            "if not os.fork():\n"
            "    os.read(reads, 1)\n"
            "    for ids in ('uid', 'gid'):\n"
            "        open(f'/proc/{os.getppid()}/{ids}_map', 'w').write('0 61300 5\\n5 61234 1\\n')\n"
            "    os._exit(0)\n"
            "ctypes.CDLL(None).unshare(0x10000000)\n"  # CLONE_NEWUSER
            "os.write(writes, b'x')\n"
            "os.wait()\n"
            "os.setgid(0)\n"
            "os.setuid(0)\n"
            "os.execv(sys.argv[1], sys.argv[1:])\n"
        )
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            copy = shutil.copy(compiled("flood"), directory)
            os.chown(copy, owner, 0)
            argv = ["/usr/bin/python3", "-S", "-E", "-c", become, copy, "open", "1", "/etc/hostname"]
            events = watched(argv, interest("openat", along=PROGRAM))

        assert [writable, 61300] == values(events[-1], "proc.is_exe_writable", "user.uid")

    def test_layers_of_an_overlay(self, overlay):
        script = f"{overlay}/image open 1 /etc/hostname; {overlay}/dropped open 1 /etc/hostname"
        events = watched(["/bin/sh", "-c", script], interest("execve", along=PROGRAM))[-2:]

        fields = ("proc.is_exe_upper_layer", "proc.is_exe_lower_layer", "evt.arg.flags")
        assert [False, True, "EXE_WRITABLE|EXE_LOWER_LAYER"] == values(events[0], *fields)
        assert [True, False, "EXE_WRITABLE|EXE_UPPER_LAYER"] == values(events[1], *fields)

    def test_layers_of_files(self, overlay):
        flood = compiled("flood")
        script = f"{flood} open 1 {overlay}/image; {flood} open 1 {overlay}/dropped"
        events = watched(["/bin/sh", "-c", script], interest("openat", along=Along.DESCRIPTOR))
        ours = [event for event in events if value(event, "fd.directory") == str(overlay)]

        assert [[False, True], [True, False]] == [values(e, "fd.is_upper_layer", "fd.is_lower_layer") for e in ours]

    def test_nobody_asked(self):
        (event,) = watched(["/bin/true"], interest("execve"))

        assert Missing.NOT_APPLICABLE is value(event, "proc.is_exe_writable")
        assert Missing.NOT_APPLICABLE is value(event, "proc.tty")


class TestRealPath:
    def test_links_hide_nothing(self, tmp_path):
        (tmp_path / "secret").write_text("x")
        (tmp_path / "harmless").symlink_to("secret")
        path = str(tmp_path / "harmless")
        event = watched([compiled("flood"), "open", "1", path], interest("openat", along=Along.DESCRIPTOR))[-1]

        assert [path, str(tmp_path / "secret")] == values(event, "fd.name", "fd.realpath")

    def test_bind_mounts_are_as_the_process_sees_them(self, tmp_path):
        for name in ("from", "to"):
            (tmp_path / name).mkdir()
        (tmp_path / "from" / "file").write_text("x")
        script = f"mount --bind {tmp_path}/from {tmp_path}/to && exec {compiled('flood')} open 1 {tmp_path}/to/file"
        event = watched(
            ["/usr/bin/unshare", "-m", "/bin/sh", "-c", script], interest("openat", along=Along.DESCRIPTOR)
        )[-1]

        assert f"{tmp_path}/to/file" == value(event, "fd.realpath")

    def test_creation_is_told_apart_from_opening(self, tmp_path):
        script = f"echo x >{tmp_path}/new; echo y >{tmp_path}/new"
        events = watched(["/bin/sh", "-c", script], interest("openat", along=Along.DESCRIPTOR))
        ours = [event for event in events if value(event, "fd.filename") == "new"]

        assert [True, False] == [value(event, "evt.is_open_create") for event in ours]

    def test_a_failed_open_has_none(self):
        event = watched([compiled("flood"), "open", "1", "/no/such"], interest("openat", along=Along.DESCRIPTOR))[-1]

        assert ["/no/such", Missing.NOT_APPLICABLE, "f"] == values(event, "fd.name", "fd.realpath", "fd.typechar")


LONG = {
    "an exec": """
os.execv("/" + "./" * 2043 + "bin/true", ["true", "x" * 5000])
""",
    "an exec from a deep directory": """
os.symlink("/usr/bin", "link")
os.execv("./" * 2042 + "link/true", ["true", "x" * 5000])
""",
    "an open from a deep directory": """
os.symlink("/etc", "link")
directory = sum(len(name) + 1 for name in os.getcwd().split("/")[1:])
for together in range(8192 - 80, 8192):
    pad = together - directory - len("link/hostname")
    os.open("./" * (pad // 2) + "link/" + "/" * (pad % 2) + "hostname", os.O_RDONLY)
""",
}
"""Calls with strings as long as they can be."""


class TestBesideLongStrings:
    """Strings took all the room: a rule on the terminal, capabilities, upper layer or real path did not match."""

    @staticmethod
    def events(name, call):
        # Names of the greatest length: more than 4 KiB of a directory that is read whole.
        program = f"""
import os, sys
os.chdir(sys.argv[1])
for _ in range(17):
    os.mkdir("d" * 255)
    os.chdir("d" * 255)
{LONG[name]}"""
        wanted = interest(call, along=Along.TASK | Along.PROGRAM | Along.DESCRIPTOR)
        with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
            return watched(["/usr/bin/python3", "-S", "-E", "-c", program, directory], wanted)

    @pytest.mark.parametrize("name", ["an exec", "an exec from a deep directory"])
    def test_of_an_exec(self, name):
        event = self.events(name, "execve")[-1]

        assert len(event.captured(0).data) + len(event.captured(1).data) > 8180
        assert os.path.realpath("/bin/true") == event.executable
        assert os.getsid(0) == event.task.sid
        assert os.stat("/bin/true").st_ino == event.program.ino

    def test_of_an_open(self):
        events = self.events("an open from a deep directory", "openat")
        opened = [event for event in events if "./link/" in str(event.captured(1).text)]

        assert 80 == len(opened)
        assert {os.path.realpath("/etc/hostname")} == {event.file().path for event in opened}
