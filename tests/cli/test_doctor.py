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
from pathlib import Path

import pytest

from monitord.cli import config_checks, doctor, machine_checks
from monitord.cli.doctor import table
from monitord.cli.machine_checks import Capability, Check, Host, Verdict
from monitord.config.schema import MetricsConfig
from tests.support.http2 import Grpc

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

        assert verdict is machine_checks.check_kernel(host).verdict


class TestBtf:
    def test_btf_is_found(self, machine):
        machine.write("sys/kernel/btf/vmlinux", b"\x9f\xeb\x01\x00")

        assert Verdict.OK is machine_checks.check_btf(machine.host).verdict

    def test_kernel_without_btf_cannot_run_it(self, machine):
        found = machine_checks.check_btf(machine.host)

        assert Verdict.FAIL is found.verdict
        assert "CONFIG_DEBUG_INFO_BTF=y" in found.advice

    def test_something_else_in_its_place_is_no_btf(self, machine):
        machine.write("sys/kernel/btf/vmlinux", b"no")

        assert Verdict.FAIL is machine_checks.check_btf(machine.host).verdict


class TestLockdown:
    def test_confidentiality_keeps_memory_from_programs(self, machine):
        machine.write("sys/kernel/security/lockdown", b"none integrity [confidentiality]\n")

        assert Verdict.FAIL is machine_checks.check_lockdown(machine.host).verdict

    def test_kernel_without_lockdown_is_fine(self, machine):
        assert Verdict.OK is machine_checks.check_lockdown(machine.host).verdict


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

        assert verdict is machine_checks.check_capabilities(machine.host).verdict

    def test_missing_ones_are_named(self, machine):
        machine.hold(ROOT_WITHOUT_LIMITS - {Capability.CAP_SYS_ADMIN, Capability.CAP_BPF})

        assert machine_checks.check_capabilities(machine.host).advice.startswith("CAP_BPF missing")


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

        assert verdict is machine_checks.check_perf(machine.host).verdict

    def test_kernel_without_perf_events_cannot_run_it(self, machine):
        assert Verdict.FAIL is machine_checks.check_perf(machine.host).verdict


class TestBcc:
    def interpreter(self, tmp_path, script):
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        return Host(python=str(python))

    def test_version_is_shown(self, tmp_path):
        host = self.interpreter(tmp_path, "echo 0.26.0")

        assert Check("bcc", Verdict.OK, "version 0.26.0") == machine_checks.check_bcc(host)

    def test_last_line_of_a_traceback_is_shown(self, tmp_path):
        host = self.interpreter(tmp_path, "echo Traceback; echo 'ImportError: no bcc' >&2; exit 1")
        found = machine_checks.check_bcc(host)

        assert (Verdict.FAIL, "ImportError: no bcc") == (found.verdict, found.found)
        assert "python3-bpfcc" in found.advice

    def test_library_that_crashes_is_a_failed_check(self, tmp_path):
        host = self.interpreter(tmp_path, "kill -SEGV $$")

        assert (Verdict.FAIL, "ended with -11") == (
            machine_checks.check_bcc(host).verdict,
            machine_checks.check_bcc(host).found,
        )


class TestJit:
    @pytest.mark.parametrize(("verdict", "text"), [(Verdict.OK, b"1\n"), (Verdict.OK, b"2\n"), (Verdict.WARN, b"0\n")])
    def test_interpreter_is_warned_of(self, machine, verdict, text):
        machine.write("proc/sys/net/core/bpf_jit_enable", text)

        assert verdict is machine_checks.check_jit(machine.host).verdict

    def test_kernel_without_a_jit_is_warned_of(self, machine):
        assert Verdict.WARN is machine_checks.check_jit(machine.host).verdict


class TestMemlock:
    @pytest.mark.parametrize(
        ("verdict", "limit"), [(Verdict.OK, resource.RLIM_INFINITY), (Verdict.OK, 16 << 20), (Verdict.WARN, 8 << 20)]
    )
    def test_limit_must_hold_the_rings(self, machine, verdict, limit):
        """Two CPUs, 4 MiB and a page each."""
        machine.hold(ROOT_WITHOUT_LIMITS - {Capability.CAP_IPC_LOCK})

        assert verdict is machine_checks.check_memlock(replace(machine.host, memlock_bytes=limit)).verdict

    def test_ipc_lock_lifts_it(self, machine):
        assert Verdict.OK is machine_checks.check_memlock(machine.host).verdict

    def test_what_each_user_may_map_of_rings_counts(self, machine):
        """516 KiB for each CPU is the kernel's default."""
        machine.hold(ROOT_WITHOUT_LIMITS - {Capability.CAP_IPC_LOCK})
        machine.write("proc/sys/kernel/perf_event_mlock_kb", b"516\n")

        assert Verdict.OK is machine_checks.check_memlock(machine.host).verdict


