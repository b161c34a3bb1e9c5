"""What the user must put right: one line that says what, where and how, and exit code 2."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.cgroups import few_tasks
from tests.support.daemon import CHECKOUT, COMMAND, PATIENCE_S, configured, environment, running

pytestmark = pytest.mark.bpf

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")

RULE = "- rule: x\n  desc: x\n  output: x\n  priority: WARNING\n"


@pytest.fixture
def place(place):
    """With a configuration that is right."""
    (place / "right.yaml").write_text(f"{RULE}  condition: evt.type=swapoff\n")
    (place / "monitord.yaml").write_text(
        "metrics: {enabled: false}\noutputs: {console: false}\nrules: {paths: [right.yaml]}\n"
    )
    return place


def refused(place, *words, before=COMMAND, scope=None, code=2, **environ):
    """
    What `monitord run` says to the journal, in one line of priority 3, when it gives up; it may inform before that.

    :param before: how it is called.
    :param code: with which it ends; 2 is not tried again.
    """
    with tempfile.TemporaryFile("w+") as stderr:
        journal = os.fstat(stderr.fileno())
        done = subprocess.run(
            [*before, "run", "-c", "monitord.yaml", "--scope", scope or f"pid:{os.getpid()}", *words],
            cwd=place,
            env=environment(JOURNAL_STREAM=f"{journal.st_dev}:{journal.st_ino}", **environ),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            timeout=PATIENCE_S,
        )
        stderr.seek(0)
        said = stderr.read()
    lines = [line for line in said.splitlines() if not line.startswith("<6>")]
    assert (code, "", 1) == (done.returncode, done.stdout, len(lines)), said
    assert lines[0].startswith("<3>"), said
    return lines[0].removeprefix("<3>")


def refused_as_nobody(place, *words, capabilities=()):
    """The same for a user with no other privileges, who need not see into this checkout."""
    sets = ",".join(("-all", *(f"+{name}" for name in capabilities)))
    for directory in ("monitord", "bpf"):
        shutil.copytree(CHECKOUT / directory, place / directory)
    python = str(Path(sys.executable).resolve())
    before = (*AS_NOBODY, f"--inh-caps={sets}", f"--ambient-caps={sets}", python, *COMMAND[1:])
    return refused(place, *words, before=before, PYTHONPATH=str(place))


def refused_after(place, setup, *words, code=2, **environ):
    """The same after a shell command, in a mount namespace of its own."""
    before = ("unshare", "--mount", "sh", "-c", f'{setup} && exec "$@"', "sh", *COMMAND)
    return refused(place, *words, before=before, code=code, **environ)


def refused_at_first(place, setup, code=2):
    """The same where nothing was compiled by an earlier start."""
    return refused_after(place, setup, code=code, CACHE_DIRECTORY=str(place / "cache"))


def refused_without(place, *capabilities):
    """The same as root without these capabilities."""
    taken = ",".join(f"-{name}" for name in capabilities)
    return refused(place, before=("setpriv", f"--bounding-set={taken}", f"--inh-caps={taken}", *COMMAND))


class TestConfiguration:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("scope: all\nbpf: [1\nx", "monitord.yaml:3:2: C002 not YAML: expected ',' or ']'"),
            ("scope: all\nbfp: {}\n", "monitord.yaml:2:1: C004 bfp: unknown key; did you mean bpf?"),
            (
                "bpf:\n  ring_pages: 100\n",
                "monitord.yaml:2:15: C012 bpf.ring_pages: 100 is not a power of two; nearest",
            ),
        ],
        ids=["no YAML", "unknown key", "out of range"],
    )
    def test_names_line_and_column(self, place, text, expected):
        (place / "monitord.yaml").write_text(text)

        assert refused(place).startswith(expected)

    def test_a_file_that_is_not_there_is_named(self, place):
        assert "no.yaml: C001 cannot read it: No such file or directory; give another file with -c" == refused(
            place, "-c", "no.yaml"
        )

    def test_a_pipe_is_not_waited_for(self, place):
        (place / "monitord.yaml").unlink()
        os.mkfifo(place / "monitord.yaml")

        assert "monitord.yaml: C001 cannot read it: it is a pipe, not a regular file; give another file with -c" == (
            refused(place)
        )

    def test_a_file_that_the_daemon_may_not_read_is_named(self, place):
        (place / "monitord.yaml").chmod(0o600)

        assert "monitord.yaml: C001 cannot read it: Permission denied; give another file with -c" == (
            refused_as_nobody(place)
        )


class TestRules:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("- rule: [\n", "rules.yaml:2:1: R002 this is not YAML"),
            (RULE + "  condition: evt.typ=open\n", "rules.yaml:5:14: R011 there is no field 'evt.typ'; did you mean"),
            (RULE + "  condition: proc.pid contains 3\n", "rules.yaml:5:14: R012 'contains' does not fit 'proc.pid'"),
            (RULE, "rules.yaml:1:9: R005 this rule has no 'condition'; add one"),
            (
                "- macro: a\n  condition: b\n- macro: b\n  condition: a\n",
                "rules.yaml:2:14: R010 the macro 'a' leads back to itself: a -> b -> a; break the circle",
            ),
            (
                RULE + 2 * "  condition: evt.type=open\n",
                "rules.yaml:6:3: R006 the key 'condition' is here twice, first on line 5",
            ),
        ],
        ids=["no YAML", "unknown field", "operator", "no condition", "macro loop", "same key"],
    )
    def test_name_line_and_column(self, place, text, expected):
        (place / "rules.yaml").write_text(text)

        assert refused(place, "--rules", "rules.yaml").startswith(expected)

    def test_a_file_that_is_not_there_is_named(self, place):
        assert "no.yaml: R001 cannot read this file: No such file or directory; check its path and mode" == refused(
            place, "--rules", "no.yaml"
        )

    def test_a_file_that_the_daemon_may_not_read_is_named(self, place):
        (place / "rules.yaml").touch(0o600)

        assert "rules.yaml: R001 cannot read this file: Permission denied; check its path and mode" == (
            refused_as_nobody(place, "--rules", "rules.yaml")
        )


class TestMetrics:
    def test_a_port_in_use_is_named(self, place):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"

            assert (
                f"cannot serve metrics on {address}: Address already in use; "
                "change metrics.address, or give --metrics ADDR:PORT"
            ) == refused(place, "--metrics", address)


class TestAlertLog:
    def test_a_directory_that_is_not_there_is_named(self, place):
        assert (
            "cannot open the alert log no/log: there is no directory no; create it, or change outputs.alert_log.path"
            == (refused(place, "--alert-log", "no/log"))
        )

    def test_a_file_is_no_directory(self, place):
        assert "cannot open the alert log monitord.yaml/log: Not a directory; change outputs.alert_log.path" == (
            refused(place, "--alert-log", "monitord.yaml/log")
        )

    def test_a_directory_is_no_file(self, place):
        assert "it is a directory; give a file in it as outputs.alert_log.path" in refused(place, "--alert-log", ".")

    def test_a_read_only_file_system_is_said(self, place):
        read_only = f"mount --bind {place} {place} && mount -o remount,ro,bind {place} && cd {place}"

        assert "cannot open the alert log log: Read-only file system; let uid 0 write there, " in (
            refused_after(place, read_only, "--alert-log", "log")
        )

    def test_a_user_who_may_not_write_there_is_named(self, place):
        assert "cannot open the alert log log: Permission denied; let uid 65534 write there, " in (
            refused_as_nobody(place, "--alert-log", "log", capabilities=("bpf", "perfmon", "sys_admin"))
        )


class TestMachine:
    def test_another_processor_is_named(self, place):
        """The kernel can be made to call itself a 32-bit one."""
        assert "no register layout for i686: monitord runs on x86_64 and aarch64" == (
            refused(place, before=("setarch", "i686", *COMMAND))
        )

    def test_says_which_privilege_is_missing(self, place):
        assert "loading BPF needs root, or CAP_BPF and CAP_PERFMON" in refused_as_nobody(place)

    def test_says_how_a_kernel_gets_btf(self, place):
        (place / "empty").touch()
        without_btf = f"mount --bind {place}/empty /sys/kernel/btf/vmlinux"

        assert "CONFIG_DEBUG_INFO_BTF=y" in refused_at_first(place, without_btf)

    def test_says_it_where_sys_is_not_mounted(self, place):
        assert "CONFIG_DEBUG_INFO_BTF=y" in refused_after(place, "mount -t tmpfs none /sys")

    def test_names_the_file_of_proc_that_is_not_there(self, place):
        assert "cannot start: [Errno 2] No such file or directory: '/proc/self/mountinfo'" == (
            refused_after(place, "mount -t tmpfs none /proc", code=1)
        )

    @pytest.mark.parametrize("capability", ["bpf", "perfmon"])
    def test_says_which_capabilities_replace_root(self, place, capability):
        assert "loading BPF needs root, or CAP_BPF and CAP_PERFMON" == refused_without(place, "sys_admin", capability)

    def test_a_time_namespace_with_another_boot_time_is_no_place_for_it(self, place):
        before = ("unshare", "--time", "--boottime", "86400", "--fork", *COMMAND)

        assert refused(place, before=before).startswith("this is a time namespace with another CLOCK_BOOTTIME")

    def test_what_libraries_print_is_part_of_the_line(self, place):
        """libbcc writes to standard error by itself."""
        said = refused_at_first(place, "ulimit -n 12")

        assert said.startswith("the BPF programs did not compile, or their maps could not be made")
        assert "Too many open files" in said

    def test_want_of_memory_may_pass(self, place):
        """LLVM, which is of the helper, ends itself; the service is started again, within systemd's limits."""
        said = refused_at_first(place, "ulimit -v 260000", code=1)

        assert said.startswith("the process that compiles the BPF programs")

    @pytest.mark.parametrize(
        ("limit", "what"),
        [("-n 12", "(Too many open files): raise LimitNOFILE"), ("-v 80000", "can't start new thread")],
    )
    def test_want_of_what_loading_takes_may_pass(self, place, limit, what):
        """With programs that an earlier start compiled; they are not compiled once more for it."""
        with running(place, f"pid:{os.getpid()}"):
            pass

        assert what in refused_after(place, f"ulimit {limit}", code=1)

    @pytest.mark.parametrize(("tasks", "what"), [(16, "alertmanager_16"), (21, "the reader"), (22, "the worker")])
    def test_want_of_threads_may_pass(self, place, tasks, what):
        """The main thread, one for each of 20 outputs, the reader and the worker would be 23."""
        outputs = {"alert_log": None, "alertmanager": {"urls": [f"http://127.0.0.1:{port}" for port in range(1, 21)]}}
        configured(place, RULE + "  condition: evt.type=swapoff\n", outputs=outputs, metrics={"enabled": False})
        with few_tasks() as few:
            (few / "pids.max").write_text(str(tasks))
            before = ("sh", "-c", f'echo $$ > {few}/cgroup.procs && exec "$@"', "sh", *COMMAND)
            said = refused(place, before=before, code=1, OPENBLAS_NUM_THREADS="1")

        assert f"cannot start {what}: no thread is free; raise TasksMax" == said

    def test_a_limit_of_locked_memory_that_is_too_low_is_said(self, place):
        said = refused_after(place, 'ulimit -l 64 && exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock "$@"')

        assert "lower bpf.ring_pages, or raise the limit of locked memory" in said


class TestScope:
    @pytest.mark.parametrize(
        ("scope", "expected"),
        [
            ("pid:4194303", "there is no process 4194303"),
            ("cgroup:/no/such", "no cgroup v2 /no/such: neither /no/such nor "),
        ],
    )
    def test_that_names_nothing_is_said(self, place, scope, expected):
        assert refused(place, scope=scope).startswith(expected)
