"""Against Debian's Alertmanager."""

import time

import pytest

from monitord.config.outputs import AlertmanagerConfig
from monitord.sinks.alertmanager import LABEL_CHARS, Alertmanager
from monitord.sinks.format import iso_time
from monitord.stages import SinkError
from tests.support.alertmanager import alertmanager, alerts
from tests.support.alerts import make_alert
from tests.support.daemon import until
from tests.support.receiver import receiving, status


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with alertmanager(tmp_path_factory.mktemp("alertmanager")) as url:
        yield url


@pytest.fixture
def sink(url):
    sink = Alertmanager(AlertmanagerConfig(urls=(url,)))
    yield sink
    sink.close()


def found(url: str, rule: str) -> list[dict]:
    return [alert for alert in alerts(url) if alert["labels"]["alertname"] == rule]


def test_labels_are_of_the_rule_and_the_machine_alone(sink, url):
    sink.write(make_alert(time_ns=time.time_ns(), rule="labels"))

    assert [
        {
            "alertname": "labels",
            "priority": "Warning",
            "source": "syscall",
            "hostname": "box",
            "tags": "T1003.008,files",
        }
    ] == [alert["labels"] for alert in found(url, "labels")]


def test_the_message_is_an_annotation(sink, url):
    sink.write(make_alert(time_ns=time.time_ns(), rule="message"))

    assert [{"summary": "shadow was read (proc.name=cat)"}] == [alert["annotations"] for alert in found(url, "message")]


def test_it_starts_with_the_event_and_ends_after_a_while(sink, url):
    now_ns = time.time_ns()
    sink.write(make_alert(time_ns=now_ns - 7 * 10**9, rule="times"))
    after_ns = time.time_ns()
    (alert,) = found(url, "times")

    assert iso_time(now_ns - 7 * 10**9)[:23] == alert["startsAt"][:23]
    assert iso_time(now_ns + 300 * 10**9)[:19] <= alert["endsAt"][:19] <= iso_time(after_ns + 300 * 10**9)[:19]


def test_the_same_again_is_one_alert_that_is_extended(sink, url):
    for number in range(3):
        sink.write(make_alert(time_ns=time.time_ns(), rule="again", output=f"match {number}"))

    assert ["match 2"] == [alert["annotations"]["summary"] for alert in found(url, "again")]


def test_another_host_or_tag_is_another_alert(sink, url):
    for hostname in ("a", "b"):
        for tags in ((), ("x",)):
            sink.write(make_alert(time_ns=time.time_ns(), rule="others", hostname=hostname, tags=tags))

    assert 4 == len(found(url, "others"))


def test_it_is_resolved_when_it_does_not_come_again(url):
    sink = Alertmanager(AlertmanagerConfig(urls=(url,), resolve_after_s=1))

    def comes() -> bool:
        sink.write(make_alert(time_ns=time.time_ns(), rule="short"))
        return 1 == len(found(url, "short"))

    until(comes)
    until(lambda: not found(url, "short"))
    sink.close()


def test_odd_and_long_text_is_taken(sink, url):
    odd = b"\xff\x00\n\x1b[2J".decode("utf-8", "surrogateescape") + "x" * 10_000
    sink.write(make_alert(time_ns=time.time_ns(), rule="odd", output=odd, tags=(odd,), hostname=odd))
    (alert,) = found(url, "odd")

    assert alert["labels"]["hostname"].startswith("\\xff")
    assert LABEL_CHARS == len(alert["labels"]["tags"])


def test_an_alert_in_the_future_has_an_end_behind_its_start(sink, url):
    """A clock that jumped back: Alertmanager refuses an end before the start."""
    sink.write(make_alert(time_ns=time.time_ns() + 3600 * 10**9, rule="future"))  # raises when it is refused

    assert 1 == len(found(url, "future"))


def test_the_path_of_the_url_is_kept(url):
    with receiving() as receiver:
        sink = Alertmanager(AlertmanagerConfig(urls=(f"http://127.0.0.1:{receiver.port}/prefix/",)))
        sink.write(make_alert())
        sink.close()

    assert "/prefix/api/v2/alerts" == receiver.requests[0].path


def test_the_key_to_change_is_named():
    with receiving() as receiver:
        receiver.answer = status(302, Location="/other")
        sink = Alertmanager(AlertmanagerConfig(urls=(f"http://127.0.0.1:{receiver.port}",)))
        with pytest.raises(SinkError, match=r"which is not followed; change outputs\.alertmanager\.urls$"):
            sink.write(make_alert())
        sink.close()