class TestDirectory:
    def test_free_space_is_shown(self, tmp_path):
        found = config_checks.check_directory("alert log", tmp_path)

        assert Verdict.OK is found.verdict
        assert found.found.startswith(f"{tmp_path}, ")

    def test_one_that_is_not_there_stops_the_daemon(self, tmp_path):
        assert Verdict.FAIL is config_checks.check_directory("alert log", tmp_path / "no").verdict

    def test_full_one_is_warned_of(self):
        """The file system of /proc has no room."""
        assert Verdict.WARN is config_checks.check_directory("spool", Path("/proc/self/fd")).verdict


class TestConfig:
    @pytest.mark.parametrize(("text", "more"), [("scope: al\nbfp: {}\n", "all 2"), ("scope: al\n", "more of it")])
    def test_first_mistake_is_shown(self, tmp_path, text, more):
        (tmp_path / "monitord.yaml").write_text(text)
        _, (config, *_) = config_checks.examine_config(tmp_path / "monitord.yaml")

        assert (Verdict.FAIL, "config") == (config.verdict, config.name)
        assert "monitord.yaml:1:8: C010 " in config.found
        assert config.advice.endswith(f"monitord.yaml says {more}")

    def test_no_rule_in_force_is_warned_of(self, tmp_path):
        (tmp_path / "monitord.yaml").write_text(f"rules: {{paths: ['{tmp_path}/none']}}\n")
        (tmp_path / "none").mkdir()
        _, (config, *_) = config_checks.examine_config(tmp_path / "monitord.yaml")

        assert (Verdict.WARN, f"{tmp_path}/monitord.yaml, 0 rules") == (config.verdict, config.found)
        assert config.advice.startswith("no rule is in force, nothing will alert: monitord check -c ")

    def test_what_it_names_is_examined(self, tmp_path):
        (tmp_path / "monitord.yaml").write_text("rules: {paths: []}\noutputs: {alert_log: {path: /no/such/log}}\n")
        _, checks = config_checks.examine_config(tmp_path / "monitord.yaml")

        assert ["config", "alert log", "metrics"] == [check.name for check in checks]
        assert "there is no directory /no/such" == checks[1].found

    def test_a_spool_that_a_start_makes_is_no_trouble(self, tmp_path):
        (tmp_path / "monitord.yaml").write_text("outputs: {webhook: {url: 'http://a/', spool: no/such}}\n")
        _, (_, spool, _) = config_checks.examine_config(tmp_path / "monitord.yaml")

        assert ("spool", Verdict.OK) == (spool.name, spool.verdict)
        assert spool.found.startswith(f"{tmp_path}, ")

    def test_a_certificate_that_cannot_be_used_is_a_mistake(self, tmp_path):
        (tmp_path / "monitord.yaml").write_text("outputs: {webhook: {url: 'https://a/', ca_file: no.pem}}\n")
        _, (config, *_) = config_checks.examine_config(tmp_path / "monitord.yaml")

        assert Verdict.FAIL is config.verdict
        assert "C037 outputs.webhook.ca_file: " in config.found


class TestMounts:
    def test_tracefs_is_found_where_the_daemon_reads_it(self, machine):
        machine.mount("tracefs", "/sys/kernel/tracing")
        machine.write("sys/kernel/tracing/events/syscalls/enable")

        assert Check("tracefs", Verdict.OK, "/sys/kernel/tracing") == machine_checks.check_tracefs(machine.host)

    @pytest.mark.parametrize("elsewhere", [None, "/sys/kernel/debug/tracing"])
    def test_missing_tracefs_says_how_to_mount_it(self, machine, elsewhere):
        if elsewhere:
            machine.mount("tracefs", elsewhere)
        check = machine_checks.check_tracefs(machine.host)

        assert (Verdict.WARN, "/sys/kernel/tracing/events/syscalls: No such file or directory") == (
            check.verdict,
            check.found,
        )
        assert check.advice.endswith(": mount -t tracefs tracefs /sys/kernel/tracing")

    def test_tracefs_without_syscalls_is_warned_of(self, machine):
        machine.mount("tracefs", "/sys/kernel/tracing")
        check = machine_checks.check_tracefs(machine.host)

        assert Verdict.WARN is check.verdict
        assert "CONFIG_FTRACE_SYSCALLS" in check.advice

    def test_cgroup2_is_found_on_a_hybrid_system(self, machine):
        machine.mount("cgroup2", "/sys/fs/cgroup/unified")

        assert Check("cgroup2", Verdict.OK, "/sys/fs/cgroup/unified") == machine_checks.check_cgroup2(machine.host)

    def test_missing_cgroup2_costs_two_scopes(self, machine):
        machine.mount("cgroup", "/sys/fs/cgroup")

        assert Verdict.WARN is machine_checks.check_cgroup2(machine.host).verdict


