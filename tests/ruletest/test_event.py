"""Events as people write them."""

import json
import socket
from itertools import pairwise

import pytest

from monitord.abi.arch import Abi
from monitord.abi.event import Capture, Flag, TextFlag
from monitord.model.value import Missing
from monitord.recording.batch import batch_of as batch_again
from monitord.recording.record import to_object
from monitord.rules.fields import CATALOGUE
from monitord.rules.operand import value_of
from monitord.rules.parser import parse_operand
from monitord.rules.reader import read
from monitord.ruletest.event import WrittenError, written_events
from tests.detect.pools import TABLE, rows_of_all_calls
from tests.support.batches import batch_of
from tests.support.detect import FixedContext


@pytest.fixture
def written(tmp_path):
    def make(text):
        path = tmp_path / "event.yaml"
        path.write_text(text)
        [document], problems = read(path)
        assert [] == problems
        return written_events(document, 1)[0]

    return make


@pytest.fixture
def field(written):
    def value(text, name):
        event, context = written(text)
        return value_of(parse_operand(name, 0)[0], event, context, CATALOGUE)

    return value


class TestWhatMatters:
    def test_a_call_alone_is_an_event(self, written):
        event, context = written("call: getppid")

        assert (Abi.X86_64, 110, 0, (0,) * 6, ()) == (event.abi, event.nr, event.ret, event.args, event.texts)
        assert ("program", "bash") == (event.comm, event.parent_comm)
        assert Missing.NOT_APPLICABLE is context.ancestor(event, 2)
        assert event == batch_again([event]).event(0)

    @pytest.mark.parametrize(
        ("text", "name", "value"),
        [
            (
                "call: openat\nargs: {filename: /etc//shadow, mode: '0644'}",
                "fd.name",
                "/etc/shadow",
            ),
            ("call: openat\nargs: {filename: x, flags: O_RDWR|O_CREAT}", "evt.arg.flags", "O_RDWR|O_CREAT"),
            ("call: openat\nargs: {name: x, mode: '0644'}", "evt.arg.mode", "0644"),
            ("call: openat\nargs: {filename: x}\nprocess: {cwd: /srv}", "fd.name", "/srv/x"),
            ("call: openat\nargs: {filename: x, dfd: 7}\npaths: {filename: /y/x}", "fd.name", "/y/x"),
            ("call: openat\nargs: {filename: x, dfd: 7}", "fd.name", Missing.LATE),
            ("call: openat\nargs: {filename: {missing: fault}}", "fd.name", Missing.FAULT),
            ("call: openat2\nargs: {filename: x, flags: O_WRONLY}", "evt.is_open_write", True),
            ("call: openat\nret: -ENOENT", "evt.res", "ENOENT"),
            ("call: openat\nret: EACCES", "evt.rawres", -13),
            ("call: openat", "fd.num", 3),
            ("call: connect\nargs: {uservaddr: '10.0.0.7:443'}", "fd.sip", "10.0.0.7"),
            ("call: connect\nargs: {addr: '[fd00::7]:443'}", "fd.name", "[fd00::7]:443"),
            ("call: connect\nargs: {addr: /run/x.sock}", "fd.name", "/run/x.sock"),
            ("call: connect\nargs: {addr: '@x'}", "fd.name", "@x"),
            ("call: ptrace\nargs: {request: PTRACE_ATTACH}", "evt.arg.request", "PTRACE_ATTACH"),
            ("call: getpid\nabi: i386\nforeign: true", "evt.is_foreign_abi", True),
            ("call: getpid\nuser: root", "user.uid", 0),
            ("call: getpid\nuser: ann", "user.name", "ann"),
            ("call: getpid\nuser: ann\nuid: 4711", "user.uid", 4711),
            ("call: getpid\nuid: 0", "user.name", "root"),
            ("call: getpid\nprocess: {name: cat}", "proc.exepath", "/usr/bin/cat"),
            ("call: getpid\nprocess: {name: cat, argv: cat -n x}", "proc.cmdline", "cat -n x"),
            ("call: getpid\nprocess: {name: cat, argv: [cat, a b]}", "proc.args", "a b"),
            ("call: getpid\nprocess: {name: cat, exe: /opt/cat}", "proc.exepath", "/opt/cat"),
            ("call: getpid\nprocess: {cwd: {missing: late}}", "proc.cwd", Missing.LATE),
            ("call: getpid\nprocess: {parent: {name: b, parent: {name: c}}}", "proc.pname", "b"),
            ("call: getpid\nprocess: {parent: {name: b, parent: {name: c}}}", "proc.aname[2]", "c"),
            ("call: getpid\nprocess: {name: 'true'}", "proc.name", "true"),
            ("call: getpid\nprocess: {name: 7}", "proc.name", "7"),
            ("call: execve\nargs: {filename: /bin/sh, argv: [sh, -c, id]}", "proc.name", "sh"),
            ("call: execve\nargs: {filename: /bin/sh, argv: sh -c id}", "proc.cmdline", "sh -c id"),
            ("call: execve\nargs: {filename: /bin/sh}\nret: -ENOENT", "proc.name", "program"),
            ("call: getpid\nplacement: {unit: nginx.service}", "systemd.unit", "nginx.service"),
        ],
    )
    def test_it_means_what_it_says(self, field, text, name, value):
        assert value == field(text, name)

    def test_a_null_text_was_a_null_pointer(self, written):
        event, _ = written("call: mount\nargs: {dev_name: null, dir_name: /x}")

        assert TextFlag.NULL in event.captured(0).flags

    def test_addresses_are_those_of_the_kernel(self, written):
        event, _ = written("call: connect\nargs: {addr: '10.0.0.7:443'}")

        assert (Capture.SOCKADDR, socket.AF_INET) == (event.texts[0].capture, event.texts[0].data[0])

    def test_events_have_times(self, written):
        base = written("call: getpid")[0].ts_ns

        assert 1_500_000_000 == written("call: getpid\nat: 1.5s")[0].ts_ns - base

    def test_an_event_can_be_repeated(self, tmp_path):
        path = tmp_path / "event.yaml"
        path.write_text("call: connect\nargs: {addr: '10.0.0.7:%n'}\nat: 2s\nevery: 0.5s\nrepeat: 3\npid: '%n'")
        events = [event for event, _ in written_events(read(path)[0][0], 1)]

        assert [(1, b"\0\1", 1), (2, b"\0\2", 2), (3, b"\0\3", 3)] == [
            (event.seq, event.texts[0].data[2:4], event.pid) for event in events
        ]
        assert [500_001_000] * 2 == [later.ts_ns - event.ts_ns for event, later in pairwise(events)]

    def test_a_foreign_call_has_the_flag(self, written):
        assert Flag.FOREIGN == written("call: getpid\nabi: i386\nforeign: true")[0].flags


