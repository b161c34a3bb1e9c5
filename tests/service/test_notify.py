"""What systemd is told, on a real notification socket."""

import re
import socket
import subprocess
import sys

import pytest

from monitord.service.notify import READY, notifier, reloading, status


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    """The receiving end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


class TestNotifier:
    def test_state_arrives(self, systemd):
        notifier()(READY)

        assert b"READY=1" == systemd.recv(4096)

    def test_state_goes_nowhere_when_systemd_did_not_ask(self, monkeypatch):
        monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

        assert None is notifier()(READY)

    def test_socket_that_is_gone_is_said_in_the_log_and_no_error(self, systemd, tmp_path, caplog):
        notify = notifier()
        (tmp_path / "notify").unlink()
        notify(READY)

        assert ["cannot notify systemd of 'READY=1': No such file or directory"] == caplog.messages

    def test_missing_library_is_said_with_the_next_step(self, systemd):
        """In an interpreter of its own, where the module cannot be imported."""
        run = (
            "import sys; sys.modules['systemd'] = None\n"
            "from monitord.service.notify import NotifyError, notifier\n"
            "try:\n    notifier()\nexcept NotifyError as err:\n    print(err)\n"
        )
        done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)

        assert "NOTIFY_SOCKET is set, but Python has no systemd module: apt install python3-systemd\n" == done.stdout


class TestStates:
    def test_reload_tells_its_time(self):
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", reloading())

    def test_status_is_one_line(self):
        assert "STATUS=two lines" == status("two\nlines")
