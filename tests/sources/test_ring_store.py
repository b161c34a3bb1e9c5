"""Rings that a privileged process opens, and leaves with systemd for a daemon that may not open any."""

import array
import os
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from monitord.sources.bpf.cpus import online_cpus
from monitord.sources.bpf.ring_store import RingStore
from tests.support.daemon import CHECKOUT, PATIENCE_S, environment
from tests.support.live import Gated, compiled

NAMES = [f"ring-{cpu}" for cpu in online_cpus()]


class Systemd:
    """What systemd keeps for a service: by name, the descriptors that were stored last; and all that was said."""

    def __init__(self, address):
        self.said = []
        self.stored = {}
        self.barrier = -1
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(address))
        self.socket.settimeout(PATIENCE_S)

    def hear(self):
        """Until the barrier, which stays closed."""
        while self.barrier < 0:
            text, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4))
            fds = array.array("i")
            for _, _, data in ancillary:
                fds.frombytes(data)
            said = dict(line.split("=", 1) for line in text.decode().split("\n"))
            self.said.append(said)
            if said.get("BARRIER"):
                (self.barrier,) = fds
            elif said.get("FDSTORE"):
                (self.stored[said["FDNAME"]],) = fds

    def close(self):
        self.socket.close()
        for fd in (self.barrier, *self.stored.values()):
            if fd >= 0:
                os.close(fd)


@contextmanager
def handed_over(directory, config=""):
    """Whatever a real run of the helper leaves with systemd."""
    (directory / "monitord.yaml").write_text(config)
    systemd = Systemd(directory / "notify")
    command = [sys.executable, "-m", "monitord.sources.bpf.ring_store", str(directory / "monitord.yaml")]
    env = environment(NOTIFY_SOCKET=str(directory / "notify"))
    helper = subprocess.Popen(command, cwd=CHECKOUT, env=env, stderr=subprocess.PIPE, text=True)
    try:
        systemd.hear()
        yield systemd, helper
    finally:
        systemd.close()
        helper.wait(PATIENCE_S)
        helper.stderr.close()


class TestHelper:
    def test_a_ring_of_each_cpu_takes_the_place_of_an_older_one(self, tmp_path):
        with handed_over(tmp_path) as (systemd, _):
            removed = [said["FDNAME"] for said in systemd.said if "FDSTOREREMOVE" in said]
            added = [said["FDNAME"] for said in systemd.said if "FDSTORE" in said]

        assert (NAMES, NAMES) == (removed, added)

    def test_systemd_does_not_poll_them(self, tmp_path):
        """It drops what polls as hung up, and an event that nobody maps does."""
        with handed_over(tmp_path) as (systemd, _):
            assert ["0"] * len(NAMES) == [said["FDPOLL"] for said in systemd.said if "FDSTORE" in said]

    def test_it_ends_when_systemd_has_read_all(self, tmp_path):
        with handed_over(tmp_path) as (systemd, helper):
            with pytest.raises(subprocess.TimeoutExpired):
                helper.wait(0.3)
            os.close(systemd.barrier)
            systemd.barrier = -1

            assert (0, "") == (helper.wait(PATIENCE_S), helper.stderr.read())

    @pytest.mark.parametrize("config", ["scope: [", "bpf: {ring_pages: 3}", "\0"])
    def test_a_wrong_configuration_is_for_the_daemon_to_report(self, tmp_path, config):
        with handed_over(tmp_path, config) as (systemd, helper):
            os.close(systemd.barrier)
            systemd.barrier = -1

            assert (NAMES, 0, "") == (list(systemd.stored), helper.wait(PATIENCE_S), helper.stderr.read())

    def test_statistics_are_switched_on_where_the_configuration_says_so(self, tmp_path):
        with handed_over(tmp_path, "bpf: {program_stats: true}") as (systemd, _):
            assert [*NAMES, "stats"] == list(systemd.stored)


DAEMON = """
import sys
from monitord.cli.main import main
import monitord.sources.bpf.rings as rings
def refused(cpu):
    raise PermissionError(13, "Permission denied")
rings.open_output = refused
sys.exit(main())
"""
"""A daemon that may open no ring."""


def test_a_daemon_that_may_open_none_has_those(tmp_path):
    rules = "- {rule: R, desc: d, condition: evt.type=getppid, output: '%evt.cpu', priority: INFO}\n"
    log = tmp_path / "alerts.jsonl"
    config = (
        "rules: {paths: [rules.yaml]}\nmetrics: {enabled: false}\ncontrol: {socket: null}\n"
        f"outputs: {{console: false, alert_log: {{path: {log}}}}}\n"
    )
    (tmp_path / "rules.yaml").write_text(rules)
    (tmp_path / "daemon.py").write_text(DAEMON)
    gated = Gated([compiled("flood"), "getppid", "101"])
    with handed_over(tmp_path, config) as (systemd, _):
        fds = list(systemd.stored.values())
        above = range(max(fds) + 1, max(fds) + 1 + len(fds))
        moves = [f"{above[at]}<&{fd}" for at, fd in enumerate(fds)]
        moves += [f"{3 + at}<&{above[at]}" for at in range(len(fds))]
        told = f"LISTEN_PID=$$ LISTEN_FDS={len(fds)} LISTEN_FDNAMES={':'.join(systemd.stored)}"
        run = f"exec {sys.executable} {tmp_path}/daemon.py run -c {tmp_path}/monitord.yaml --scope pid:{gated.pid}"
        command = ["/bin/bash", "-c", f"exec {' '.join(moves)}; {told} {run}"]
        daemon = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment(), pass_fds=fds, stderr=subprocess.PIPE, text=True
        )
        try:
            said = ""
            while "ready after" not in said:
                line = daemon.stderr.readline()
                assert line, said
                said += line
            gated.run()
        finally:
            daemon.terminate()
            said += daemon.communicate()[1]

    assert "judged, 0 lost; 101 alerts, written: alert_log 101; dropped: none" in said
    assert 101 == len(log.read_text().splitlines())


def test_others_have_nothing(monkeypatch):
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "2")

    assert ({}, -1) == (RingStore().rings, RingStore().stats)
