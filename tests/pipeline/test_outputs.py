"""Who gets what waits for an output when a reload replaces it."""

import time
from pathlib import Path

import pytest

from monitord.config.outputs import AlertLogConfig, AlertmanagerConfig, OutputsConfig
from monitord.pipeline.outputs import Outputs
from monitord.telemetry import Telemetry

A, B, C = (f"http://127.0.0.1:{port}" for port in (1, 2, 3))


@pytest.fixture
def change():
    """From one configuration to another: the workers, and who is whose heir, both by their places in the lists."""
    workers = []

    def change(before: OutputsConfig, after: OutputsConfig) -> dict[int, int]:
        outputs = Outputs(Telemetry())
        old, _ = outputs.change(before)
        new, heirs = outputs.change(after)
        workers.extend({*old, *new})
        return {old.index(one): new.index(other) for one, other in heirs.items()}

    yield change
    for worker in workers:
        worker.finish(time.monotonic())
        worker.join()


def managers(*urls: str, queue_alerts: int = 10) -> OutputsConfig:
    return OutputsConfig(
        console=False, journald=False, alertmanager=AlertmanagerConfig(urls=urls), queue_alerts=queue_alerts
    )


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param((A,), (B,), {0: 0}, id="corrected"),
        pytest.param((A, B), (C, B), {0: 0}, id="one of two corrected"),
        pytest.param((A, B), (B,), {1: 0}, id="the first one goes"),
        pytest.param((A, B), (A,), {}, id="the second one goes"),
        pytest.param((A, B), (B, A), {0: 1, 1: 0}, id="the other way round"),
        pytest.param((A,), (B, A), {0: 1}, id="another comes before"),
    ],
)
def test_an_alertmanager_gets_what_was_for_it_or_for_the_one_in_whose_place_it_is(change, before, after, expected):
    assert expected == change(managers(*before), managers(*after))


def test_a_queue_of_another_size_begins_with_what_the_old_one_had(change):
    assert {0: 0, 1: 1} == change(managers(A, B), managers(A, B, queue_alerts=20))


def test_another_log_gets_what_waited_for_the_old_one(change, tmp_path):
    def log(path: Path) -> OutputsConfig:
        return OutputsConfig(console=False, journald=False, alert_log=AlertLogConfig(path=path))

    assert {0: 0} == change(log(tmp_path / "old"), log(tmp_path / "new"))


def test_an_output_of_another_kind_is_nobodys_heir(change, tmp_path):
    log = OutputsConfig(console=False, journald=False, alert_log=AlertLogConfig(path=tmp_path / "log"))

    assert {} == change(managers(A), log)
