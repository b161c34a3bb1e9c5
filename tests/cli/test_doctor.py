"""What `monitord doctor` says of machines of many kinds, and of this one."""

import argparse
import json
import resource
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from monitord.cli import doctor
from monitord.cli.doctor import Capability, Check, Host, Verdict, table

ROOT_WITHOUT_LIMITS = frozenset(Capability)


class Machine:
    """A tree with the files of the kernel that a check reads."""

    def __init__(self, root):
        self.host = Host(root, "6.1.0-56-amd64", "x86_64", memlock_bytes=8 << 20, cpus=2)
        self._root = root
        self.hold(ROOT_WITHOUT_LIMITS)

    def write(self, path, content=b""):
        file = self._root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def hold(self, capabilities):
        mask = sum(1 << capability for capability in capabilities)
        self.write("proc/self/status", b"Name:\tx\nCapEff:\t%016x\nCapBnd:\t0\n" % mask)

    def mount(self, kind, place):
        self.write("proc/self/mounts", f"proc /proc proc rw 0 0\nnone {place} {kind} rw 0 0\n".encode())


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


class TestKernel:
    @pytest.mark.parametrize(
        ("verdict", "release", "architecture"),
        [
            (Verdict.OK, "6.18.44", "x86_64"),
            (Verdict.OK, "5.10.0-46-arm64", "aarch64"),
            (Verdict.WARN, "5.9.16", "x86_64"),
            (Verdict.WARN, "unheard-of", "x86_64"),
            (Verdict.FAIL, "6.18.44", "riscv64"),
        ],
    )
    def test_kernel_is_judged_by_age_and_machine(self, machine, verdict, release, architecture):
        host = replace(machine.host, release=release, machine=architecture)

        assert verdict is doctor.check_kernel(host).verdict


class TestBtf:
    def test_btf_is_found(self, machine):
        machine.write("sys/kernel/btf/vmlinux", b"\x9f\xeb\x01\x00")

        assert Verdict.OK is doctor.check_btf(machine.host).verdict

    def test_kernel_without_btf_cannot_run_it(self, machine):
        found = doctor.check_btf(machine.host)

        assert Verdict.FAIL is found.verdict
        assert "CONFIG_DEBUG_INFO_BTF=y" in found.advice

    def test_something_else_in_its_place_is_no_btf(self, machine):
        machine.write("sys/kernel/btf/vmlinux", b"no")

        assert Verdict.FAIL is doctor.check_btf(machine.host).verdict


class TestCapabilities:
    @pytest.mark.parametrize(
        ("verdict", "missing"),
        [
            (Verdict.OK, set()),
            (Verdict.OK, {Capability.CAP_BPF, Capability.CAP_PERFMON}),  # SYS_ADMIN contains them
            (Verdict.WARN, {Capability.CAP_SYS_PTRACE}),
            (Verdict.FAIL, {Capability.CAP_SYS_ADMIN, Capability.CAP_BPF}),
            (Verdict.FAIL, {Capability.CAP_SYS_ADMIN, Capability.CAP_PERFMON}),
            (Verdict.FAIL, set(Capability)),
        ],
    )
    def test_missing_capabilities_have_their_consequence(self, machine, verdict, missing):
        machine.hold(ROOT_WITHOUT_LIMITS - missing)

        assert verdict is doctor.check_capabilities(machine.host).verdict

    def test_missing_ones_are_named(self, machine):
        machine.hold(ROOT_WITHOUT_LIMITS - {Capability.CAP_SYS_ADMIN, Capability.CAP_BPF})

        assert doctor.check_capabilities(machine.host).advice.startswith("CAP_BPF missing")


