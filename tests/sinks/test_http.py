import contextlib
import http.client
import logging
import socket
import subprocess
import threading
import time
import tracemalloc
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest

from monitord.abi.arch import Abi
from monitord.model.counts import BUCKET_BOUNDS_NS, Latency, SyscallCount
from monitord.model.priority import Priority
from monitord.sinks.http import CONNECTIONS, ListenError, MetricsServer
from monitord.sinks.metrics.collector import renderer
from monitord.sinks.metrics.readings import Readings
from monitord.telemetry import ProgramStats, Telemetry
from tests.support.daemon import PATIENCE_S, until
from tests.support.descriptors import no_descriptors
from tests.support.threads import no_threads


@pytest.fixture
def serve():
    """Starts servers on free ports, and ends them."""
    servers = []

    def serve(render=lambda accept: ("text/plain", b"a 1\n"), address="127.0.0.1") -> MetricsServer:
        server = MetricsServer(address, 0, render)
        servers.append(server)
        server.start()
        return server

    yield serve
    for server in servers:
        server.close()


def ask(server: MetricsServer, request: bytes) -> tuple[bytes, bytes]:
    """All that is answered: the first line, and the rest."""
    with socket.create_connection(("127.0.0.1", server.port)) as client, client.makefile("rb") as answer:
        client.sendall(request)
        return answer.readline(), answer.read()


def nothing(accept: str) -> tuple[str, bytes]:
    """No metrics."""
    return "text/plain", b""


def get(server: MetricsServer, path: str, address="127.0.0.1") -> bytes:
    with urllib.request.urlopen(f"http://{address}:{server.port}{path}") as answer:
        return answer.read()


