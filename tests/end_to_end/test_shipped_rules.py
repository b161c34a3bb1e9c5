"""Each shipped rule against what it is about, done by real programs under the real kernel."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.watched import Watched, python
from tests.support.daemon import running, shell
from tests.support.live import PROGRAMS, TABLE, compiled, machine_abis

pytestmark = pytest.mark.bpf

AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"

ELSEWHERE = "/var/tmp/zz-monitord-test"
"""On the file system of /etc and /usr, where /tmp need not be: `mv` between file systems copies."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    with shell() as opened, running(tmp_path_factory.mktemp("daemon"), opened.scope) as daemon:
        yield Watched(opened, daemon)


@pytest.fixture
def in_etc():
    """A path below /etc where nothing is, now and afterwards."""
    yield from _empty(Path("/etc/zz-monitord-test"))


@pytest.fixture
def in_shm():
    """The same below /dev/shm."""
    yield from _empty(Path("/dev/shm/zz-monitord-test"))


@pytest.fixture
def in_bin():
    """The same among the programs."""
    yield from _empty(Path("/usr/bin/zz-monitord-test"))


def _empty(path):
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def logs():
    """A directory below /var/log with a log."""
    directory = Path("/var/log/zz-monitord-test")
    directory.mkdir(exist_ok=True)
    (directory / "auth.log").write_text("Accepted password\n")
    yield directory
    shutil.rmtree(directory)


EXCHANGE = python(
    "import ctypes, sys\n"
    "assert 0 == ctypes.CDLL(None).renameat2(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)"
)
"""A command: two files change places."""

IN_ROOT = """
import ctypes, os, struct
how = struct.pack("QQQ", 0, 0, 0x10)  # RESOLVE_IN_ROOT
root = os.open("/etc", os.O_PATH)
assert ctypes.CDLL(None).syscall(437, root, b"/shadow", how, len(how)) >= 0
"""
"""openat2 that takes a directory for the root."""

BY_HANDLE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
handle = ctypes.create_string_buffer((128).to_bytes(4, sys.byteorder), 136)
mount = ctypes.c_int()
if libc.name_to_handle_at(-100, sys.argv[1].encode(), handle, ctypes.byref(mount), 0):
    sys.exit(ctypes.get_errno())
