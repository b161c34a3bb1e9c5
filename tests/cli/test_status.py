import json
import os
import socket
import subprocess
import threading

import pytest

from monitord.cli.status import duration
from tests.support.daemon import COMMAND, environment


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
        "answer", [b"", b"SSH-2.0\r\n", b"\xff\n", b"[]\n", b"5\n", b'"no error"\n', b'{"a": 1}\n']
    )
    def test_something_else(self, answering, answer):
        done = status("--socket", answering(answer))

        assert (1, "") == (done.returncode, done.stdout)
        assert done.stderr.endswith("what answers there is not monitord\n")

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
