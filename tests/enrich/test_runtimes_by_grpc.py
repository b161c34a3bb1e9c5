"""Servers on unix sockets that speak gRPC as CRI-O or an old containerd do, and some that speak nothing at all."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.enrich.runtimes.connection import ANSWER_BYTES, TIMEOUT_S
from monitord.enrich.runtimes.grpc import call
from monitord.enrich.runtimes.kinds import runtimes_at
from monitord.enrich.runtimes.protobuf import Message, write
from monitord.model.inspection import Inspection
from monitord.model.placement import Placement
from monitord.model.value import Missing
from tests.support.daemon import CHECKOUT, until
from tests.support.http2 import Grpc, Raw

ID = "4f0c" * 16
SANDBOX = "a1b2" * 16
IMAGE = "c0de" * 16
CONTAINER = Placement(ID, "cri-o")

# As CRI-O answers: the image by its id alone, and what is privileged at the top of the information.
STATUS = {
    2: {1: "nginx"},
    5: 1_770_091_506_000_000_007,
    8: {1: IMAGE},
    9: "quay.io/shop/web@sha256:d1",
    12: [{1: "tier", 2: "front"}],
    14: [{1: "/data", 2: "/srv", 3: 1, 5: 2}],
}
POD = {
    1: SANDBOX,
    2: {1: "web-0", 2: "u-1", 3: "shop"},
    5: {1: "10.85.0.7"},
    6: {1: {2: {2: 2}}},
    7: [{1: "app", 2: "web"}],
}


def crio(version="v1", **changes):
    """Answers by method."""
    answers = {
        "RuntimeService/Version": {1: "0.1.0", 2: "cri-o"},
        "RuntimeService/ListContainers": {1: [{1: ID, 2: SANDBOX, 5: IMAGE}]},
        "RuntimeService/ContainerStatus": {1: STATUS, 2: [{1: "info", 2: '{"privileged": true}'}]},
        "RuntimeService/PodSandboxStatus": {1: POD},
        "RuntimeService/ListPodSandbox": {},
        "ImageService/ImageStatus": {1: {1: IMAGE, 2: ["quay.io/shop/web:1.25"], 3: ["quay.io/shop/web@sha256:d1"]}},
    } | changes
    return {
        f"runtime.{version}.{method}": answer if isinstance(answer, tuple) else (0, write(answer))
        for method, answer in answers.items()
    }


@pytest.fixture
def serve(tmp_path):
    """Makes servers, closed at the end."""
    made = []

    def make(kind, what):
        made.append(kind(tmp_path / f"{len(made)}.sock", what))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()


def answer(runtimes, placement=CONTAINER):
    """What is known once somebody has answered."""
    return until(lambda: (found := runtimes.inspection(placement)) is not Missing.LATE and found)


def counted(runtimes, described=0, unknown=0, failed=0):
    """So many questions had these ends. They are counted behind the answer."""
    expected = {"described": described, "unknown": unknown, "failed": failed}
    until(lambda: sum(runtimes.results.values()) >= sum(expected.values()))
    assert expected == runtimes.results


class TestCriO:
    def test_a_container_is_described(self, serve, asking):
        found = answer(asking(serve(Grpc, crio()).server_address))

        assert ("nginx", "quay.io/shop/web:1.25", "quay.io/shop/web", "1.25", "sha256:d1", IMAGE) == (
            found.name,
            found.image,
            found.repository,
            found.tag,
            found.digest,
            found.image_id,
        )
        assert ("web-0", "shop", SANDBOX, "10.85.0.7", {"app": "web"}) == (
            found.pod.name,
            found.pod.namespace,
            found.pod.sandbox_id,
            found.pod.ip,
            found.pod.labels,
        )
        assert (True, True, False) == (found.privileged, found.host_pid, found.host_network)
        assert ("/srv", "/data", False, "rshared") == (
            found.mounts[0].source,
            found.mounts[0].dest,
            found.mounts[0].writable,
            found.mounts[0].propagation,
        )
        assert STATUS[5] == found.start_ns

    def test_an_old_runtime_speaks_an_old_version(self, serve, asking):
        server = serve(Grpc, crio("v1alpha2"))

        assert "nginx" == answer(asking(server.server_address)).name
        assert ["CRI v1alpha2"] == [one.protocol for one in runtimes_at(server.server_address)]

    def test_what_it_does_not_know_is_asked_of_the_next(self, serve, asking):
        first = serve(Grpc, crio(**{"RuntimeService/ListContainers": {}}))
        runtimes = asking(first.server_address, serve(Grpc, crio()).server_address)

        assert "nginx" == answer(runtimes).name
        counted(runtimes, described=1)

    def test_one_that_nobody_knows_is_asked_for_ever_more_seldom(self, serve, asking):
        now_s = [0.0]
        server = serve(Grpc, crio(**{"RuntimeService/ListContainers": {}}))
        runtimes = asking(server.server_address, clock=lambda: now_s[0])
        asked_s = []
        while now_s[0] < 3600:
            before = runtimes.results["unknown"]
            runtimes.inspection(CONTAINER)
            if not asked_s or now_s[0] - asked_s[-1] >= min(10 * 2 ** (len(asked_s) - 1), 600):
                asked_s.append(now_s[0])
                until(lambda before=before: runtimes.results["unknown"] > before)
            now_s[0] += 5

        assert [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030] == asked_s
        assert len(asked_s) == server.asked.count("runtime.v1.RuntimeService/ListContainers")

    def test_a_container_that_ends_meanwhile_is_unknown(self, serve, asking):
        runtimes = asking(serve(Grpc, crio(**{"RuntimeService/ContainerStatus": (5, b"")})).server_address)

        assert Missing.UNKNOWN is answer(runtimes)
        counted(runtimes, unknown=1)

    def test_one_that_refuses_is_said_once(self, serve, asking, caplog):
        server = serve(Grpc, crio(**{"RuntimeService/ListContainers": (13, b"")}))
        runtimes = asking(server.server_address)

        assert Missing.UNKNOWN is answer(runtimes)
        assert Missing.UNKNOWN is answer(runtimes, Placement(SANDBOX, "cri-o"))
        counted(runtimes, failed=2)
        assert 1 == caplog.text.count("has no answer: gRPC status 13")

    def test_one_odd_container_among_others_is_said_once(self, serve, asking, caplog):
        now_s = [0.0]
        server = serve(Grpc, crio())
        runtimes = asking(server.server_address, clock=lambda: now_s[0])
        whole = server.answers["runtime.v1.RuntimeService/ContainerStatus"]
        for number in range(3):
            server.answers["runtime.v1.RuntimeService/ContainerStatus"] = (13, b"")
            assert Missing.UNKNOWN is answer(runtimes, Placement(f"{number}" * 64, "cri-o"))
            server.answers["runtime.v1.RuntimeService/ContainerStatus"] = whole
            assert "nginx" == answer(runtimes, Placement(f"{number}a" * 32, "cri-o")).name

        counted(runtimes, described=3, failed=3)
        assert 1 == caplog.text.count("has no answer")

    def test_one_that_says_it_had_no_time_is_left_alone(self, serve, asking, caplog):
        """It looks at the same clock as we do, and so can be the first to give up."""
        server = serve(Grpc, crio(**{"RuntimeService/ListContainers": (4, b"")}))
        runtimes = asking(server.server_address)
        answer(runtimes)
        server.answers.clear()
        answer(runtimes, Placement(SANDBOX, "cri-o"))

        assert ["timed out"] == [record.getMessage().rpartition(": ")[2] for record in caplog.records]

    def test_it_is_found_again_after_it_was_away(self, asking, tmp_path, serve):
        now_s = [0.0]
        runtimes = asking(tmp_path / "0.sock", clock=lambda: now_s[0])
        assert Missing.UNKNOWN is answer(runtimes)
        serve(Grpc, crio())
        now_s[0] += 11

        until(lambda: isinstance(runtimes.inspection(CONTAINER), Inspection))


def send(data):
    def handle(request):
        request.recv(1 << 16)
        request.sendall(data)

    return handle


TRICKLE_S = 0.02


class Trickle:
    """
    Sends a byte now and then, for ever.

    :ivar sent: how many to each connection.
    """

    def __init__(self):
        self.sent = []

    def __call__(self, request):
        sent = 0
        with suppress(OSError):
            while True:
                request.sendall(b"H")
                sent += 1
                time.sleep(TRICKLE_S)
        self.sent.append(sent)


def hang(request):
    with suppress(OSError):
        while request.recv(1 << 16):
            pass


SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HEADERS = b"\0\0\1\1\4\0\0\0\1\x88"  # :status 200
HUGE = (1 << 24) - 1
ODD = {
    "nothing": b"",
    "text": b"hello\n" * 7,
    "bytes": bytes(range(256)) * 7,
    "HTTP/1 that refuses": b"HTTP/1.1 500 No\r\n\r\n",
    "a frame that is too long": HUGE.to_bytes(3, "big") + b"\4\0\0\0\0\0",
    "headers that do not decode": SETTINGS + b"\0\0\1\1\4\0\0\0\1\xff",
    "no status of gRPC": SETTINGS + b"\0\0\1\1\5\0\0\0\1\x88",
    "the end": SETTINGS + b"\0\0\x08\7\0\0\0\0\0" + bytes(8),
    "a reset": SETTINGS + HEADERS + b"\0\0\4\3\0\0\0\0\1\0\0\0\7",
}


class TestWhatGoesWrong:
    @pytest.mark.parametrize("data", ODD.values(), ids=ODD)
    def test_an_odd_server_harms_nobody(self, serve, asking, caplog, data):
        odd = serve(Raw, send(data))

        assert "nginx" == answer(asking(odd.server_address, serve(Grpc, crio()).server_address)).name
        assert 1 == caplog.text.count(f"containers.sockets: {odd.server_address} has no answer: ")

    def test_time_is_for_a_whole_answer(self, serve, asking):
        """A slow machine sends less in that time, and never more: it is told by the bytes."""
        trickle = Trickle()
        slow = serve(Raw, trickle)
        answer(asking(slow.server_address, serve(Grpc, crio()).server_address))
        until(lambda: len(trickle.sent) == slow.connections)

        assert max(trickle.sent) < 1.5 * TIMEOUT_S / TRICKLE_S

    @pytest.mark.parametrize("handle", [hang, Trickle()])
    def test_a_server_without_an_end_is_given_up_and_left_alone(self, serve, asking, handle):
        slow = serve(Raw, handle)
        runtimes = asking(slow.server_address, serve(Grpc, crio()).server_address, clock=lambda: 0.0)
        answer(runtimes)
        connections = slow.connections
        for number in range(7):
            answer(runtimes, Placement(f"{number}" * 64, "cri-o"))

        assert connections == slow.connections

    def test_an_answer_that_is_too_long_is_not_read(self, serve, asking, caplog):
        def flood(request):
            request.recv(1 << 16)
            frame = (16384).to_bytes(3, "big") + b"\0\0\0\0\0\1" + bytes(16384)
            with suppress(OSError):
                request.sendall(SETTINGS + HEADERS + frame * (ANSWER_BYTES // 16384 + 7))

        answer(asking(serve(Raw, flood).server_address))

        assert "has no answer: it does not speak HTTP/2" in caplog.text

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
    def test_where_we_may_not_ask_the_log_says_what_is_missing(self, serve):
        server = serve(Grpc, crio())
        os.chmod(server.server_address, 0o660)
        said = ask_elsewhere(server.server_address, "import os; os.setgroups([]); os.setgid(1); os.setuid(1)")

        assert "has no answer: [Errno 13] Permission denied; the user of the daemon must be in the group" in said

    def test_without_h2_the_log_says_what_to_install(self, serve):
        said = ask_elsewhere(serve(Grpc, crio()).server_address, "import sys; sys.modules['h2'] = None")

        assert "for gRPC h2" in said
        assert "install python3-h2" in said

    def test_no_thread_is_started_before_there_is_a_question(self, asking, tmp_path):
        """It would keep what the daemon gives up after its start."""
        before = set(threading.enumerate())
        runtimes = asking(tmp_path / "0.sock")
        assert set() == set(threading.enumerate()) - before
        answer(runtimes)
        assert ["containers"] == [thread.name for thread in set(threading.enumerate()) - before]


def ask_elsewhere(path, first):
    """What a process of its own logs when it asks."""
    code = (
        "import logging, time\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "from pathlib import Path\n"
        "from monitord.enrich.runtimes.asking import Runtimes\n"
        "from monitord.model.placement import Placement\n"
        f"{first}\n"
        f"runtimes = Runtimes([Path({path!r})])\n"
        "while not any(runtimes.results.values()):\n"
        f"    runtimes.inspection(Placement({ID!r}, 'cri-o')); time.sleep(0.01)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
    ).stderr


class TestProtobuf:
    # Of protobuf's own documentation: 150 in field 1, "testing" in field 2, a message with 150 within field 3.
    BYTES = bytes.fromhex("08 96 01 12 07 74 65 73 74 69 6e 67 1a 03 08 96 01")

    def test_it_is_written_as_documented(self):
        assert self.BYTES == write({1: 150, 2: "testing", 3: {1: 150}})

    def test_it_is_read_as_documented(self):
        message = Message(self.BYTES)

        assert (150, "testing", 150) == (message.number(1), message.text(2), message.message(3).number(1))

    def test_what_is_not_there_is_not_said(self):
        assert (0, Missing.UNKNOWN, "", [], {}) == (
            (empty := Message()).number(1),
            empty.text(2),
            empty.string(2),
            empty.messages(3),
            empty.map(4),
        )

    def test_a_field_of_another_type_is_not_there(self):
        message = Message(write({1: "text", 2: 7}))

        assert (0, Missing.UNKNOWN) == (message.number(1), message.text(2))

    def test_fields_of_fixed_length_are_skipped(self):
        assert 7 == Message(b"\x0d" + bytes(4) + b"\x11" + bytes(8) + write({3: 7})).number(3)

    @given(st.binary(max_size=64))
    def test_any_bytes_are_a_message_or_none(self, data):
        with suppress(ValueError):
            message = Message(data)
            said = message.text(1), message.map(2), message.messages(3), message.number(4)
            assert isinstance(said[3], int)


def test_any_bytes_are_an_answer_or_none(serve):
    sent = bytearray()

    def handle(request):
        send(SETTINGS + HEADERS + sent)(request)

    server = serve(Raw, handle)

    @given(st.binary(max_size=200))
    def ask(data):
        sent[:] = data
        with suppress(OSError, ValueError):
            assert isinstance(call(server.server_address, "a.B/C", {}), Message)

    ask()