assert libc.open_by_handle_at(os.open(os.path.dirname(sys.argv[1]), os.O_RDONLY), handle, int(sys.argv[2])) >= 0
"""
"""Opens a file, the first argument, by its handle with the flags that are the second."""

NO_HANDLES = errno.EOPNOTSUPP
"""Its exit code on a filesystem that has none."""


def called(place, program, name):
    """A copy of a program, under another name."""
    return shutil.copy(Path(shutil.which(program)).resolve(), place / name)


def syscalls(code):
    """A command: Python code that can make any call."""
    numbers = {name: TABLE.named(machine_abis()[0], name).nr for name in ("bpf", "init_module", "io_uring_setup")}
    return python(
        "import ctypes, os, signal\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"{'; '.join(f'{name} = {nr}' for name, nr in numbers.items())}\n"
        f"{code}"
    )


def from_memory(program, execute):
    """A command: copies a program into memory `fd`, and executes it."""
    code = f"fd = os.memfd_create('evil'); os.write(fd, open({shutil.which(program)!r}, 'rb').read()); {execute}"
    return python(f"import os; {code}")


def only(rule, alerts):
    """The fields of the one alert that there is."""
    assert [rule] == [alert["rule"] for alert in alerts]
    return alerts[0]["output_fields"]


class TestPasswordFileRead:
    RULE = "Password file read"

    @pytest.mark.parametrize(
        "command",
        [
            "cat /etc/shadow",
            "cat //etc/./apt/..//shadow",
            "cd /etc && cat shadow",
            "cd /usr/share && cat ../../etc/shadow",
            python("import os; os.open('shadow', os.O_RDONLY, dir_fd=os.open('/etc', os.O_PATH))"),
        ],
        ids=["absolute", "not normal", "relative", "upwards", "dirfd"],
    )
    def test_names_the_file_however_it_is_written(self, watched, command):
        assert "/etc/shadow" == only(self.RULE, watched.alerts_of(command))["fd.name"]

    @pytest.mark.parametrize(
        "command",
        [
            "ln -s /etc/shadow {0}/harmless && cat {0}/harmless",
            "ln -s /etc {0}/e && cat {0}/e/shadow",
            "cat /proc/self/root/etc/shadow",
            "cd / && cat /proc/self/cwd/etc/shadow",
            python("import os; os.chroot('/etc'); open('/shadow')"),
            python(IN_ROOT),
        ],
        ids=["link", "link to the directory", "proc root", "proc cwd", "chroot", "in root"],
    )
    def test_names_the_file_that_another_path_leads_to(self, watched, place, command):
        fields = only(self.RULE, watched.alerts_of(command.format(place)))

        assert fields["fd.name"] != "/etc/shadow" == fields["fd.realpath"]

    def test_names_the_file_that_is_opened_by_its_handle(self, watched):
        if watched.shell.run(f"{python(BY_HANDLE)} /etc/passwd {os.O_RDONLY}") == NO_HANDLES:
            pytest.skip("the filesystem of /etc has no handles")
        fields = only(self.RULE, watched.alerts_of(f"{python(BY_HANDLE)} /etc/shadow {os.O_RDONLY}"))

        assert ("/etc/shadow", "/etc/shadow") == (fields["fd.name"], fields["fd.realpath"])

    def test_names_the_file_that_gets_another_name(self, watched, in_etc):
        assert "/etc/shadow" == only(self.RULE, watched.alerts_of(f"ln /etc/shadow {in_etc}"))["fd.name"]

    def test_a_file_of_that_name_elsewhere_is_another(self, watched, place):
        assert [] == watched.alerts_of(f"echo x > {place}/shadow; cat {place}/shadow")

    def test_names_who_read_it(self, watched):
        fields = only(self.RULE, watched.alerts_of("cat /etc/gshadow"))

        assert ("cat", "cat /etc/gshadow", "sh", "root") == tuple(
            fields[name] for name in ("proc.name", "proc.cmdline", "proc.pname", "user.name")
        )

    def test_programs_that_authenticate_may(self, watched, place):
        assert [] == watched.alerts_of(f"{called(place, 'cat', 'sshd')} /etc/shadow")

    def test_who_is_refused_has_read_nothing(self, watched):
        assert [] == watched.alerts_of(f"! {AS_NOBODY} cat /etc/shadow 2>&1")

    def test_other_files_in_etc_are_for_everybody(self, watched):
        assert [] == watched.alerts_of("cat /etc/passwd; cd /var && cat ../etc/group")


class TestShellStartedByANetworkDaemon:
    RULE = "Shell started by a network daemon"

    @pytest.mark.parametrize(
        ("program", "arguments"),
        [
            ("dash", "-c 'sh -c :; :'"),
            (sys.executable, "-c 'import os; os.system(\":\")'"),
            (sys.executable, '-c \'import os; os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", ":"], {}), 0)\''),
        ],
        ids=["fork", "system", "posix_spawn"],
    )
    def test_names_both(self, watched, place, program, arguments):
        nginx = called(place, program, "nginx")

        fields = only(self.RULE, watched.alerts_of(f"{nginx} {arguments}"))

        assert ("sh", "nginx") == (fields["proc.name"], fields["proc.pname"])

    def test_other_programs_of_a_daemon_are_no_shells(self, watched, place):
        assert [] == watched.alerts_of(f"{called(place, 'dash', 'nginx')} -c 'true; cat /dev/null; :'")

    def test_others_may_start_shells(self, watched, place):
        assert [] == watched.alerts_of(f"{called(place, 'dash', 'make')} -c 'sh -c :; :'")


class TestExecutionFromSharedMemory:
    RULE = "Execution from shared memory"

    @pytest.mark.parametrize(
        "command",
        [
            "{}",
            "cd /dev/shm && ./zz-monitord-test",
            "cd /dev && shm/zz-monitord-test",
            python("import os; os.execve(os.open('{}', 0), ['x'], {{}})"),
        ],
        ids=["absolute", "relative", "from above", "by descriptor"],
    )
    def test_names_the_program(self, watched, in_shm, command):
        shutil.copy("/bin/true", in_shm)

        assert str(in_shm) == only(self.RULE, watched.alerts_of(command.format(in_shm)))["fd.name"]

    @pytest.mark.parametrize(
        "command",
        ["{}", python("import os; fd = os.open('{}', 0); os.set_inheritable(fd, True); os.execve(fd, ['x'], {{}})")],
        ids=["by name", "by descriptor"],
    )
    def test_a_script_counts_as_a_program(self, watched, in_shm, command):
        in_shm.write_text("#!/bin/sh\n")
        in_shm.chmod(0o755)

        assert str(in_shm) == only(self.RULE, watched.alerts_of(command.format(in_shm)))["fd.name"]

    @pytest.mark.parametrize("closes", [False, True])
    def test_sees_it_by_a_name_below_a_descriptor(self, watched, place, in_shm, closes):
        """The name lies on a page that is not resident, and the exec may close the descriptor."""
        (place / "page").write_bytes(os.fsencode(in_shm.name) + b"\0")
        shutil.copy("/bin/true", in_shm) if closes else in_shm.write_text("#!/bin/sh\n")
        in_shm.chmod(0o755)
        alerts = watched.alerts_of(f"{compiled('absent')} {place}/page exec {in_shm.parent} {'closes' * closes}")

        assert str(in_shm) == only(self.RULE, alerts)["fd.name"]

    @pytest.mark.parametrize(
        "command", ["sh {}", "cd /dev/shm && sh {0.name}", "cd /dev/shm && sh ./{0.name}", f"{sys.executable} {{}}"]
    )
    def test_a_script_that_an_interpreter_is_given_is_executed(self, watched, in_shm, command):
        in_shm.write_text("")

        assert in_shm.name in only(self.RULE, watched.alerts_of(command.format(in_shm)))["proc.cmdline"]

    def test_a_program_that_the_dynamic_linker_is_given_is_executed(self, watched, in_shm):
        shutil.copy("/bin/true", in_shm)
        linker = next(Path("/lib64").glob("ld-linux-*.so.*"))

        assert f"{in_shm}" in only(self.RULE, watched.alerts_of(f"{linker} {in_shm}"))["proc.cmdline"]

    def test_a_shell_there_that_is_given_nothing_is_fine(self, watched):
        assert [] == watched.alerts_of("cd /dev/shm && sh && sh -c : && sh -c 'ls /dev/shm/'")

    def test_a_file_there_that_is_not_executed_is_fine(self, watched, in_shm):
        assert [] == watched.alerts_of(f"cp /bin/true {in_shm} && cat {in_shm}")


class TestFilelessExecution:
    RULE = "Fileless execution"

    @pytest.mark.parametrize(
        "execute",
        [
            "os.execve(fd, ['x'], {})",
            "os.execve(f'/proc/self/fd/{fd}', ['x'], {})",
            "os.execve(f'/proc/{os.getpid()}/fd/{fd}', ['x'], {})",
            "os.execve(f'/dev/fd/{fd}', ['x'], {})",
        ],
        ids=["by descriptor", "by /proc/self", "by /proc/PID", "by /dev/fd"],
    )
    def test_a_program_that_is_gone_at_once_is_seen(self, watched, execute):
        fields = only(self.RULE, watched.alerts_of(from_memory("true", execute)))

        assert "memfd:evil" == fields["proc.exepath"]

    @pytest.mark.parametrize("execute", ["os.execve(fd, {}, {{}})", "os.execve(f'/proc/self/fd/{{fd}}', {}, {{}})"])
    def test_names_the_memory_of_a_program_that_runs(self, watched, execute):
        command = from_memory("sleep", execute.format(["x", "0.3"]))

        assert "memfd:evil" == only(self.RULE, watched.alerts_of(command))["proc.exepath"]

    def test_a_script_in_memory_is_seen(self, watched):
        """What the process executes is its interpreter, which is a file."""
        code = "fd = os.memfd_create('evil', 0); os.write(fd, b'#!/bin/sh\\n'); os.execve(fd, ['x'], {})"
        fields = only(self.RULE, watched.alerts_of(python(f"import os; {code}")))

        assert "memfd:evil" == fields["fd.name"]
        assert "/sh" in fields["proc.exepath"] or "/dash" in fields["proc.exepath"]

    def test_a_file_executed_by_descriptor_is_no_memory(self, watched):
        assert [] == watched.alerts_of(python("import os; os.execve(os.open('/bin/true', 0), ['true'], {})"))

    def test_memory_that_is_not_executed_is_fine(self, watched):
        assert [] == watched.alerts_of(from_memory("true", "os.execve('/bin/true', ['true'], {})"))


TRACE_A_CHILD = """
child = os.fork()
if not child:
    signal.pause()
{}
os.kill(child, signal.SIGKILL)
os.wait()
"""


class TestProcessAttachedWithPtrace:
    RULE = "Process attached with ptrace"

    @pytest.mark.parametrize(("number", "name"), [(16, "PTRACE_ATTACH"), (0x4206, "PTRACE_SEIZE")])
    def test_names_the_request(self, watched, number, name):
        command = syscalls(TRACE_A_CHILD.format(f"assert 0 == libc.ptrace({number}, child, 0, 0)"))

        assert name == only(self.RULE, watched.alerts_of(command))["evt.arg.request"]

    def test_who_is_traced_by_its_own_wish_is_not_attached(self, watched):
        assert [] == watched.alerts_of(syscalls("assert 0 == libc.ptrace(0, 0, 0, 0)"))

    def test_debuggers_may(self, watched, place):
        command = syscalls(TRACE_A_CHILD.format("assert 0 == libc.ptrace(16, child, 0, 0)"))
        gdb = called(place, sys.executable, "gdb")

        assert [] == watched.alerts_of(f"{gdb} {command.split(' ', 1)[1]}")

    def test_a_failure_attaches_to_nothing(self, watched):
        assert [] == watched.alerts_of(syscalls("assert -1 == libc.ptrace(16, 1 << 30, 0, 0)"))


WRITE_INTO_A_CHILD = """
class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
text = ctypes.create_string_buffer(7)
place = Iovec(ctypes.addressof(text), 7)
assert 7 == libc.process_vm_writev(child, ctypes.byref(place), 1, ctypes.byref(place), 1, 0)
"""


class TestMemoryOfAnotherProcessWritten:
    RULE = "Memory of another process written"

    def test_names_the_call(self, watched):
        command = syscalls(TRACE_A_CHILD.format(WRITE_INTO_A_CHILD))

        assert "process_vm_writev" == only(self.RULE, watched.alerts_of(command))["evt.type"]

    def test_names_the_file(self, watched):
        pid = watched.shell.scope.removeprefix("pid:")

        assert f"/proc/{pid}/mem" == only(self.RULE, watched.alerts_of("exec 3<> /proc/$$/mem"))["fd.name"]

    def test_names_the_file_that_a_link_leads_to(self, watched, place):
        pid = watched.shell.scope.removeprefix("pid:")
        alerts = watched.alerts_of(f"ln -s /proc/$$/mem {place}/x && exec 3<> {place}/x")

        assert f"/proc/{pid}/mem" == only(self.RULE, alerts)["fd.realpath"]

    def test_its_own_is_nobody_elses(self, watched):
        assert [] == watched.alerts_of("exec 3<> /proc/self/mem; exec 3<> /proc/thread-self/mem")
        code = "import os; [open(f'/proc/{pid}/mem', 'r+b', 0) for pid in (os.getpid(), f'self/task/{os.getpid()}')]"
        assert [] == watched.alerts_of(python(code))

    def test_in_another_pid_namespace_either(self, watched):
        code = "import os; open(f'/proc/{os.getpid()}/mem', 'r+b', 0)"

        assert [] == watched.alerts_of(f"unshare -pf --mount-proc {python(code)}")

    def test_reading_it_is_fine(self, watched):
        assert [] == watched.alerts_of("exec 3< /proc/$$/mem")


class TestKernelModuleLoad:
    RULE = "Kernel module load"

    def test_an_attempt_that_the_kernel_refuses_is_reported_with_its_result(self, watched):
        fields = only(self.RULE, watched.alerts_of(syscalls("libc.syscall(init_module, b'no module', 9, b'debug=1')")))

        # ENOSYS where the kernel was built without modules, ENOEXEC where it read this one
        assert fields["evt.res"] in ("ENOSYS", "ENOEXEC")

    def test_names_the_parameters(self, watched):
        fields = only(self.RULE, watched.alerts_of(syscalls("libc.syscall(init_module, b'no module', 9, b'debug=1')")))

        assert ("init_module", "debug=1") == (fields["evt.type"], fields["evt.arg.uargs"])


PROGRAM_LOAD = """
code = bytes([0xB7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0])  # r0 = 0; exit
licence = b"GPL"
class Attributes(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint32), ("count", ctypes.c_uint32), ("code", ctypes.c_char_p),
                ("licence", ctypes.c_char_p), ("rest", ctypes.c_char * 96)]