class TestAnswers:
    def test_metrics(self, serve):
        assert b"a 1\n" == get(serve(), "/metrics")

    def test_a_query_changes_nothing(self, serve):
        assert b"a 1\n" == get(serve(), "/metrics?x=1")

    def test_the_index_links_to_the_metrics(self, serve):
        assert b'href="/metrics"' in get(serve(), "/")

    def test_there_is_nothing_else(self, serve):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(serve(), "/etc/passwd")

    def test_ipv6(self, serve):
        assert b"a 1\n" == get(serve(address="::1"), "/metrics", "[::1]")

    def test_a_scrape_that_fails_is_an_error_and_the_next_is_not(self, serve, caplog):
        divisors = iter([0, 7])
        server = serve(lambda accept: ("text/plain", b"%d" % (161 // next(divisors))))
        with caplog.at_level(logging.CRITICAL), pytest.raises(urllib.error.HTTPError, match="500"):
            get(server, "/metrics")

        assert b"23" == get(server, "/metrics")

    def test_a_client_that_says_nothing_does_not_hold_up_others(self, serve):
        server = serve()
        with socket.create_connection(("127.0.0.1", server.port)):
            assert b"a 1\n" == get(server, "/metrics")

    @pytest.mark.parametrize(
        "request_line", [b"\xff\xfe nonsense", b"POST /metrics", b"GET /metrics SSH-2.0", b"GET / x HTTP/1.1"]
    )
    def test_a_request_that_is_not_http_is_refused(self, serve, request_line):
        _, rest = ask(serve(), request_line + b"\r\n\r\n")

        assert b"Error code: 400" in rest

    def test_a_request_without_a_word_gets_none(self, serve):
        assert (b"", b"") == ask(serve(), b"\r\n\r\n")

    def test_the_format_asked_for(self, serve):
        server = serve(lambda accept: (f"text/{accept}", b"a 1\n"))
        status, rest = ask(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: x\r\nUser-Agent: Prometheus\r\n\r\n")

        assert b"HTTP/1.0 200 OK\r\n" == status
        assert rest.endswith(b"Content-Type: text/x\r\nContent-Length: 4\r\n\r\na 1\n")

    def test_to_head_the_length_is_all(self, serve):
        status, rest = ask(serve(), b"HEAD /metrics HTTP/1.0\r\n\r\n")

        assert b"HTTP/1.0 200 OK\r\n" == status
        assert rest.endswith(b"Content-Length: 4\r\n\r\n")

    def test_nothing_can_be_changed(self, serve):
        status, _ = ask(serve(), b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n")

        assert b"HTTP/1.0 501 " == status[:13]


class TestLongRequests:
    @pytest.mark.parametrize(
        ("request_head", "status"),
        [
            (b"GET /" + b"x" * 70_000, 414),
            (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101, 431),
            (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000, 431),
            (b"GET / HTTP/1.1\r\n" + b"X: %b\r\n" % (b"y" * 9_000) * 9, 431),
        ],
        ids=["line", "headers", "header", "all headers"],
    )
    def test_are_refused(self, serve, request_head, status):
        with socket.create_connection(("127.0.0.1", serve().port)) as client:
            client.sendall(request_head)

            assert client.recv(4096).startswith(b"HTTP/1.0 %d " % status)

    def test_take_no_memory(self, serve):
        """http.server takes 100 headers of 64 KiB, and makes copies of them."""
        server, request = serve(), b"GET / HTTP/1.1\r\n" + b"X: %b\r\n" % (b"y" * 65_000) * 99
        tracemalloc.start()
        try:
            with ExitStack() as clients:
                for _ in range(CONNECTIONS):
                    client = clients.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                    with contextlib.suppress(OSError):  # it is closed while we send
                        client.sendall(request)
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert peak_bytes < 4 << 20


class TestManyClients:
    """Any user of the machine can connect to loopback, and a service may have 64 threads."""

    def test_they_take_no_more_threads_than_are_for_them_and_a_scrape_is_answered(self, serve):
        server, before = serve(), threading.active_count()
        with ExitStack() as clients:
            for _ in range(5 * CONNECTIONS):
                clients.enter_context(socket.create_connection(("127.0.0.1", server.port)))

            assert b"a 1\n" == get(server, "/metrics")
            until(lambda: threading.active_count() <= before + CONNECTIONS)

    def test_the_oldest_that_says_nothing_makes_room(self, serve):
        server = serve()
        with ExitStack() as stack:
            place = ("127.0.0.1", server.port)
            first, *_ = [stack.enter_context(socket.create_connection(place)) for _ in range(CONNECTIONS + 1)]
            first.settimeout(PATIENCE_S)

            assert b"" == first.recv(1)

    def test_without_descriptors_it_waits_and_takes_no_processor(self, serve):
        server = serve()
        with socket.socket() as client:
            with no_descriptors():
                client.connect(("127.0.0.1", server.port))
                used_s = time.process_time()
                time.sleep(0.5)

                assert 0.1 > time.process_time() - used_s
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            client.settimeout(PATIENCE_S)

            assert client.makefile("rb").read().endswith(b"a 1\n")

    def test_without_a_thread_a_connection_is_closed_and_the_next_is_served(self, serve):
        server = serve()
        with no_threads(), socket.create_connection(("127.0.0.1", server.port)) as client:
            client.settimeout(PATIENCE_S)

            assert b"" == client.recv(1)
        assert b"a 1\n" == get(server, "/metrics")


class TestListening:
    def test_a_port_in_use_is_named_with_the_next_step(self, serve):
        port = serve().port
        with pytest.raises(ListenError) as caught:
            MetricsServer("127.0.0.1", port, nothing)

        assert (
            f"cannot serve metrics on 127.0.0.1:{port}: Address already in use; "
            "change metrics.address, or give --metrics ADDR:PORT"
        ) == str(caught.value)

    def test_what_is_no_address_is_named(self):
        with pytest.raises(ListenError, match=r"cannot serve metrics on .*; change metrics\.address"):
            MetricsServer("a..b", 9750, nothing)

    @pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
    def test_an_address_that_the_network_will_bring_is_waited_for(self, serve, address, caplog):
        serve(address=address)

        assert [f"metrics.address: this machine has no address {address} yet"] == caplog.messages

    def test_after_close_the_port_is_free(self, serve):
        server = serve()
        server.close()

        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", server.port).connect()

    def test_a_close_does_not_wait(self, serve):
        """One that looks twice a second whether it is to end takes 5 s for twenty."""
        servers = [serve() for _ in range(20)]
        begin_s = time.monotonic()
        for server in servers:
            server.close()

        assert 2 > time.monotonic() - begin_s

    def test_one_that_never_started_closes(self):
        server = MetricsServer("127.0.0.1", 0, nothing)
        port = server.port
        server.close()
        again = MetricsServer("127.0.0.1", port, nothing)
        again.close()

        assert port == again.port


def test_promtool_has_nothing_to_say(serve):
    """Prometheus' own linter on a scrape in which every metric has a sample."""
    telemetry = Telemetry()
    telemetry.register_rules({"Read shadow": Priority.WARNING})
    telemetry.register_sink("console")
    telemetry.register_queue("events", 64, lambda: 3)
    latency = Latency(5_000, (1,) * (len(BUCKET_BOUNDS_NS) + 1))
    readings = Readings(
        counts=lambda: {(Abi.X86_64, 257): SyscallCount(23, {2: 7}, latency)},
        admitted=int,
        losses=dict,
        ignored=dict,
        degraded=dict,
        programs=lambda: {"sys_exit": ProgramStats(7, 1_000)},
        syscall_name=lambda abi, nr: "openat",
        errno_name=lambda number: "ENOENT",
    )
    body = get(serve(renderer(telemetry, readings)), "/metrics")
    lint = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True)

    assert (0, b"", b"") == (lint.returncode, lint.stdout, lint.stderr)
