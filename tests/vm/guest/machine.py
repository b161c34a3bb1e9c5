"""This machine and monitord.service on it, as an operator sees and handles them."""

import gzip
import json
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from jeepney import DBusAddress, MessageType, Properties
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from systemd.journal import Reader

SERVICE = "monitord.service"
UNIT = "/org/freedesktop/systemd1/unit/monitord_2eservice"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
CONFIG = Path("/etc/monitord/monitord.yaml")
RULES = Path("/etc/monitord/rules.d")
LOG = Path("/var/log/monitord/alerts.jsonl")
DROP_INS = Path(f"/run/systemd/system/{SERVICE}.d")

_TURN = re.search(r"\bvmtest=(\d+)/(\d+)", Path("/proc/cmdline").read_text())


PATIENCE_S = 400.0
"""An emulated processor takes half a minute to start the daemon, and another machine runs beside this one."""

T = TypeVar("T")


def does(part: int) -> bool:
    """Whether a part of what one kernel is enough for is done by this machine; alone, it does everything."""
    return _TURN is None or part % int(_TURN[2]) == int(_TURN[1])


def run(command: str, code: int | None = 0, timeout_s: float = PATIENCE_S) -> str:
    """
    Run a shell command.

    :param code: the exit code that it must have, None for any.
    :return: what it printed, errors included.
    """
    done = subprocess.run(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
    )
    assert code in (None, done.returncode), f"{command}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def until(found: Callable[[], T], timeout_s: float = PATIENCE_S) -> T:
    """What `found` returns, as soon as it is true. What takes long to ask is asked less often."""
    begin_s = asked_s = time.monotonic()
    while not (result := found()):
        now_s = time.monotonic()
        assert now_s - begin_s < timeout_s, f"not within {timeout_s:g} s; the journal says:\n{journal()[-3000:]}"
        time.sleep(max(0.3, 3 * (now_s - asked_s)))
        asked_s = time.monotonic()
    return result


def prop(name: str) -> str:
    """A property of the service. systemd itself is asked: a ``systemctl show`` takes half a second here."""
    for interface in ("Service", "Unit"):
        asked = DBusAddress(UNIT, "org.freedesktop.systemd1", f"org.freedesktop.systemd1.{interface}")
        answer = _bus().send_and_get_reply(Properties(asked).get(name), timeout=PATIENCE_S)
        if answer.header.message_type is MessageType.method_return:
            return str(answer.body[0][1])
    raise AssertionError(f"{name}: {answer.body}")


@cache
def _bus() -> DBusConnection:
    return open_dbus_connection(bus="SYSTEM")


def main_pid() -> int:
    """The daemon's."""
    return int(prop("MainPID"))


def wait_active() -> None:
    """Until the service has said READY."""
    until(lambda: prop("ActiveState") == "active")


def now() -> float:
    """The end of the journal; `journal` takes it as a beginning."""
    _sync()
    return time.time()


def entries(*alternatives: Mapping[str, str | Sequence[str]], since_s: float | None = None) -> list[Mapping[str, Any]]:
    """
    Entries of the journal of this boot.

    :param alternatives: fields and their values; an entry has all of one alternative, and of several values one.
    :param since_s: Unix time. Not a cursor: behind one, systemd 252 passes over the first entry that matches.
    """
    _sync()
    with Reader() as reader:
        for alternative in alternatives:
            reader.add_disjunction()
            for field, values in {"_BOOT_ID": BOOT_ID, **alternative}.items():
                for value in [values] if isinstance(values, str) else values:
                    reader.add_match(f"{field}={value}")
        if since_s is not None:
            reader.seek_realtime(since_s)
        return list(reader)


def _sync() -> None:
    """Until the journal has what was written to it before; what ``journalctl --sync`` does."""
    with socket.socket(socket.AF_UNIX) as journald:
        journald.settimeout(PATIENCE_S)
        journald.connect("/run/systemd/journal/io.systemd.journal")
        journald.sendall(b'{"method":"io.systemd.Journal.Synchronize"}\0')
        assert b"error" not in journald.recv(4096)


def journal(since_s: float | None = None) -> str:
    """What the daemon, and systemd of it, wrote to the journal of this boot."""
    return _text(entries({"_SYSTEMD_UNIT": SERVICE}, {"UNIT": SERVICE, "_PID": "1"}, since_s=since_s))


def daemon_said(since_s: float, **fields: str | Sequence[str]) -> str:
    """
    What the daemon alone wrote.

    :param fields: of the entries, one value or several.
    """
    return _text(entries({"SYSLOG_IDENTIFIER": "monitord", **fields}, since_s=since_s))


def _text(found: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"{entry['MESSAGE']}\n" for entry in found)


def alerts(*paths: Path, containing: str = "") -> list[dict]:
    """
    The lines of the alert log, of these files of it; every one must be whole.

    :param containing: what others are left out without; thousands of lines take seconds here.
    """
    lines = []
    for path in paths or (LOG,):
        if not path.exists():
            continue
        text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
        assert text == "" or text.endswith("\n")
        lines += [line for line in text.splitlines() if containing in line]
    return [json.loads(line) for line in lines]


def alert(rule: str, text: str) -> dict:
    """The first alert of a rule whose message has this text in it, as soon as it is in the log."""
    return until(
        lambda: next(
            (found for found in alerts(containing=text) if found["rule"] == rule and text in found["output"]), {}
        )
    )


def refused() -> list[str]:
    """What the daemon said, line by line, of a start that failed with exit code 2 and was not repeated."""
    before = now()
    run(f"systemctl start {SERVICE}", 1)
    # Were it to be repeated, it would be "activating".
    assert ("failed", "2", "0") == (prop("ActiveState"), prop("ExecMainStatus"), prop("NRestarts"))
    return daemon_said(before).splitlines()


class Metrics:
    """One scrape."""

    def __init__(self) -> None:
        with urllib.request.urlopen("http://127.0.0.1:9750/metrics", timeout=PATIENCE_S) as answer:
            self.text = answer.read().decode()

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels."""
        samples = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", self.text, re.MULTILINE)
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(number) for found, number in samples if all(part in found for part in wanted))

    def lost(self) -> float:
        """Events, at all stages."""
        return self.value("monitord_events_lost_total")


def settled() -> Metrics:
    """A scrape that finds every admitted event judged or lost."""

    def all_judged() -> Metrics | None:
        now = Metrics()
        judged = now.value("monitord_events_total", stage="judged")
        return now if judged + now.lost() == now.value("monitord_events_total", stage="admitted") else None

    return until(all_judged)


def read_secret(mark: str) -> None:
    """An attack that cannot be mistaken for another: /etc/shadow is read, and the command line says which."""
    run(f"cat /etc/shadow /nowhere/{mark} >/dev/null", 1)


def seen(mark: str) -> dict:
    """The alert of `read_secret`."""
    return alert("Password file read", f"/nowhere/{mark} ")


def drop_in(**settings: str) -> None:
    """Change settings of the service until the next boot; without any, take all changes back."""
    run(f"rm -rf {DROP_INS}")
    if settings:
        DROP_INS.mkdir(parents=True)
        (DROP_INS / "test.conf").write_text("[Service]\n" + "".join(f"{k}={v}\n" for k, v in settings.items()))
    run("systemctl daemon-reload")
