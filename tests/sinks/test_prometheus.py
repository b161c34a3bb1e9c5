import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from monitord.abi.arch import Abi
from monitord.model.counts import BUCKET_BOUNDS_NS, Latency, SyscallCount
from monitord.model.loss import Stage
from monitord.model.priority import Priority
from monitord.sinks.metrics.collector import renderer
from monitord.sinks.metrics.readings import Readings
from monitord.telemetry import ProgramStats, Telemetry

BUCKETS = len(BUCKET_BOUNDS_NS) + 1
NAMES = {257: "openat", 0: "read"}
Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def telemetry():
    return Telemetry()


def readings(**changes: Any) -> Readings:
    values = {
        "counts": dict,
        "admitted": int,
        "losses": dict,
        "ignored": dict,
        "degraded": dict,
        "programs": dict,
        "syscall_name": lambda abi, nr: NAMES.get(nr, "unknown"),
        "errno_name": lambda number: {2: "ENOENT", 13: "EACCES"}[number],
    }
    return Readings(**{**values, **changes})


def scrape(telemetry: Telemetry, **changes: Any) -> Samples:
    """The samples of a scrape; a metric with the same labels twice fails."""
    text = renderer(telemetry, readings(**changes))("")[1].decode()
    samples: dict[Any, float] = {}
    for family in parse(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples
            samples[key] = sample.value
    return samples


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


class TestSyscalls:
    def test_calls(self, telemetry):
        samples = scrape(telemetry, counts=lambda: {(Abi.X86_64, 257): SyscallCount(23)})

        assert 23 == value(samples, "monitord_syscalls_total", abi="x86_64", syscall="openat")

    def test_counts_are_exact_up_to_2_to_the_53(self, telemetry):
        calls = (1 << 53) - 1
        samples = scrape(telemetry, counts=lambda: {(Abi.X86_64, 257): SyscallCount(calls)})

        assert calls == value(samples, "monitord_syscalls_total", abi="x86_64", syscall="openat")

    def test_errors_by_name(self, telemetry):
        samples = scrape(telemetry, counts=lambda: {(Abi.ARM, 0): SyscallCount(23, {2: 5, 13: 7})})
        name = "monitord_syscall_errors_total"

        assert 5 == value(samples, name, abi="arm", syscall="read", errno="ENOENT")
        assert 7 == value(samples, name, abi="arm", syscall="read", errno="EACCES")

    def test_numbers_with_one_name_are_one_series(self, telemetry):
        slow = Latency(11, (1,) * BUCKETS)
        table = {(Abi.I386, nr): SyscallCount(nr, {2: 1}, slow) for nr in (600, 601)}
        samples = scrape(telemetry, counts=lambda: table)
        labels = {"abi": "i386", "syscall": "unknown"}

        assert 1201 == value(samples, "monitord_syscalls_total", **labels)
        assert 2 == value(samples, "monitord_syscall_errors_total", errno="ENOENT", **labels)
        assert 2 * BUCKETS == value(samples, "monitord_syscall_duration_seconds_count", **labels)

    def test_without_latency_there_is_no_histogram(self, telemetry):
        samples = scrape(telemetry, counts=lambda: {(Abi.X86_64, 0): SyscallCount(1)})

        assert not [name for name, _ in samples if "duration" in name]


class TestHistogram:
    @pytest.fixture
    def samples(self, telemetry):
        """Calls in the first bucket, the third, and beyond the last bound."""
        buckets = (2, 0, 3, *[0] * (BUCKETS - 4), 5)
        return scrape(telemetry, counts=lambda: {(Abi.X86_64, 0): SyscallCount(10, {}, Latency(1_500, buckets))})

    @pytest.mark.parametrize(
        ("le", "calls"),
        [("6.4e-08", 2), ("1.28e-07", 2), ("2.56e-07", 5), ("137.438953472", 5), ("+Inf", 10)],
    )
    def test_buckets_are_cumulative_and_in_seconds(self, samples, le, calls):
        assert calls == value(samples, "monitord_syscall_duration_seconds_bucket", abi="x86_64", syscall="read", le=le)

    def test_sum_is_in_seconds(self, samples):
        assert 1.5e-6 == value(samples, "monitord_syscall_duration_seconds_sum", abi="x86_64", syscall="read")

    def test_count(self, samples):
        assert 10 == value(samples, "monitord_syscall_duration_seconds_count", abi="x86_64", syscall="read")


class TestEvents:
    def test_by_stage(self, telemetry):
        telemetry.received, telemetry.judged = 23, 19
        samples = scrape(telemetry)

        assert [23, 19] == [value(samples, "monitord_events_total", stage=stage) for stage in ("received", "judged")]

    @pytest.mark.parametrize("stage", Stage)
    def test_losses_of_every_stage_start_at_zero(self, telemetry, stage):
        assert 0 == value(scrape(telemetry), "monitord_events_lost_total", stage=stage.value)

    def test_losses_of_source_and_daemon(self, telemetry):
        telemetry.lost[Stage.QUEUE] += 7
        samples = scrape(telemetry, losses=lambda: {Stage.RING: 5})

        assert [5, 7] == [value(samples, "monitord_events_lost_total", stage=stage) for stage in ("ring", "queue")]

    def test_queues(self, telemetry):
        telemetry.register_queue("events", 64, lambda: 3)
        samples = scrape(telemetry)

        assert 3 == value(samples, "monitord_queue_depth", queue="events")
        assert 64 == value(samples, "monitord_queue_capacity", queue="events")


class TestRules:
    def test_a_loaded_rule_is_there_from_zero(self, telemetry):
        telemetry.register_rules({"Read shadow": Priority.WARNING})

        assert 0 == value(scrape(telemetry), "monitord_rule_matches_total", rule="Read shadow", priority="Warning")

    def test_matches_and_time(self, telemetry):
        telemetry.register_rules({"a": Priority.ERROR})
        telemetry.matched("a", 3)
        telemetry.evaluated("a", 0.25)
        samples = scrape(telemetry)

        assert 3 == value(samples, "monitord_rule_matches_total", rule="a", priority="Error")
        assert 0.25 == value(samples, "monitord_rule_evaluation_seconds_total", rule="a")

    @pytest.mark.parametrize(("name", "label"), [('a"b\\c\nd', 'a"b\\c\nd'), ("\udcff", "\\xff"), ("\ud800", "\ufffd")])
    def test_odd_names(self, telemetry, name, label):
        telemetry.register_rules({name: Priority.ERROR})

        assert 0 == value(scrape(telemetry), "monitord_rule_matches_total", rule=label, priority="Error")

    def test_how_many(self, telemetry):
        telemetry.register_rules(dict.fromkeys("abc", Priority.ERROR))

        assert 3 == value(scrape(telemetry), "monitord_rules_loaded")


class TestDaemon:
    def test_sinks(self, telemetry):
        counts = telemetry.register_sink("console")
        counts.written, counts.failed, counts.dropped = 3, 5, 7
        samples = scrape(telemetry)
        names = ("monitord_alerts_total", "monitord_alert_errors_total", "monitord_alerts_dropped_total")

        assert [3, 5, 7] == [value(samples, name, sink="console") for name in names]

    def test_bpf_programs(self, telemetry):
        samples = scrape(telemetry, programs=lambda: {"sys_exit": ProgramStats(runs=7, run_ns=2_500_000_000)})

        assert 7 == value(samples, "monitord_bpf_program_runs_total", program="sys_exit")
        assert 2.5 == value(samples, "monitord_bpf_program_run_seconds_total", program="sys_exit")

    def test_reload(self, telemetry):
        telemetry.reloaded(True, 1770091506.5)
        telemetry.reloaded(False, 1770091600.0)
        samples = scrape(telemetry)

        assert 0 == value(samples, "monitord_config_last_reload_successful")
        assert 1770091506.5 == value(samples, "monitord_config_last_reload_success_timestamp_seconds")

    def test_build(self, telemetry):
        (labels,) = [dict(labels) for name, labels in scrape(telemetry) if name == "monitord_build_info"]
        uname = subprocess.run(["uname", "-rm"], capture_output=True, text=True).stdout.split()

        assert uname == [labels["kernel"], labels["machine"]]

    def test_its_own_process(self, telemetry):
        assert value(scrape(telemetry), "process_resident_memory_bytes") > 0


class TestFormat:
    def test_openmetrics_for_those_who_ask(self, telemetry):
        table = {(Abi.X86_64, 0): SyscallCount(7, {2: 1}, Latency(1, (0,) * BUCKETS))}
        content_type, body = renderer(telemetry, readings(counts=lambda: table))("application/openmetrics-text")

        assert content_type.startswith("application/openmetrics-text")
        assert "monitord_syscalls" in {family.name for family in parse_openmetrics(body.decode())}
