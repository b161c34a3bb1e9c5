import contextlib
import json
import os
import socket
import subprocess
import threading

import pytest

import monitord.cli.status
from monitord import __version__
from monitord.cli.status import asked, duration
from tests.support.daemon import COMMAND, environment

ANSWER = {
    "pid": 1,
    "uptime_s": 2,
    "scope": "all",
    "config": "monitord.yaml",
    "rules": {"loaded": 2, "enabled": 1},
    "reload": {"successful": True, "last_success": "2026-01-02"},
    "kernel": "6.1",
    "machine": "x86_64",
    "memory": {"resident_bytes": 1},
    "events": {"per_second": 0, "admitted": 0, "judged": 0},
    "alerts": {"per_second": 0, "made": 0},
    "lost": {},
    "degraded": {},
    "rings": {"count": 1, "capacity_bytes": 1, "fullest_bytes": 0},
    "threads": {},
    "queues": {},
    "outputs": {},
}


def status(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*COMMAND, "status", *words], env=environment(), capture_output=True, text=True)


@pytest.fixture
def answering(tmp_path):
    """A socket that gives one answer, whatever is asked."""
    path = tmp_path / "socket"
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def answering(answer: bytes):
        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return str(path)

    yield answering
    server.close()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (7200, "2 h"), (93784, "1 d 2 h"), (86401, "1 d 1 s")],
)
def test_durations(seconds, text):
    assert text == duration(seconds)


class TestTrouble:
    def test_no_daemon(self, tmp_path):
        done = status("--socket", str(tmp_path / "none"))

        assert (1, "") == (done.returncode, done.stdout)
        assert (
            f"monitord status: {tmp_path}/none: no such file or directory; does the daemon run? "
            "--socket names another place\n"
        ) == done.stderr

    def test_a_dead_daemons_socket(self, tmp_path):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "dead"))
        done = status("--socket", str(tmp_path / "dead"))

        assert 1 == done.returncode
        assert "connection refused; does the daemon run?" in done.stderr

    @pytest.mark.parametrize(
        "answer",
        [b"", b"SSH-2.0\r\n", b"\xff\n", b"[]\n", b"5\n", b'"no error"\n', b'{"a": 1}\n', b"[" * 100_000 + b"\n"],
        ids=lambda answer: answer[:8].decode("latin-1"),
    )
    def test_something_else(self, answering, answer):
        done = status("--socket", answering(answer))

        assert (1, "") == (done.returncode, done.stdout)
        assert done.stderr.endswith("what answers there is not monitord\n")

    @pytest.mark.parametrize(("key", "value"), [("threads", []), ("queues", None), ("rings", {"count": 0})])
    def test_another_version_is_named(self, answering, key, value):
        answer = {**ANSWER, "version": "0.0.9", key: value}
        done = status("--socket", answering(json.dumps(answer).encode() + b"\n"))

        assert (1, "") == (done.returncode, done.stdout)
        assert done.stderr.endswith(f": monitord 0.0.9 answers there, and this is {__version__}; restart the daemon\n")

    def test_one_that_answers_a_byte_now_and_then_is_left(self, tmp_path, monkeypatch):
        monkeypatch.setattr(monitord.cli.status, "TIMEOUT_S", 0.5)
        path, ended = tmp_path / "socket", threading.Event()

        def serve() -> None:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                while not ended.wait(0.1):
                    client.sendall(b" ")

        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            thread = threading.Thread(target=serve)
            thread.start()
            threading.Timer(5, ended.set).start()
            with pytest.raises(TimeoutError):
                asked(path)
            ended.set()
            thread.join()

    def test_an_error_is_shown(self, answering):
        done = status("--socket", answering(json.dumps({"error": "too old"}).encode() + b"\n"))

        assert (1, "") == (done.returncode, done.stdout)
        assert done.stderr.endswith(": too old\n")

    def test_who_may_not_ask_is_told(self, tmp_path):
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            server.listen()
            path.chmod(0o600)
            for directory in (tmp_path, *tmp_path.parents[:3]):
                if directory.name.startswith(("pytest", "test")):
                    directory.chmod(0o755)
            done = subprocess.run(
                [*COMMAND, "status", "--socket", str(path)],
                env=environment(),
                capture_output=True,
                text=True,
                preexec_fn=lambda: os.setuid(65534),
            )

        assert 2 == done.returncode
        assert "you may not ask; be root, or in the group of the socket" in done.stderr
