"""What is behind a descriptor: told by the kernel, compared with what the program itself found out."""

import json
import os
import socket
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest

from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.value import Missing
from tests.support.live import PROGRAMS, Gated, events_of, interest, scope_of, watching

pytestmark = pytest.mark.bpf

KINDS = {
    "anon_inode:[eventfd]": "e",
    "anon_inode:[eventpoll]": "l",
    "anon_inode:[timerfd]": "t",
    "anon_inode:inotify": "i",
    "anon_inode:[signalfd]": "s",
    "anon_inode:[pidfd]": "P",
    "anon_inode:[io_uring]": "r",
    "/memfd:a name (deleted)": "m",
}


def run(tmp_path: Path, seed: int | str, wrapper=(), **popen) -> tuple[list[dict], list[Event]]:
    """What the program wrote down, and the events of the fsync behind each line; by process, in order."""
    truth = tmp_path / "truth"
    tmp_path.chmod(0o777)
    program = [
        "/usr/bin/python3",
        "-S",
        "-E",
        str(PROGRAMS / "descriptors.py"),
        str(truth),
        str(tmp_path / "d"),
        str(seed),
    ]
    gated = Gated([*wrapper, *program], **popen)
    with watching(scope_of(gated), interest("fsync", along=Along.ALL), ring_pages=1024) as source:
        assert 0 == gated.run()
        events = events_of(source)
    lines = [json.loads(line) for line in truth.read_text().splitlines()]
    by_pid: defaultdict[int, list[Event]] = defaultdict(list)
    for event in events:
        assert event.task is not Missing.LOST
        by_pid[event.task.vpid].append(event)
    in_order = [by_pid[line["pid"]].pop(0) for line in lines]
    assert not any(by_pid.values())
    return lines, in_order


def agree(line: dict, event: Event) -> None:
    """An event says what is true."""
    link = line["link"]
    assert line["fd"] == event.args[0]
    if link is None:
        assert Missing.FAULT is event.file(0)
        assert Missing.NOT_APPLICABLE is event.socket(0)
    elif link.startswith("socket:"):
        agree_on_socket(line, event)
    else:
        agree_on_file(line, event)


def agree_on_file(line: dict, event: Event) -> None:
    file, link = event.file(0), line["link"]
    deleted = link.endswith(" (deleted)") and not link.startswith("/memfd:")
    path = file.path.encode("utf-8", "surrogateescape").decode("latin-1")
    assert (link.removesuffix(" (deleted)") if deleted else link) == path
    assert (line["ino"], line["nlink"] == 0 and not link.startswith("anon_inode:")) == (file.ino, file.deleted)
    if link in KINDS:
        expected = KINDS[link]
    elif link.startswith("pipe:") or "fifo" in link:
        expected = "p"
    else:
        expected = "d" if os.path.stat.S_ISDIR(line["mode"]) else "f"
    assert expected == file.type_char
    if link.startswith("/"):
        assert line["mode"] == file.mode


def agree_on_socket(line: dict, event: Event) -> None:
    own = event.socket(0)
    assert f"socket:[{own.ino}]" == line["link"]
    assert (line["family"], line["type"], line["protocol"]) == (own.family, own.type, own.protocol)
    for side, address, port in (("local", own.local, own.local_port), ("remote", own.remote, own.remote_port)):
        name = line[side]
        if own.family == socket.AF_UNIX:
            assert (name or "").replace("\0", "@") == ("" if isinstance(address, Missing) else address)
        elif own.is_ip and name:
            assert [name[0].removeprefix("::ffff:"), name[1]] == [address, port]
    if own.is_ip or own.family == socket.AF_UNIX:
        listening = line["remote"] is None
        assert (own.connected, event.socket(0).type_char) == (
            not listening,
            {socket.AF_UNIX: "u", socket.AF_INET: "4"}.get(own.family, "4" if "." in str(own.local) else "6"),
        )


class TestDescriptors:
    def test_every_kind_is_told(self, tmp_path):
        lines, events = run(tmp_path, 0)

        for line, event in zip(lines, events, strict=True):
            agree(line, event)
        assert {*"fdpmeltisPu46n"} <= {
            (event.file(0) if isinstance(event.socket(0), Missing) else event.socket(0)).type_char for event in events
        }

    @pytest.mark.parametrize("seed", [7, 11, 13])
    def test_duplicated_passed_inherited_and_closed_in_any_order(self, tmp_path, seed):
        lines, events = run(tmp_path, seed)

        for line, event in zip(lines, events, strict=True):
            agree(line, event)
        assert len({line["pid"] for line in lines}) > 2
        assert {line["link"] is None for line in lines} == {True, False}

    def test_of_a_process_that_shares_them_with_another(self, tmp_path):
        """CLONE_FILES."""
        lines, events = run(tmp_path, "shared")

        for line, event in zip(lines, events, strict=True):
            agree(line, event)
        assert ["/etc/hostname", None] == [line["link"] for line in lines]

    def test_one_from_before_anybody_looked(self, tmp_path):
        with open("/etc/passwd") as before:
            lines, events = run(tmp_path, 0, stdin=before)

        agree(lines[0], events[0])
        assert "/etc/passwd" == events[0].file(0).path

    def test_of_an_ordinary_user(self):
        with tempfile.TemporaryDirectory() as name:
            lines, events = run(Path(name), 0, user=61234, group=61235)
            for line, event in zip(lines, events, strict=True):
                agree(line, event)

    def test_in_another_pid_and_mount_namespace(self, tmp_path):
        lines, events = run(tmp_path, 17, ["/usr/bin/unshare", "-m", "-p", "-f", "--mount-proc"])

        for line, event in zip(lines, events, strict=True):
            agree(line, event)
        assert 1 in {line["pid"] for line in lines}