attributes = Attributes(1, 2, code, licence)
assert libc.syscall(bpf, 5, ctypes.byref(attributes), 120) > 0
"""

MAP_CREATE = """
attributes = (ctypes.c_uint32 * 30)(2, 4, 8, 1)  # an array of one element
assert libc.syscall(bpf, 0, attributes, 120) > 0
"""


class TestBpfProgramLoaded:
    RULE = "BPF program loaded"

    def test_names_the_program_that_did_it(self, watched, place):
        fields = only(self.RULE, watched.alerts_of(syscalls(PROGRAM_LOAD)))

        assert fields["proc.name"].startswith("python")

    def test_a_map_is_no_program(self, watched):
        assert [] == watched.alerts_of(syscalls(MAP_CREATE))

    def test_tools_for_it_may(self, watched, place):
        tool = called(place, sys.executable, "bpftool")

        assert [] == watched.alerts_of(f"{tool} {syscalls(PROGRAM_LOAD).split(' ', 1)[1]}")


class TestIoUringSetUp:
    RULE = "io_uring set up"
    SET_UP = "assert libc.syscall(io_uring_setup, 8, (ctypes.c_uint32 * 30)()) > 0"

    def test_names_its_size(self, watched):
        assert "8" == str(only(self.RULE, watched.alerts_of(syscalls(self.SET_UP)))["evt.arg.entries"])

    def test_databases_may(self, watched, place):
        mariadbd = called(place, sys.executable, "mariadbd")

        assert [] == watched.alerts_of(f"{mariadbd} {syscalls(self.SET_UP).split(' ', 1)[1]}")


class TestForeignCall:
    RULE = "32-bit call from a 64-bit program"

    def test_shows_the_name_that_the_call_has_there(self, watched):
        before = watched.folded(self.RULE)
        alerts = watched.alerts_of(f"{compiled('int80')} /etc/hostname")
        shown = [alert["output_fields"]["evt.type"] for alert in alerts]

        assert (1, 1) == (shown.count("getpid"), shown.count("open"))
        assert 18 + 1 <= watched.folded(self.RULE) - before

    def test_shows_the_abi(self, watched):
        alerts = watched.alerts_of(f"{compiled('int80')} /etc/hostname")

        assert {(self.RULE, "i386")} == {(alert["rule"], alert["output_fields"]["evt.abi"]) for alert in alerts}

    def test_does_not_hide_what_another_rule_is_about(self, watched):
        alerts = watched.alerts_of(f"{compiled('int80')} /etc/shadow")

        assert 1 == sum(alert["rule"] == "Password file read" for alert in alerts)

    def test_x32_is_seen_though_the_kernel_has_none(self, watched):
        alerts = watched.alerts_of(compiled("x32"))

        assert [(self.RULE, "x32", "getpid")] == [
            (alert["rule"], alert["output_fields"]["evt.abi"], alert["output_fields"]["evt.type"]) for alert in alerts
        ]

    def test_a_32_bit_program_makes_its_own_calls(self, watched, place):
        program = place / "genuine32"
        subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-o", program, PROGRAMS / "genuine32.c"], check=True)

        assert [] == watched.alerts_of(str(program))


class TestProgramMadeItselfRoot:
    RULE = "Program made itself root"

    def test_by_its_setuid_bit(self, watched, place):
        program = shutil.copy(compiled("become_root"), place)
        Path(program).chmod(0o4755)

        assert "become_root" == only(self.RULE, watched.alerts_of(f"{AS_NOBODY} {program}"))["proc.name"]

    def test_a_user_who_is_refused_is_no_root(self, watched, place):
        program = shutil.copy(compiled("become_root"), place)

        assert [] == watched.alerts_of(f"! {AS_NOBODY} {program}")

    def test_giving_root_up_is_fine(self, watched):
        assert [] == watched.alerts_of(f"{AS_NOBODY} true")

    def test_sudo_may(self, watched, place):
        program = shutil.copy(compiled("become_root"), place / "sudo")
        Path(program).chmod(0o4755)

        assert [] == watched.alerts_of(f"{AS_NOBODY} {program}")


class TestSetuidBitSet:
    RULE = "Setuid bit set"

    @pytest.mark.parametrize(
        "command",
        ["chmod u+s {}", "cd {0.parent} && chmod 4755 {0.name}", python("import os; os.chmod('{}', 0o6755)")],
        ids=["fchmodat", "relative", "chmod"],
    )
    def test_names_the_file(self, watched, place, command):
        program = place / "x"
        program.touch()

        assert str(program) == only(self.RULE, watched.alerts_of(command.format(program)))["fd.name"]

    @pytest.mark.parametrize("mode", ["0o4755", "0o6711"])
    def test_names_the_file_that_is_made_with_it(self, watched, place, mode):
        alerts = watched.alerts_of(python(f"import os; os.open('{place}/x', os.O_CREAT | os.O_WRONLY, {mode})"))

        assert f"{place}/x" == only(self.RULE, alerts)["fd.name"]

    def test_names_the_mode_of_a_descriptor(self, watched, place):
        command = python(f"import os; os.fchmod(os.open('{place}/x', os.O_CREAT), 0o4711)")

        assert "S_ISUID" in only(self.RULE, watched.alerts_of(command))["evt.arg.mode"]

    def test_other_modes_are_fine(self, watched, place):
        assert [] == watched.alerts_of(python(f"import os; os.open('{place}/y', os.O_CREAT, 0o2755)"))
        assert [] == watched.alerts_of(f"touch {place}/x && chmod 755 {place}/x && chmod g+s,+t {place}/x")


class TestMountOverASystemDirectory:
    RULE = "Mount over a system directory"
    BIND = "assert 0 == libc.mount(b'{}', b'{}', None, 4096, None)"

    def mounted(self, source, target):
        """A mount that goes with its namespace."""
        return f"unshare --mount {syscalls(self.BIND.format(source, target))}"

    def test_names_both_ends(self, watched, place):
        fields = only(self.RULE, watched.alerts_of(self.mounted(place, "/usr/bin")))

        assert ("/usr/bin", str(place)) == (fields["evt.arg.dir"], fields["evt.arg.dev"])

    def test_hiding_a_process_counts(self, watched, place):
        assert "/proc/1" == only(self.RULE, watched.alerts_of(self.mounted(place, "/proc/1")))["evt.arg.dir"]

    def test_the_newer_calls_for_it_count(self, watched, place):
        tree, move = (TABLE.named(machine_abis()[0], name).nr for name in ("open_tree", "move_mount"))
        command = syscalls(
            f"fd = libc.syscall({tree}, -100, b'{place}', 1)\n"
            f"assert 0 == libc.syscall({move}, fd, b'', -100, b'/etc', 4)"
        )

        assert "/etc" == only(self.RULE, watched.alerts_of(f"unshare --mount {command}"))["evt.arg.to_pathname"]

    def test_elsewhere_is_fine(self, watched, place):
        assert [] == watched.alerts_of(self.mounted("/usr", place))


class OfADirectory:
    """Of a rule about a directory: `RULE`, and `FILE`, which is none there."""

    def test_names_the_file_in_a_directory_that_a_link_leads_to(self, watched, place):
        alerts = watched.alerts_of(
            f"ln -s {self.FILE.parent} {place}/x && : > {place}/x/{self.FILE.name}; rm {self.FILE}"
        )

        assert str(self.FILE) == only(self.RULE, alerts)["fd.realpath"]

    @pytest.mark.parametrize("to", ["{0}", "{0.name}"], ids=["absolute", "relative"])
    @pytest.mark.parametrize("puts", ["mv", "ln"])
    def test_names_the_file_that_is_put_there(self, watched, puts, to):
        alerts = watched.alerts_of(
            f"touch {ELSEWHERE} && cd {self.FILE.parent} && {puts} {ELSEWHERE} {to.format(self.FILE)}; "
            f"rm -f {self.FILE} {ELSEWHERE}"
        )

        assert str(self.FILE) == only(self.RULE, alerts)["evt.arg.newpath"]

    @pytest.mark.parametrize("puts", ["mv", "ln"])
    def test_names_the_file_that_is_put_there_by_its_directory(self, watched, puts):
        """The name is passed twice, relative to each directory."""
        alerts = watched.alerts_of(
            f"touch {ELSEWHERE} && cd /var/tmp && {puts} {self.FILE.name} {self.FILE.parent}; "
            f"rm -f {self.FILE} {ELSEWHERE}"
        )

        assert str(self.FILE) == only(self.RULE, alerts)["evt.arg.newpath"]

    @pytest.mark.parametrize("to", ["{0}", "{0.name}"], ids=["absolute", "relative"])
    def test_names_the_link_that_is_put_there(self, watched, to):
        alerts = watched.alerts_of(
            f"cd {self.FILE.parent} && ln -s /nowhere/x {to.format(self.FILE)}; rm -f {self.FILE}"
        )

        assert str(self.FILE) == only(self.RULE, alerts)["fd.name"]

    def test_names_the_file_that_changes_places_with_another(self, watched):
        self.FILE.touch()
        alerts = watched.alerts_of(
            f"touch {ELSEWHERE} && {EXCHANGE} {self.FILE} {ELSEWHERE}; rm {self.FILE} {ELSEWHERE}"
        )

        assert str(self.FILE) == only(self.RULE, alerts)["fd.name"]


class TestPrivilegeConfigurationChanged(OfADirectory):
    RULE = "Privilege configuration changed"
    FILE = Path("/etc/pam.d/zz-monitord-test")

    def test_names_the_file_that_is_written(self, watched):
        alerts = watched.alerts_of(f"echo '# test' > {self.FILE}; rm {self.FILE}")

        assert str(self.FILE) == only(self.RULE, alerts)["fd.name"]

    def test_names_the_file_that_a_link_leads_to(self, watched, place):
        alerts = watched.alerts_of(f"ln -s /etc/passwd {place}/x && : >> {place}/x")

        assert "/etc/passwd" == only(self.RULE, alerts)["fd.realpath"]

    def test_reading_is_fine(self, watched):
        assert [] == watched.alerts_of("cat /etc/pam.d/* /etc/passwd")


@pytest.fixture
def crontab():
    """/etc/crontab, also where no package has made it."""
    table = Path("/etc/crontab")
    missing = not table.exists()
    table.touch()
    yield table
    if missing:
        table.unlink()


@pytest.fixture
def cron_directory():
    """/etc/cron.d, also where no package has made it; what is there stays."""
    directory = Path("/etc/cron.d")
    if directory.exists():
        yield
    else:
        directory.mkdir()
        yield
        directory.rmdir()


@pytest.mark.usefixtures("cron_directory")
class TestCronJobChanged(OfADirectory):
    RULE = "Cron job changed"
    FILE = Path("/etc/cron.d/zz-monitord-test")

    @pytest.mark.parametrize(
        "command",
        ["echo '# test' > {}", "cd /etc && echo '# test' > cron.d/zz-monitord-test", "cp /dev/null {}", "touch {}"],
        ids=["written", "relative", "copied", "created"],
    )
    def test_names_the_file_that_is_written(self, watched, command):
        alerts = watched.alerts_of(f"{command.format(self.FILE)}; rm {self.FILE}")

        assert str(self.FILE) == only(self.RULE, alerts)["fd.name"]

    def test_names_the_table_that_a_link_leads_to(self, watched, place, crontab):
        alerts = watched.alerts_of(f"ln -s {crontab} {place}/x && : >> {place}/x")

        assert str(crontab) == only(self.RULE, alerts)["fd.realpath"]

    def test_crontab_may(self, watched, place):
        assert [] == watched.alerts_of(f"{called(place, 'touch', 'crontab')} {self.FILE}; rm {self.FILE}")

    def test_reading_is_fine(self, watched):
        assert [] == watched.alerts_of("ls /etc/cron.d && find /etc/cron.d -type f -exec cat {} +")


class TestSshKeysChanged:
    RULE = "SSH keys changed"

    def test_names_the_list_of_whoever_it_is(self, watched, place):
        keys = place / ".ssh/authorized_keys"

        assert str(keys) == only(self.RULE, watched.alerts_of(f"mkdir {keys.parent} && echo key >> {keys}"))["fd.name"]

    def test_sees_it_behind_a_link(self, watched, place):
        keys = place / ".ssh/authorized_keys"
        alerts = watched.alerts_of(f"mkdir {keys.parent} && ln -s {keys} {place}/y && echo key >> {place}/y")

        assert str(keys) == only(self.RULE, alerts)["fd.realpath"]

    def test_sees_it_from_within(self, watched, place):
        keys = place / ".ssh/authorized_keys"
        alerts = watched.alerts_of(f"mkdir {keys.parent} && cd {keys.parent} && echo key >> authorized_keys")

        assert str(keys) == only(self.RULE, alerts)["fd.name"]

    def test_sees_one_that_is_opened_by_its_handle(self, watched, in_shm):
        keys = in_shm / ".ssh/authorized_keys"
        in_shm.mkdir()
        keys.parent.mkdir()
        keys.touch()
        try:
            alerts = watched.alerts_of(f"{python(BY_HANDLE)} {keys} {os.O_WRONLY}")
        finally:
            shutil.rmtree(in_shm)

        assert str(keys) == only(self.RULE, alerts)["fd.realpath"]

    @pytest.mark.parametrize("puts", ["mv", "ln"])
    def test_sees_a_list_that_is_put_there(self, watched, place, puts):
        keys = place / ".ssh/authorized_keys"
        alerts = watched.alerts_of(f"mkdir {keys.parent} && touch {place}/x && {puts} {place}/x {keys}")

        assert str(keys) == only(self.RULE, alerts)["evt.arg.newpath"]

    @pytest.mark.parametrize("puts", ["mv", "ln -s"])
    def test_sees_a_directory_that_is_put_there(self, watched, place, puts):
        (place / "x").mkdir()
        (place / "x/authorized_keys").touch()
        fields = only(self.RULE, watched.alerts_of(f"{puts} {place}/x {place}/.ssh"))

        assert f"{place}/.ssh" == (fields["evt.arg.newpath"] or fields["fd.name"])

    def test_sshd_reads_it(self, watched, place):
        keys = place / ".ssh/authorized_keys"
        keys.parent.mkdir()
        keys.touch()

        assert [] == watched.alerts_of(f"cat {keys}; echo host > {keys.parent}/known_hosts")

    def test_names_the_link_that_is_put_there(self, watched, place):
        keys = place / ".ssh/authorized_keys"
        alerts = watched.alerts_of(f"mkdir {keys.parent} && ln -s /nowhere/x {keys}")

        assert str(keys) == only(self.RULE, alerts)["fd.name"]


class TestWriteBelowEtc:
    RULE = "Write below /etc"

    @pytest.mark.parametrize(
        "command",
        [
            "echo x > {}",
            "cd /etc && echo x > zz-monitord-test",
            python("import os; os.open('zz-monitord-test', os.O_CREAT | os.O_WRONLY, dir_fd=os.open('/etc', 0))"),
        ],
        ids=["absolute", "relative", "dirfd"],
    )
    def test_names_the_file_that_is_written(self, watched, in_etc, command):
        assert str(in_etc) == only(self.RULE, watched.alerts_of(command.format(in_etc)))["fd.name"]

    @pytest.mark.parametrize(
        "command",
        [
            "ln -s /etc {1}/x && echo x > {1}/x/{0.name}",
            "ln -s /etc/default/../. {1}/x && cd {1}/x && echo x > {0.name}",
            "echo x > /proc/self/root/etc/{0.name}",
            python("import os; os.chroot('/etc'); open('/{0.name}', 'w')"),
        ],
        ids=["link", "working directory", "proc root", "chroot"],
    )
    def test_names_the_file_that_another_path_leads_to(self, watched, in_etc, place, command):
        assert str(in_etc) == only(self.RULE, watched.alerts_of(command.format(in_etc, place)))["fd.realpath"]

    def test_a_directory_of_that_name_elsewhere_is_another(self, watched, place):
        assert [] == watched.alerts_of(f"mkdir {place}/etc && echo x > {place}/etc/hosts")

    @pytest.mark.parametrize("puts", ["mv", "ln"])
    def test_names_the_file_that_is_put_there(self, watched, in_etc, puts):
        alerts = watched.alerts_of(f"touch {ELSEWHERE} && {puts} {ELSEWHERE} {in_etc}; rm -f {ELSEWHERE}")

        assert str(in_etc) == only(self.RULE, alerts)["evt.arg.newpath"]

    def test_names_the_file_that_changes_places_with_another(self, watched, in_etc):
        in_etc.touch()
        alerts = watched.alerts_of(f"touch {ELSEWHERE} && {EXCHANGE} {in_etc} {ELSEWHERE}; rm {ELSEWHERE}")

        assert str(in_etc) == only(self.RULE, alerts)["fd.name"]

    def test_ldconfig_may(self, watched, in_etc, place):
        assert [] == watched.alerts_of(f"{called(place, 'touch', 'ldconfig')} {in_etc}")

    def test_a_package_manager_may_and_its_scripts(self, watched, in_etc, place):
        assert [] == watched.alerts_of(f"{called(place, 'dash', 'dpkg')} -c 'sh -c \"touch {in_etc}; sleep 0.3\"; :'")

    def test_reading_is_fine(self, watched):
        assert [] == watched.alerts_of("cat /etc/hostname; ls /etc")


class TestWriteBelowAProgramDirectory:
    RULE = "Write below a program directory"

    def test_names_the_file_that_is_written(self, watched, in_bin):
        assert str(in_bin) == only(self.RULE, watched.alerts_of(f"cp /bin/true {in_bin}"))["fd.name"]

    def test_names_the_file_that_a_link_to_the_directory_leads_to(self, watched, in_bin, place):
        alerts = watched.alerts_of(f"ln -s /usr {place}/x && cp /bin/true {place}/x/bin/{in_bin.name}")

        assert str(in_bin) == only(self.RULE, alerts)["fd.realpath"]

    @pytest.mark.parametrize("puts", ["mv", "ln"])
    def test_names_the_file_that_is_put_there(self, watched, in_bin, puts):
        alerts = watched.alerts_of(f"touch {ELSEWHERE} && {puts} {ELSEWHERE} {in_bin}; rm -f {ELSEWHERE}")

        assert str(in_bin) == only(self.RULE, alerts)["evt.arg.newpath"]

    def test_names_the_file_that_changes_places_with_another(self, watched, in_bin):
        in_bin.touch()
        alerts = watched.alerts_of(f"touch {ELSEWHERE} && {EXCHANGE} {in_bin} {ELSEWHERE}; rm {ELSEWHERE}")

        assert str(in_bin) == only(self.RULE, alerts)["fd.name"]

    def test_the_administrators_own_directories_are_fine(self, watched):
        assert [] == watched.alerts_of("touch /usr/local/bin/zz-monitord-test && rm /usr/local/bin/zz-monitord-test")

    def test_names_the_link_that_is_put_there(self, watched, in_bin):
        assert str(in_bin) == only(self.RULE, watched.alerts_of(f"ln -s /nowhere/x {in_bin}"))["fd.name"]


class TestSystemLogCleared:
    RULE = "System log cleared"

    @pytest.mark.parametrize(
        "command",
        [
            ": > {}",
            "cd {0.parent} && : > {0.name}",
            "rm {}",
            "mv {0} {0}.old",
            python("import os; os.truncate('{}', 0)"),
            "truncate -s 0 {}",
        ],
        ids=["emptied", "relative", "removed", "moved", "truncated", "truncated by descriptor"],
    )
    def test_names_the_log(self, watched, logs, command):
        log = logs / "auth.log"

        assert str(log) == only(self.RULE, watched.alerts_of(command.format(log)))["fd.name"]

    def test_names_the_log_that_a_link_to_its_directory_leads_to(self, watched, logs, place):
        alerts = watched.alerts_of(f"ln -s {logs} {place}/x && : > {place}/x/auth.log")

        assert f"{logs}/auth.log" == only(self.RULE, alerts)["fd.realpath"]

    @pytest.mark.parametrize("command", ["sed -i /Accepted/d {}", "echo x > {}.1 && mv {}.1 {}"], ids=["lines", "all"])
    def test_names_the_log_that_another_file_takes_the_place_of(self, watched, logs, command):
        alerts = watched.alerts_of(command.replace("{}", f"{logs}/auth.log"))

        assert f"{logs}/auth.log" == only(self.RULE, alerts)["evt.arg.newpath"]

    def test_appending_is_what_logs_are_for(self, watched, logs):
        assert [] == watched.alerts_of(f"echo x >> {logs}/auth.log; cat {logs}/auth.log")

    def test_logrotate_may(self, watched, logs, place):
        assert [] == watched.alerts_of(f"{called(place, 'rm', 'logrotate')} {logs}/auth.log")


def test_every_shipped_rule_is_tried_here():
    config = Path(__file__).parents[2] / "config/rules/monitord.yaml"
    shipped = {line.removeprefix("- rule: ") for line in config.read_text().splitlines() if line.startswith("- rule: ")}

    assert shipped == {case.RULE for case in globals().values() if hasattr(case, "RULE")}