class TestPidNamespace:
    def test_other_namespace_is_warned_of(self, machine):
        machine.write("proc/self/ns/pid")

        assert "a container's" == machine_checks.check_pid_namespace(machine.host).found

    def test_missing_proc_is_warned_of(self, machine):
        assert Verdict.WARN is machine_checks.check_pid_namespace(machine.host).verdict


class TestTimeNamespace:
    @pytest.mark.parametrize(
        ("verdict", "boottime"), [(Verdict.OK, "0  0"), (Verdict.FAIL, "86400  0"), (Verdict.FAIL, "-1  500000000")]
    )
    def test_another_boot_time_than_that_of_events_cannot_be_used(self, machine, verdict, boottime):
        machine.write("proc/self/timens_offsets", f"monotonic  0  0\nboottime  {boottime}\n".encode())

        assert verdict is machine_checks.check_time_namespace(machine.host).verdict

    def test_kernel_without_time_namespaces_has_one_clock(self, machine):
        assert Verdict.OK is machine_checks.check_time_namespace(machine.host).verdict


class TestJournald:
    def test_socket_is_found(self, machine):
        machine.write("run/systemd/journal/socket")

        assert Verdict.OK is machine_checks.check_journald(machine.host).verdict

    def test_no_journal_is_warned_of(self, machine):
        assert Verdict.WARN is machine_checks.check_journald(machine.host).verdict


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
        assert Verdict.OK is config_checks.check_metrics_address(MetricsConfig(port=0)).verdict

    def test_port_of_something_else_is_taken(self):
        with serving(b"# HELP node_load1 1m load average.\nnode_load1 0.5\n") as port:
            assert Verdict.FAIL is config_checks.check_metrics_address(MetricsConfig(port=port)).verdict

    def test_port_that_does_not_answer_in_http_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            answer = threading.Thread(target=hang_up, args=[listener])
            answer.start()
            found = config_checks.check_metrics_address(MetricsConfig(port=listener.getsockname()[1]))
            answer.join()

        assert Verdict.FAIL is found.verdict

    def test_who_does_not_answer_in_time_may_be_a_monitord(self, monkeypatch):
        monkeypatch.setattr(config_checks, "ANSWER_S", 0.1)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            found = config_checks.check_metrics_address(MetricsConfig(port=listener.getsockname()[1]))

        assert Verdict.WARN is found.verdict
        assert "did not answer in 0.1 s" in found.found

    def test_port_of_a_running_monitord_is_well(self):
        with serving(b"# HELP monitord_up .\nmonitord_up 1\n") as port:
            found = config_checks.check_metrics_address(MetricsConfig(port=port))

        assert Check("metrics", Verdict.OK, f"127.0.0.1:{port} is served by a running monitord") == found

    def test_address_that_the_machine_does_not_have_is_warned_of(self):
        """From the block that is set aside for documentation."""
        assert Verdict.WARN is config_checks.check_metrics_address(MetricsConfig(address="192.0.2.1")).verdict


class TestRuntimes:
    def test_a_runtime_that_answers_says_how(self, tmp_path):
        path = tmp_path / "crio.sock"
        server = Grpc(path, {"runtime.v1.RuntimeService/Version": (0, b"")})
        check = config_checks.check_runtime(path)
        server.shutdown()
        server.server_close()

        assert Check("containers", Verdict.OK, f"{path} answers, by CRI v1") == check

    def test_one_that_is_not_there_is_waited_for(self, tmp_path):
        check = config_checks.check_runtime(tmp_path / "no.sock")

        assert (Verdict.WARN, "it is asked when it is there") == (check.verdict, check.advice)

    def test_one_that_speaks_something_else_is_named(self, tmp_path):
        path = tmp_path / "odd.sock"
        server = Grpc(path, {})
        check = config_checks.check_runtime(path)
        server.shutdown()
        server.server_close()

        assert (Verdict.WARN, f"{path}: it speaks gRPC, but neither the CRI nor containerd's own API") == (
            check.verdict,
            check.found,
        )


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

        assert len(doctor.CHECKS) + 2 <= len({check["name"] for check in checks}) == len(checks)
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
            "sys.exit(doctor.run(argparse.Namespace(json=False, config=None)))\n"
        )
        done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)

        assert (1, "") == (done.returncode, done.stderr)
        assert done.stdout.splitlines()[-1].startswith("monitord cannot run here: capabilities")

    @pytest.mark.bpf
    def test_programs_are_loaded_for_the_answer(self, tmp_path):
        (tmp_path / "monitord.yaml").write_text("metrics: {enabled: false}\noutputs: {console: false}\n")
        command = [sys.executable, "-m", "monitord.cli.main", "doctor", "--json", "-c", tmp_path / "monitord.yaml"]
        done = subprocess.run(command, capture_output=True, text=True)

        assert (0, "") == (done.returncode, done.stderr)
        start = json.loads(done.stdout)[-1]
        assert ("start", "ok") == (start["name"], start["verdict"])
        assert start["found"].startswith("programs (compiled ")  # now, or by an earlier start
