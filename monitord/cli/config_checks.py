"""What `monitord doctor` looks at because the configuration names it; and whether a start gets to its end."""

import errno
import http.client
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from monitord.abi.arch import machine_abis
from monitord.cli.machine_checks import Check, Verdict
from monitord.cli.output_files import mistakes_in_files
from monitord.config.schema import Config, MetricsConfig
from monitord.enrich.runtimes.kinds import advice_on, runtimes_at
from monitord.model.amount import amount
from monitord.model.problem import errors
from monitord.pipeline.load import Overrides, load
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.scope import ScopeError
from monitord.sources.bpf.source import BpfSource
from monitord.tables.syscalls import SyscallTable

LITTLE_BYTES = 100 << 20
"""Less free space than this is worth a warning: the size at which the packaged logrotate rotates an alert log."""


def examine_config(path: Path) -> tuple[Config, list[Check]]:
    """The configuration, loaded with its rules as the daemon does, and all checks that follow from it but the start."""
    table = SyscallTable.load(machine_abis())
    config, rules, problems = load(path, Overrides(None, [], None, None), table)
    wrong = [*errors(problems), *mistakes_in_files(path, config.outputs)]
    if wrong:
        more = "more of it" if len(wrong) == 1 else f"all {len(wrong)}"
        config_check = Check("config", Verdict.FAIL, str(wrong[0]), f"monitord check -c {path} says {more}")
    else:
        enabled = sum(rule.enabled for rule in rules.rules)
        found = f"{path}, {amount(enabled, 'rule')}"
        if enabled:
            config_check = Check("config", Verdict.OK, found)
        else:
            advice = f"no rule is in force, nothing will alert: monitord check -c {path} says why"
            config_check = Check("config", Verdict.WARN, found, advice)
    checks = [config_check, *_directories(config)]
    if config.metrics.enabled:
        checks.append(check_metrics_address(config.metrics))
    checks += map(check_runtime, config.containers.sockets)
    return config, checks


def check_start(config: Config) -> Check:
    """As a start does it: programs compiled, verified and loaded, rings opened. Nothing is attached."""
    begin_s = time.monotonic()
    try:
        source = BpfSource(SyscallTable.load(machine_abis()), config.scope, config.bpf)
        source.close()
    except (LoadError, ScopeError) as err:
        return Check("start", Verdict.FAIL, str(err).replace(": run `monitord doctor`", ""))
    except OSError as err:
        return Check("start", Verdict.FAIL, str(err))
    took_s = time.monotonic() - begin_s
    return Check("start", Verdict.OK, f"programs ({source.origin}) load and rings open, in {took_s:.1f} s")


def _directories(config: Config) -> Iterator[Check]:
    """Those that the daemon writes to; the one of the socket it makes itself, if it may."""
    outputs = config.outputs
    if outputs.alert_log is not None:
        yield check_directory("alert log", outputs.alert_log.path.parent)
    if outputs.webhook is not None and outputs.webhook.spool is not None:
        yield check_directory("spool", _first_there(outputs.webhook.spool))


def _first_there(directory: Path) -> Path:
    """A directory, or that in which a start makes it."""
    return next(one for one in (directory.absolute(), *directory.absolute().parents) if one.exists())


def check_directory(name: str, directory: Path) -> Check:
    """It must be there, writable for this user, and have room."""
    if not directory.is_dir():
        return Check(name, Verdict.FAIL, f"there is no directory {directory}", "create it, or change the configuration")
    if not os.access(directory, os.W_OK | os.X_OK):
        advice = f"let uid {os.geteuid()} write there; doctor tells of the user that it runs as"
        return Check(name, Verdict.FAIL, f"{directory} is not writable", advice)
    free = shutil.disk_usage(directory).free
    found = f"{directory}, {free >> 20} MiB free"
    if free < LITTLE_BYTES:
        return Check(name, Verdict.WARN, found, "when the disk is full, alerts wait, and then are dropped and counted")
    return Check(name, Verdict.OK, found)


def check_runtime(path: Path) -> Check:
    """A container runtime answers on a socket; one that does not costs a few fields, and no event."""
    try:
        spoken = " and ".join(runtime.protocol for runtime in runtimes_at(path))
    except (OSError, ValueError) as err:
        return Check("containers", Verdict.WARN, f"{path}: {err}", advice_on(err))
    return Check("containers", Verdict.OK, f"{path} answers, by {spoken}")


ANSWER_S = 10.0
"""For the metrics of a daemon on a busy machine."""


def check_metrics_address(metrics: MetricsConfig) -> Check:
    """Nobody else may listen where Prometheus scrapes; a monitord that runs already may."""
    address, port = metrics.address, metrics.port
    found = f"{address}:{port}"
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            listener.listen()
    except OSError as err:
        if err.errno == errno.EADDRINUSE:
            return _check_listener(address, port)
        if err.errno == errno.EADDRNOTAVAIL:
            advice = "scrapes come through when the network brings it, or set another metrics.address"
            return Check("metrics", Verdict.WARN, f"this machine has no address {address}", advice)
        return Check("metrics", Verdict.FAIL, f"{found}: {err.strerror}", "set another metrics.address")
    return Check("metrics", Verdict.OK, f"{found} is free")


def _check_listener(address: str, port: int) -> Check:
    """Who is it that listens there?"""
    found, advice = f"{address}:{port}", "if it is no monitord, set another metrics.address"
    connection = http.client.HTTPConnection(address, port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/metrics")
        if b"\nmonitord_" in connection.getresponse().read():
            return Check("metrics", Verdict.OK, f"{found} is served by a running monitord")
    except TimeoutError:
        return Check("metrics", Verdict.WARN, f"who listens on {found} did not answer in {ANSWER_S:g} s", advice)
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
    return Check("metrics", Verdict.FAIL, f"something else listens on {found}", "set another metrics.address")
