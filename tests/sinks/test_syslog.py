import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from monitord.config.outputs import Format, SyslogAddress, SyslogConfig
from monitord.model.priority import Priority
from monitord.sinks.syslog import DATAGRAM_BYTES, Syslog
from monitord.stages import SinkError
from tests.support.alerts import make_alert
from tests.support.daemon import PATIENCE_S, until

WARNING_OF_DAEMON = 3 * 8 + 4

RFC5424 = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\d+) (\S+) - (.*)", re.DOTALL)


def opened(address: SyslogAddress, **config) -> Syslog:
    return Syslog(SyslogConfig(address, **config))


@pytest.fixture
def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(PATIENCE_S)
        receiver.bind(("127.0.0.1", 0))
        yield receiver


@pytest.fixture
def tcp():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        yield server


def at(receiver: socket.socket, transport: str) -> SyslogAddress:
    return SyslogAddress(transport, *receiver.getsockname())


class TestUdp:
    def test_header(self, udp):
        opened(at(udp, "udp")).write(make_alert())
        header = RFC5424.fullmatch(udp.recv(65536).decode()).groups()[:6]

        assert (
            str(WARNING_OF_DAEMON),
            "2026-02-03T04:05:06.000000Z",
            "box",
            "monitord",
            str(os.getpid()),
            "alert",
        ) == header

    @pytest.mark.parametrize(("format_", "key"), [(Format.FALCO, "output_fields"), (Format.OCSF, "class_uid")])
    def test_the_message_is_json(self, udp, format_, key):
        opened(at(udp, "udp"), format=format_).write(make_alert())

        assert key in json.loads(RFC5424.fullmatch(udp.recv(65536).decode())[7])

    def test_facility_and_severity(self, udp):
        opened(at(udp, "udp"), facility="local7").write(make_alert(priority=Priority.CRITICAL))

        assert udp.recv(65536).startswith(b"<%d>1 " % (23 * 8 + 2))

    def test_an_odd_host_name_keeps_the_header_in_its_form(self, udp):
        opened(at(udp, "udp")).write(make_alert(hostname="my höst\n"))

        assert "my?h?st?" == RFC5424.fullmatch(udp.recv(65536).decode())[3]

    def test_a_message_longer_than_a_datagram_is_cut(self, udp):
        opened(at(udp, "udp")).write(make_alert(output="x" * 100_000))

        assert DATAGRAM_BYTES == len(udp.recv(1 << 17))


class TestTcp:
    @staticmethod
    def message(connection: socket.socket) -> str:
        """By its length in front; fails when there is less."""
        length = b""
        while not length.endswith(b" "):
            length += connection.recv(1)
        return connection.recv(int(length), socket.MSG_WAITALL).decode()

    def test_messages_have_their_length_in_front(self, tcp):
        sink = opened(at(tcp, "tcp"))
        for output in ("ä" * 10_000, "b"):
            sink.write(make_alert(output=output))
        connection, _ = tcp.accept()
        with connection:
            found = [json.loads(RFC5424.fullmatch(self.message(connection))[7])["output"] for _ in range(2)]
        sink.close()

        assert ["ä" * 10_000, "b"] == found

    def test_a_connection_that_the_server_closed_is_made_anew_before_it_is_used(self, tcp):
        sink = opened(at(tcp, "tcp"))
        sink.write(make_alert(output="a"))
        first, _ = tcp.accept()
        self.message(first)
        first.close()
        sink.write(make_alert(output="b"))
        second, _ = tcp.accept()
        with second:
            found = json.loads(RFC5424.fullmatch(self.message(second))[7])["output"]
        sink.close()

        assert "b" == found

    def test_a_server_that_is_not_there_is_named(self, tcp):
        address = at(tcp, "tcp")
        tcp.close()

        with pytest.raises(SinkError, match=f"^tcp://127.0.0.1:{address.port}: connection refused$"):
            opened(address).write(make_alert())


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_what_is_no_host_name_is_named(transport):
    with pytest.raises(SinkError, match=rf"^{transport}://a\.\.b:514: not a host name$"):
        opened(SyslogAddress(transport, "a..b", 514)).write(make_alert())


class TestLocalSocket:
    def test_the_form_is_that_of_the_c_library(self, tmp_path, monkeypatch):
        monkeypatch.setenv("TZ", "XXX-2")
        time.tzset()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(tmp_path / "log"))
            opened(SyslogAddress("unix", str(tmp_path / "log"))).write(make_alert())
            found = receiver.recv(65536).decode()
        monkeypatch.undo()
        time.tzset()

        assert found.startswith(f"<{WARNING_OF_DAEMON}>Feb  3 06:05:06 monitord[{os.getpid()}]: {{")

    def test_a_daemon_that_starts_again_is_found_again(self, tmp_path):
        path = tmp_path / "log"
        sink = opened(SyslogAddress("unix", str(path)))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(path))
            sink.write(make_alert())
        with pytest.raises(SinkError, match=f"^{path}: connection refused$"):
            sink.write(make_alert())
        path.unlink()
        with pytest.raises(SinkError, match=f"^{path}: no such file or directory$"):
            sink.write(make_alert())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(path))
            sink.write(make_alert(rule="again"))

            assert b'"rule":"again"' in receiver.recv(65536)


class TestRsyslog:
    @pytest.fixture
    def rsyslog(self, tmp_path):
        """Debian's rsyslogd with a socket and ports of its own, and what it understood, a line per message."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        (tmp_path / "conf").write_text(f"""\
module(load="imuxsock" SysSock.Use="off")
module(load="imudp")
module(load="imtcp")
input(type="imuxsock" Socket="{tmp_path}/log")
input(type="imudp" address="127.0.0.1" port="{port}")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="all" type="string" string="%inputname% %app-name% %procid% %syslogseverity-text% %msg%\\n")
*.* action(type="omfile" file="{tmp_path}/out" template="all")
""")
        command = ["/usr/sbin/rsyslogd", "-n", "-f", str(tmp_path / "conf"), "-i", str(tmp_path / "pid")]
        process = subprocess.Popen(command)
        until((tmp_path / "log").exists)
        # What is sent to an UDP port before somebody listens there is lost.
        until(lambda: all(f" 0100007F:{port:04X} " in Path(f"/proc/net/{name}").read_text() for name in ("udp", "tcp")))
        yield tmp_path, port
        process.terminate()
        process.wait(PATIENCE_S)

    def test_it_understands_all_three(self, rsyslog):
        directory, port = rsyslog
        for address in (
            SyslogAddress("unix", f"{directory}/log"),
            SyslogAddress("udp", "127.0.0.1", port),
            SyslogAddress("tcp", "127.0.0.1", port),
        ):
            sink = opened(address)
            until(lambda sink=sink: written(sink))
            sink.close()
        out = directory / "out"
        until(lambda: out.exists() and 3 == out.read_text().count("\n"))
        found = [line.split(maxsplit=4) for line in sorted(out.read_text().splitlines())]

        assert [[name, "monitord", str(os.getpid()), "warning"] for name in ("imtcp", "imudp", "imuxsock")] == [
            words[:4] for words in found
        ]
        assert ["Read shadow"] * 3 == [json.loads(words[4])["rule"] for words in found]


def written(sink: Syslog) -> bool:
    try:
        sink.write(make_alert())
    except SinkError:
        return False
    return True