class TestPerf:
    @pytest.mark.parametrize(
        ("verdict", "paranoid", "missing"),
        [
            (Verdict.OK, b"3\n", set()),
            (Verdict.OK, b"2\n", {Capability.CAP_SYS_ADMIN}),
            (Verdict.FAIL, b"3\n", {Capability.CAP_SYS_ADMIN}),
            (Verdict.FAIL, b"2\n", {Capability.CAP_SYS_ADMIN, Capability.CAP_PERFMON}),
        ],
    )
    def test_debian_wants_sys_admin_for_rings(self, machine, verdict, paranoid, missing):
        machine.hold(ROOT_WITHOUT_LIMITS - missing)
        machine.write("proc/sys/kernel/perf_event_paranoid", paranoid)

        assert verdict is doctor.check_perf(machine.host).verdict

    def test_kernel_without_perf_events_cannot_run_it(self, machine):
        assert Verdict.FAIL is doctor.check_perf(machine.host).verdict


class TestBcc:
    def interpreter(self, tmp_path, script):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        return Host(python=str(python))

    def test_version_is_shown(self, tmp_path):
        host = self.interpreter(tmp_path, "echo 0.26.0")

        assert Check("bcc", Verdict.OK, "version 0.26.0") == doctor.check_bcc(host)

    def test_last_line_of_a_traceback_is_shown(self, tmp_path):
        host = self.interpreter(tmp_path, "echo Traceback; echo 'ImportError: no bcc' >&2; exit 1")
        found = doctor.check_bcc(host)

        assert (Verdict.FAIL, "ImportError: no bcc") == (found.verdict, found.found)
        assert "python3-bpfcc" in found.advice

    def test_library_that_crashes_is_a_failed_check(self, tmp_path):
        host = self.interpreter(tmp_path, "kill -SEGV $$")

        assert (Verdict.FAIL, "ended with -11") == (doctor.check_bcc(host).verdict, doctor.check_bcc(host).found)


class TestJit:
    @pytest.mark.parametrize(("verdict", "text"), [(Verdict.OK, b"1\n"), (Verdict.OK, b"2\n"), (Verdict.WARN, b"0\n")])
    def test_interpreter_is_warned_of(self, machine, verdict, text):
        machine.write("proc/sys/net/core/bpf_jit_enable", text)

        assert verdict is doctor.check_jit(machine.host).verdict

    def test_kernel_without_a_jit_is_warned_of(self, machine):
        assert Verdict.WARN is doctor.check_jit(machine.host).verdict


class TestMemlock:
    @pytest.mark.parametrize(
        ("verdict", "limit"), [(Verdict.OK, resource.RLIM_INFINITY), (Verdict.OK, 16 << 20), (Verdict.WARN, 8 << 20)]
    )
    def test_limit_must_hold_the_rings(self, machine, verdict, limit):
        """Two CPUs, 4 MiB and a page each."""
        machine.hold(ROOT_WITHOUT_LIMITS - {Capability.CAP_IPC_LOCK})

        assert verdict is doctor.check_memlock(replace(machine.host, memlock_bytes=limit)).verdict

    def test_ipc_lock_lifts_it(self, machine):
        assert Verdict.OK is doctor.check_memlock(machine.host).verdict


class TestMounts:
    def test_tracefs_is_found_where_it_is_mounted(self, machine):
        machine.mount("tracefs", "/sys/kernel/debug/tracing")
        machine.write("sys/kernel/debug/tracing/events/syscalls/enable")

        assert Check("tracefs", Verdict.OK, "/sys/kernel/debug/tracing") == doctor.check_tracefs(machine.host)

    def test_missing_tracefs_says_how_to_mount_it(self, machine):
        assert doctor.check_tracefs(machine.host).advice.endswith("mount -t tracefs tracefs /sys/kernel/tracing")

    def test_tracefs_without_syscalls_is_warned_of(self, machine):
        machine.mount("tracefs", "/sys/kernel/tracing")

        assert Verdict.WARN is doctor.check_tracefs(machine.host).verdict

    def test_cgroup2_is_found_on_a_hybrid_system(self, machine):
        machine.mount("cgroup2", "/sys/fs/cgroup/unified")

        assert Check("cgroup2", Verdict.OK, "/sys/fs/cgroup/unified") == doctor.check_cgroup2(machine.host)

    def test_missing_cgroup2_costs_two_scopes(self, machine):
        machine.mount("cgroup", "/sys/fs/cgroup")

        assert Verdict.WARN is doctor.check_cgroup2(machine.host).verdict