def test_a_recorded_event_is_what_it_was(written):
    batch = batch_of(*rows_of_all_calls(each=1))
    context = FixedContext(TABLE)
    for row in range(len(batch)):
        event = batch.event(row)
        if context.syscall(event) is not None:
            assert event == written(json.dumps(to_object(event, context)))[0]


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "line", "column", "message"),
        [
            ("call: opneat", 1, 7, "x86_64 has no call 'opneat'; did you mean 'openat'?"),
            ("args: {}", 1, 1, "an event needs the name of its call: 'call: openat'"),
            ("- x", 1, 1, "an event is a map such as {call: openat, args: {...}}, here is a list"),
            ("call: openat\nprocces: {}", 2, 1, "there is no key 'procces'; did you mean 'process'?"),
            (
                "call: openat\nargs: {fielname: x}",
                2,
                8,
                "'openat' has no argument 'fielname'; did you mean 'file",
            ),
            ("call: openat\nargs: {flags: O_RDWR|O_CRAT}", 2, 15, "found 'O_RDWR|O_CRAT'; did you mean 'O_CREAT'?"),
            ("call: openat\nargs: {filename: {a: b}}", 2, 18, "expected a text, or {hex: 2f746d70}, found keys"),
            ("call: openat\nabi: x86", 2, 6, "'x86' is no ABI; did you mean 'x86_64'?"),
            ("call: openat\nret: ENONT", 2, 6, "expected a number or an error such as -ENOENT, found 'ENONT'"),
            ("call: openat\nat: soon", 2, 5, "expected seconds, such as 1.5s, found 'soon'"),
            ("call: openat\nprocess: {nmae: x}", 2, 11, "a process has no 'nmae'; did you mean 'name'?"),
            ("call: openat\nprocess:\n  name: [x]", 3, 9, "expected a text, found a list"),
            (
                "call: openat\nprocess: {parent: {cwd: {missing: lat}}}",
                2,
                35,
                "'lat' is not known; did you mean 'late'?",
            ),
            ("call: openat\nprocess: {name: {missing: late}}", 2, 17, "the name of the process itself is always known"),
            ("call: openat\nrepeat: 0", 2, 9, "expected how often it happens, 1 to 100000, found '0'"),
            ("call: openat\nuid: many", 2, 6, "expected a whole number, found 'many'"),
            ("call: openat\nprocess: cat", 2, 10, "expected the keys of a process, such as {name: cat}, found 'cat'"),
            ("call: connect\nargs: {addr: nowhere}", 2, 14, "expected an address such as 10.0.0.1:443"),
            ("call: openat\npid: -1", 2, 6, "-1 is not between 0 and 4294967295"),
            ("call: openat\nret: 99999999999999999999", 2, 6, "is not between"),
        ],
    )
    def test_are_said_where_they_are(self, written, text, line, column, message):
        with pytest.raises(WrittenError) as caught:
            written(text)

        assert message in str(caught.value)
        assert (line, column) == (caught.value.place.line, caught.value.place.column)
