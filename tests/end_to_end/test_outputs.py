"""All outputs of one daemon at once, and what happens to them when it is reloaded, stopped and killed."""

import json
import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.cgroups import few_tasks
from tests.support.daemon import PATIENCE_S, Daemon, configured, running, shell, until
from tests.support.receiver import make_certificates, receiving

pytestmark = pytest.mark.bpf

RULES = """
- rule: Nowhere
  desc: A file that is not there.
  condition: evt.type=openat and fd.name startswith /nowhere/
  output: opened %fd.name
  priority: NOTICE
"""

SECRET = "s3cr3t"


@pytest.fixture
def opened():
    with shell() as one:
        yield one


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def opens(opened, *names: object) -> None:
    opened.run("; ".join(f"cat /nowhere/{name} 2>/dev/null" for name in names))


def outputs_in(bodies) -> list[str]:
    return [json.loads(body)["output"] for body in bodies]


def threads_of(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.process.pid}/task"))


class TestAllAtOnce:
    @pytest.fixture
    def syslog(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.settimeout(PATIENCE_S)
            receiver.bind(("127.0.0.1", 0))
            yield receiver

    def test_each_gets_every_alert_in_its_format(self, tmp_path, opened, certificates, syslog):
        with receiving(certificates.server(client_ca="ca")) as receiver:
            outputs = {
                "alert_log": {"path": "alerts.jsonl", "format": "ocsf"},
                "syslog": {"address": f"udp://127.0.0.1:{syslog.getsockname()[1]}"},
                "webhook": {
                    "url": f"https://127.0.0.1:{receiver.port}/{SECRET}",
                    "headers": {"Authorization": f"Bearer {SECRET}"},
                    "ca_file": str(certificates.cert("ca")),
                    "client_cert": str(certificates.cert("client")),
                    "client_key": str(certificates.key("client")),
                    "spool": "spool",
                },
                "program": {"command": ["/usr/bin/tee", "-a", str(tmp_path / "program")]},
            }
            with running(tmp_path, opened.scope, configured(tmp_path, RULES, outputs=outputs)) as daemon:
                opens(opened, 1, 2, 3)
                metrics = daemon.settle()
                receiver.wait_for(3)
                until(lambda: daemon.scrape().value("monitord_alerts_total", sink="program") == 3)
                messages = [syslog.recv(65536).split(b" - ", 1)[1] for _ in range(3)]
            log = daemon.log
        expected = [f"opened /nowhere/{number}" for number in (1, 2, 3)]

        assert 3 == metrics.value("monitord_alerts_total", sink="alert_log")
        assert expected == [json.loads(line)["message"] for line in daemon.alert_log.read_text().splitlines()]
        assert expected == outputs_in(messages)
        assert expected == outputs_in(request.body for request in receiver.requests)
        assert expected == outputs_in((tmp_path / "program").read_bytes().splitlines())
        assert f"Bearer {SECRET}" == receiver.requests[0].headers["Authorization"]
        assert SECRET not in log

    def test_each_alertmanager_gets_every_alert_and_another_is_added_by_a_reload(self, tmp_path, opened):
        def config(*ports: int) -> Path:
            urls = [f"http://127.0.0.1:{port}" for port in (9, *ports)]
            return configured(tmp_path, RULES, outputs={"alertmanager": {"urls": urls}})

        with (
            receiving() as first,
            receiving() as second,
            running(tmp_path, opened.scope, config(first.port)) as daemon,
        ):
            opens(opened, 1)
            first.wait_for(1)
            config(first.port, second.port)
            daemon.reload()
            opens(opened, 2)
            first.wait_for(2)
            second.wait_for(1)
            until(lambda: daemon.scrape().value("monitord_alerts_total", sink="alertmanager_3") == 1)
            until(lambda: daemon.scrape().value("monitord_alerts_total", sink="alertmanager_2") == 2)
            metrics = daemon.settle()

        summaries = [
            [json.loads(request.body)[0]["annotations"]["summary"] for request in receiver.requests]
            for receiver in (first, second)
        ]
        assert [["opened /nowhere/1", "opened /nowhere/2"], ["opened /nowhere/2"]] == summaries
        assert 1 == first.connections
        assert 0 == metrics.value("monitord_alerts_total", sink="alertmanager")
        assert 2 == metrics.value("monitord_alerts_total", sink="alertmanager_2")
        assert 1 == metrics.value("monitord_alerts_total", sink="alertmanager_3")

    def test_dead_ones_do_not_keep_the_others_from_theirs(self, tmp_path, opened):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            outputs = {
                "syslog": {"address": "/nowhere/log"},
                "webhook": {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}", "timeout_s": 300},
                "alertmanager": {"urls": ["http://127.0.0.1:9"]},
                "program": {"command": ["/bin/false"]},
            }
            with running(tmp_path, opened.scope, configured(tmp_path, RULES, outputs=outputs)) as daemon:
                opens(opened, *range(20))
                metrics = daemon.settle()
                silent.close()  # and so the webhook waits no longer
                until(lambda: daemon.scrape().value("monitord_alert_errors_total", sink="webhook"))
                code = daemon.stop()

        assert 20 == metrics.value("monitord_alerts_total", sink="alert_log") == len(daemon.alerts())
        assert 0 == metrics.value("monitord_alert_errors_total", sink="webhook"), "the alerts have waited for it"
        assert 0 == code
        for name in ("syslog", "webhook", "alertmanager"):
            assert 1 == len(re.findall(f"monitord: error: {name}: .*; trying again until it works\n", daemon.log)), name
        assert SECRET not in daemon.log


class TestReload:
    def test_what_has_not_changed_goes_on_and_what_waits_goes_to_the_new_server(self, tmp_path, opened):
        program = {"command": ["/usr/bin/tee", "-a", str(tmp_path / "program")]}

        def config(port: int) -> Path:
            webhook = {"url": f"http://127.0.0.1:{port}/", "spool": "spool"}
            return configured(tmp_path, RULES, outputs={"webhook": webhook, "program": program})

        with receiving() as receiver, running(tmp_path, opened.scope, config(9)) as daemon:
            opens(opened, 1, 2)
            until(lambda: daemon.scrape().value("monitord_alert_errors_total", sink="webhook"))
            children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text()
            config(receiver.port)
            daemon.reload()
            opens(opened, 3)
            receiver.wait_for(3)

            assert children.split()
            assert children == Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text()
        assert {"opened /nowhere/1", "opened /nowhere/2", "opened /nowhere/3"} == set(
            outputs_in(request.body for request in receiver.requests)
        )
        assert 3 == len((tmp_path / "program").read_text().splitlines())

    def test_what_a_wrong_address_has_kept_waiting_goes_to_the_right_one(self, tmp_path, opened):
        def config(port: int) -> Path:
            return configured(tmp_path, RULES, outputs={"webhook": {"url": f"http://127.0.0.1:{port}/"}})

        with receiving() as receiver, running(tmp_path, opened.scope, config(9)) as daemon:
            opens(opened, 1, 2)
            until(lambda: daemon.scrape().value("monitord_alert_errors_total", sink="webhook"))
            config(receiver.port)
            daemon.reload()
            opens(opened, 3)
            receiver.wait_for(3)
            daemon.stop()

        assert ["opened /nowhere/1", "opened /nowhere/2", "opened /nowhere/3"] == outputs_in(
            request.body for request in receiver.requests
        )
        assert "dropped: none" in daemon.log

    def test_what_waits_for_one_that_is_switched_off_is_said_to_be_lost(self, tmp_path, opened):
        config = configured(tmp_path, RULES, outputs={"webhook": {"url": "http://127.0.0.1:9/"}})
        with running(tmp_path, opened.scope, config) as daemon:
            opens(opened, 1, 2)
            until(lambda: daemon.scrape().value("monitord_queue_depth", queue="webhook") == 2)
            configured(tmp_path, RULES)
            daemon.reload()

        assert "webhook: closed with 2 alerts that did not arrive" in daemon.log

    def test_one_that_cannot_be_opened_changes_nothing(self, tmp_path, opened):
        config = configured(tmp_path, RULES)
        with running(tmp_path, opened.scope, config) as daemon:
            configured(tmp_path, RULES, outputs={"program": {"command": ["/no/such"]}})
            daemon.reload()
            opens(opened, 1)
            daemon.settle()

        assert "C020 cannot start /no/such: No such file or directory; change outputs.program.command" in daemon.log
        assert 1 == len(daemon.alerts())

    def test_one_that_gets_no_thread_changes_nothing(self, tmp_path, opened):
        webhook, manager = {"url": "http://127.0.0.1:9/"}, {"urls": ["http://127.0.0.1:9"]}
        config = configured(tmp_path, RULES, outputs={"webhook": webhook})
        changed = {"webhook": {**webhook, "spool": "spool"}, "alertmanager": manager}
        with few_tasks() as few, running(tmp_path, opened.scope, config) as daemon:
            (few / "cgroup.procs").write_text(str(daemon.process.pid))
            # The webhook's two, and none for the other.
            (few / "pids.max").write_text(str(int((few / "pids.current").read_text()) + 2))
            configured(tmp_path, RULES, outputs=changed)
            before = threads_of(daemon)
            daemon.reload()
            (few / "pids.max").write_text("max")  # a scrape takes a thread, too
            opens(opened, 1)
            metrics = daemon.settle()
            until(lambda: threads_of(daemon) == before)  # the one that asks for names stays for a second
            daemon.reload()
            until(lambda: threads_of(daemon) == before + 2)
            opens(opened, 2)
            daemon.settle()
            daemon.stop()

        assert "C020 cannot start alertmanager: no thread is free; raise TasksMax" in daemon.log
        assert 0 == metrics.value("monitord_config_last_reload_successful")
        assert 1 == metrics.value("monitord_queue_depth", queue="webhook")
        assert ["opened /nowhere/1", "opened /nowhere/2"] == [alert["output"] for alert in daemon.alerts()]


class TestEnd:
    @pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
    def test_what_a_dead_server_did_not_take_is_delivered_by_the_next_daemon(self, tmp_path, opened, end):
        with receiving() as receiver:
            port = receiver.port
        config = configured(
            tmp_path, RULES, outputs={"webhook": {"url": f"http://127.0.0.1:{port}/", "spool": "spool"}}
        )
        with running(tmp_path, opened.scope, config) as daemon:
            opens(opened, 1, 2, 3)
            daemon.settle()
            until(lambda: daemon.scrape().value("monitord_queue_depth", queue="webhook") == 0)
            begin_s = time.monotonic()
            daemon.send(end)
            daemon.process.wait(PATIENCE_S)
            took_s = time.monotonic() - begin_s
            log = daemon.log
        (tmp_path / "notify").unlink()
        with receiving(port=port) as receiver, running(tmp_path, opened.scope, config):
            receiver.wait_for(3)

        assert [f"opened /nowhere/{number}" for number in (1, 2, 3)] == outputs_in(
            request.body for request in receiver.requests
        )
        assert took_s < 4
        assert end == signal.SIGKILL or "webhook: 3 alerts kept in " in log

    def test_what_a_program_leaves_unread_is_said_and_counted(self, tmp_path, opened):
        config = configured(tmp_path, RULES, outputs={"program": {"command": ["/bin/sleep", "60"]}})
        with running(tmp_path, opened.scope, config) as daemon:
            opens(opened, 1, 2, 3)
            daemon.settle()
            until(lambda: daemon.scrape().value("monitord_queue_depth", queue="program") == 0)
            code = daemon.stop()

        assert 0 == code
        assert "error: program: /bin/sleep has ended by signal 15 and left 3 alerts unread\n" in daemon.log
        assert "; 3 alerts, written: alert_log 3, program 0; dropped: program 3\n" in daemon.log

    def test_a_program_ends_with_the_daemon(self, tmp_path, opened):
        config = configured(tmp_path, RULES, outputs={"program": {"command": ["/bin/cat"]}})
        with running(tmp_path, opened.scope, config) as daemon:
            children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
            (child,) = children.read_text().split()
            daemon.process.kill()
            daemon.process.wait()

        until(lambda: not Path(f"/proc/{child}").exists())