class TestPidNamespace:
    def test_other_namespace_is_warned_of(self, machine):
        machine.write("proc/self/ns/pid")

        assert "a container's" == doctor.check_pid_namespace(machine.host).found

    def test_missing_proc_is_warned_of(self, machine):
        assert Verdict.WARN is doctor.check_pid_namespace(machine.host).verdict


class TestJournald:
    def test_socket_is_found(self, machine):
        machine.write("run/systemd/journal/socket")

        assert Verdict.OK is doctor.check_journald(machine.host).verdict

    def test_no_journal_is_warned_of(self, machine):
        assert Verdict.WARN is doctor.check_journald(machine.host).verdict


class Page(BaseHTTPRequestHandler):
    """Serves a page of metrics."""

    body = b""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_args):
        pass


def hang_up(listener):
    connection, _ = listener.accept()
    connection.close()


@contextmanager
def serving(page):
    server = HTTPServer(("127.0.0.1", 0), type("Served", (Page,), {"body": page}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class TestMetrics:
    def test_free_port_is_free(self):
        assert Verdict.OK is doctor.check_metrics_address("127.0.0.1", 0).verdict

    def test_port_of_something_else_is_taken(self):
        with serving(b"# HELP node_load1 1m load average.\nnode_load1 0.5\n") as port:
            assert Verdict.FAIL is doctor.check_metrics_address("127.0.0.1", port).verdict

    def test_port_that_does_not_answer_in_http_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            answer = threading.Thread(target=hang_up, args=[listener])
            answer.start()
            found = doctor.check_metrics_address("127.0.0.1", listener.getsockname()[1])
            answer.join()

        assert Verdict.FAIL is found.verdict

    def test_port_of_a_running_monitord_is_well(self):
        with serving(b"# HELP monitord_up .\nmonitord_up 1\n") as port:
            found = doctor.check_metrics_address("127.0.0.1", port)

        assert Check("metrics", Verdict.OK, f"127.0.0.1:{port} is served by a running monitord") == found

    def test_address_of_another_machine_cannot_be_served(self):
        """From the block that is set aside for documentation."""
        assert Verdict.FAIL is doctor.check_metrics_address("192.0.2.1", 0).verdict


class TestTable:
    def test_advice_is_below_its_check(self):
        lines = table([Check("btf", Verdict.OK, "here"), Check("tracefs", Verdict.WARN, "nowhere", "mount it")])

        expected = [
            "ok    btf      here",
            "warn  tracefs  nowhere",
            "               -> mount it",
            "monitord can run here",
        ]
        assert expected == lines.splitlines()

    def test_what_failed_is_named_at_the_end(self):
        lines = table([Check("btf", Verdict.FAIL, "nowhere"), Check("bcc", Verdict.FAIL, "nowhere")])

        assert "monitord cannot run here: btf, bcc" == lines.splitlines()[-1]


class TestCommand:
    def run(self, *arguments):
        parser = argparse.ArgumentParser()
        doctor.add_parser(parser.add_subparsers())
        args = parser.parse_args(["doctor", *arguments])
        return args.run(args)

    def test_json_has_every_check_with_the_same_keys(self, capsys):
        self.run("--json")
        checks = json.loads(capsys.readouterr().out)

        assert len(doctor.CHECKS) + 1 == len({check["name"] for check in checks})
        assert {("name", "verdict", "found", "advice")} == {tuple(check) for check in checks}

    def test_exit_code_says_whether_the_daemon_can_run(self, capsys):
        code = self.run("--json")
        failed = any(check["verdict"] == "fail" for check in json.loads(capsys.readouterr().out))

        assert int(failed) == code

    def test_user_without_capabilities_is_told_that_it_cannot_run(self):
        """Root gives up root for it."""
        run = (
            "import argparse, os, sys\n"
            "from monitord.cli import doctor\n"
            "if os.geteuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "sys.exit(doctor.run(argparse.Namespace(json=False)))\n"
        )
        done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)

        assert (1, "") == (done.returncode, done.stderr)
        assert done.stdout.splitlines()[-1].startswith("monitord cannot run here: capabilities")
