"""Recorded events: what comes back is what was there, and rules say the same of it."""

import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitord.abi.arch import Abi
from monitord.abi.event import Capture, Flag, TextFlag
from monitord.model.event import Captured, Event, ProcessKey
from monitord.model.inspection import Inspection, Mount, Pod
from monitord.model.placement import Placement
from monitord.model.process import Process
from monitord.model.text import text_of
from monitord.model.value import Missing
from monitord.privacy.masks import Masks
from monitord.privacy.usual import USUAL
from monitord.privacy.view import masked_snapshot
from monitord.recording.batch import batch_of as batch_again
from monitord.recording.codec import RecordError
from monitord.recording.record import from_object, to_object
from monitord.recording.snapshot import Snapshot, snapshot_of
from monitord.rules.ast import And, Not, Or
from monitord.rules.evaluate import evaluate
from monitord.rules.fields import CATALOGUE
from monitord.tables.syscalls import Arg, Group, Syscall
from tests.detect.pools import CHECKS, TABLE, rows_of_all_calls
from tests.support.batches import batch_of, exec_of, open_of
from tests.support.detect import FixedContext

CONTEXT = FixedContext(TABLE)
EVENTS = [batch.event(row) for batch in [batch_of(*rows_of_all_calls(each=4))] for row in range(len(batch))]


def again(event, context=CONTEXT):
    """By way of JSON, as a file has it."""
    line = json.dumps(to_object(event, context), ensure_ascii=False).encode()
    return from_object(json.loads(line))


kernel_texts = st.binary(max_size=12).map(text_of)
numbers_64 = st.integers(0, (1 << 64) - 1)
numbers_32 = st.integers(0, (1 << 32) - 1)
captured = st.builds(
    Captured,
    st.integers(0, 5),
    st.sampled_from([capture for capture in Capture if capture < Capture.FILE]),
    st.integers(0, 15).map(TextFlag),
    st.binary(max_size=40) | st.lists(st.text(max_size=4).map(str.encode), max_size=4).map(b"\0".join),
    st.booleans(),
)
any_events = st.builds(
    Event,
    cpu=st.integers(0, 4095),
    seq=numbers_64,
    ts_ns=st.integers(0, 1 << 62),
    duration_ns=numbers_64,
    abi=st.sampled_from(Abi),
    nr=st.integers(-(1 << 31), (1 << 31) - 1),
    flags=st.integers(0, 0xFFFF).map(Flag),
    args=st.tuples(*[numbers_64] * 6),
    ret=st.integers(-(1 << 63), (1 << 63) - 1),
    pid=numbers_32,
    tid=numbers_32,
    ppid=numbers_32,
    start_ns=numbers_64,
    uid=numbers_32,
    gid=numbers_32,
    cgroup_id=numbers_64,
    comm=kernel_texts,
    parent_comm=kernel_texts,
    texts=st.lists(captured, max_size=4).map(tuple),
)
missing = st.sampled_from(Missing)
processes = st.builds(
    Process,
    st.builds(ProcessKey, numbers_32, numbers_64),
    kernel_texts | missing,
    numbers_32 | missing,
    st.lists(kernel_texts, max_size=3).map(tuple) | missing,
    kernel_texts | missing,
    kernel_texts | missing,
)
snapshots = st.builds(
    Snapshot,
    st.none(),
    st.lists(processes, min_size=1, max_size=4).map(tuple),
    missing,
    st.dictionaries(st.integers(0, 5), kernel_texts | missing),
    st.builds(Placement, st.text(max_size=4), st.text(max_size=4), unit=kernel_texts | missing) | missing,
    st.dictionaries(numbers_32, kernel_texts | missing),
    st.dictionaries(numbers_32, kernel_texts | missing),
    st.integers(0, 1 << 62),
)


@given(any_events, snapshots)
def test_every_event_and_context_comes_back_as_it_was(event, context):
    assert (event, context) == again(event, context)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_field_says_of_the_record_what_it_said_of_the_event(name):
    field = CATALOGUE[name]
    arguments = {check.operand.arg for ref in CHECKS if ref.name == name for check in CHECKS[ref][:1]} or {None}
    for event in EVENTS:
        recorded, context = again(event)
        for argument in arguments:
            assert field.extract(event, CONTEXT, argument) == field.extract(recorded, context, argument)


class Told(FixedContext):
    """A machine that knows everything."""

    def environment(self, event, generation):
        return {"PATH": "/bin", "missing": f"late={generation}", "API_TOKEN": "x"}

    def cgroups(self, event):
        return {"": "/a.slice", "cpu": "/"}

    def leader(self, event, pid):
        return Process(ProcessKey(pid, 7), "sshd", argv=("sshd:", "--password=x"))

    def inspection(self, event):
        return Inspection(
            name="web",
            mounts=(Mount("/", "/host", "ro", False, "rslave"),),
            labels={"a": "b", "db.password": "x y"},
            healthcheck="curl -u ann:x http://localhost/",
            pod=Pod("web-0", labels={"api-token": "x", "run": "app --token=x"}),
        )

    def user_home(self, uid):
        return f"/home/{uid}"

    def user_shell(self, uid):
        return f"/bin/sh{uid}"


class TestWhatIsAskedFor:
    EVENT = next(event for event in EVENTS if not isinstance(event.task, Missing))

    @pytest.mark.parametrize(
        ("name", "argument"),
        [
            *[("proc.env", None), ("proc.env", "missing"), ("proc.aenv", None), ("thread.cgroups", None)],
            *[("proc.sid.exe", None), ("proc.vpgid.exe", None), ("container.name", None), ("container.mounts", None)],
            *[("user.homedir", None), ("user.shell", None)],
            *[("k8s.pod.name", None)],
        ],
    )
    def test_it_is_recorded_for_the_rules_that_ask(self, name, argument):
        context, extract = Told(TABLE), CATALOGUE[name].extract
        expected = extract(self.EVENT, context, argument)

        for asked, value in [(frozenset((name,)), expected), (None, expected), ((), None)]:
            event, recorded = again(self.EVENT, snapshot_of(self.EVENT, context, asked))
            found = extract(event, recorded, argument)
            assert value == found if value is not None else isinstance(found, Missing)

    def test_nothing_of_it_is_recorded_unasked(self):
        made = to_object(self.EVENT, snapshot_of(self.EVENT, Told(TABLE), ("proc.name", "fd.name")))

        assert {"environments", "cgroups", "leaders", "container", "homes", "shells"}.isdisjoint(made)

    def test_secrets_are_masked(self):
        known = snapshot_of(self.EVENT, Told(TABLE), None)
        made = to_object(self.EVENT, masked_snapshot(known, Masks(USUAL)))

        assert ["PATH=/bin", "missing=late=0", "API_TOKEN=***"] == made["environments"]["0"]
        assert [["sshd:", "--password=***"]] == [one["argv"] for one in made["leaders"].values()][:1]
        assert {"a": "b", "db.password": "***"} == made["container"]["labels"]
        assert {"api-token": "***", "run": "app --token=***"} == made["container"]["pod"]["labels"]
        assert "curl -u *** http://localhost/" == made["container"]["healthcheck"]


def _trees(children):
    some = st.lists(children, min_size=2, max_size=4).map(tuple)
    return st.one_of(some.map(And), some.map(Or), children.map(Not))


conditions = st.recursive(st.sampled_from([check for checks in CHECKS.values() for check in checks]), _trees)


@settings(max_examples=200, deadline=None)
@given(conditions, st.sampled_from(EVENTS))
def test_a_condition_says_the_same_of_the_record(condition, event):
    assert evaluate(condition, event, CONTEXT) == evaluate(condition, *again(event))


def test_records_make_the_batch_that_they_came_from():
    events = [again(event)[0] for event in EVENTS]

    batch = batch_again(events)

    assert EVENTS == [batch.event(row) for row in range(len(batch))]


class TestToObject:
    def test_it_is_readable(self):
        event = batch_of(open_of(b"shadow", below=b"/etc", uid=0, gid=0, cpu=2)).event(0)

        assert {
            "call": "openat",
            "cpu": 2,
            "seq": 1,
            "ts_ns": 5_000_000_000,
            "duration_ns": 1_700,
            "abi": "x86_64",
            "nr": 257,
            "flags": [],
            "args": ["0xffffffffffffff9c", "0x7ffd00001000", "0x0", "0x1a4", "0x0", "0x0"],
            "ret": 3,
            "pid": 4242,
            "tid": 4243,
            "ppid": 4001,
            "start_ns": 1_000_000_000,
            "uid": 0,
            "gid": 0,
            "cgroup_id": 0,
            "comm": "cat",
            "parent_comm": "bash",
            "texts": [
                {"arg": 1, "capture": "str", "flags": [], "data": "shadow"},
                {"arg": 1, "capture": "directory", "flags": [], "data": ["etc", ""]},
            ],
            "wall_ns": 1_700_000_005_000_000_000,
            "placement": {"unit": "0.service"},
            "users": {"0": "root"},
            "groups": {"0": "root"},
            "process": {
                "pid": 4242,
                "start_ns": 1_000_000_000,
                "comm": "cat",
                "ppid": 4001,
                "argv": ["cat", "-l"],
                "exepath": "/usr/bin/cat",
                "cwd": "/etc",
                "parent": {
                    "pid": 4242,
                    "start_ns": 1_000_000_000,
                    "comm": "cat",
                    "ppid": 4001,
                    "argv": ["cat", "-l"],
                    "exepath": "/usr/bin/cat",
                    "cwd": "/etc",
                    "parent": {"missing": "not_applicable"},
                },
            },
        } == to_object(event, snapshot_of(event, CONTEXT, ()))

    def test_a_path_that_only_the_machine_could_resolve_is_recorded(self):
        event = batch_of(open_of(b"shadow")).event(0)
        event = batch_again([event]).event(0)
        at_descriptor = Event(
            **{**{name: getattr(event, name) for name in Event.__slots__}, "args": (7, 1, 0, 0, 0, 0)}
        )

        assert {"filename": "/fd7/shadow"} == to_object(at_descriptor, CONTEXT)["paths"]
        assert "paths" not in to_object(event, CONTEXT)  # the working directory tells

    def test_bytes_that_are_no_text_are_hexadecimal(self):
        event = batch_of(exec_of(b"/tmp/\xff", b"a", b"\xe9")).event(0)

        assert [{"hex": "2f746d702fff"}, {"hex": "6100e9"}] == [
            text["data"] for text in to_object(event, CONTEXT)["texts"]
        ]

    def test_a_call_that_the_shipped_table_lacks_brings_its_signature(self):
        event = batch_of(open_of(b"/x", nr=600)).event(0)
        call = Syscall(
            Abi.X86_64, 600, "newest", "sys_newest", (Arg("dfd", "int"), Arg("p", "const char *")), Group.SYSTEM
        )
        known = Snapshot(call, (Process(event.key, "cat"),))

        assert ["int dfd", "const char * p"] == to_object(event, known)["signature"]
        assert call == again(event, known)[1].call


GOOD = json.dumps(to_object(batch_of(open_of(b"/etc/shadow")).event(0), CONTEXT))


class TestWrongObjects:
    @pytest.mark.parametrize(
        ("change", "where", "message"),
        [
            ({"pdi": 3}, "pdi", "there is no key 'pdi'; did you mean 'pid'?"),
            ({"pid": "x"}, "pid", "expected a whole number, found 'x'"),
            ({"pid": True}, "pid", "expected a whole number, found True"),
            ({"abi": "x86"}, "abi", "'x86' is not known; did you mean 'x86_64'?"),
            ({"flags": ["foreig"]}, "flags[0]", "'foreig' is not known; did you mean 'foreign'?"),
            ({"args": ["0x1"]}, "args", "a call has 6 registers, here are 1"),
            ({"comm": 7}, "comm", "expected a text, or {hex: 2f746d70}, found 7"),
            ({"comm": ["a"]}, "comm", "expected a text, found a list"),
            ({"comm": "sixteen letters."}, "comm", "the kernel cuts names at 15 bytes, this one has 16"),
            ({"pid": -1}, "pid", "-1 is not between 0 and 4294967295"),
            (
                {"ret": 1 << 63},
                "ret",
                "9223372036854775808 is not between -9223372036854775808 and 9223372036854775807",
            ),
            ({"args": [0, 0, 0, 0, 0, -1]}, "args[5]", "-1 is not between 0 and 18446744073709551615"),
            ({"cpu": 1 << 16}, "cpu", "65536 is not between 0 and 65535"),
            (
                {"texts": [{"arg": 16, "capture": "str", "flags": [], "data": ""}]},
                "texts[0].arg",
                "16 is not between 0 and 15",
            ),
            (
                {"texts": [{"arg": 1, "capture": "str", "flags": [], "data": ""}] * 5},
                "texts",
                "there is room for 4 texts, one descriptor and one thread",
            ),
            ({"comm": {"hex": "xx"}}, "comm.hex", "'xx' is no sequence of hexadecimal bytes"),
            ({"comm": "\ud800"}, "comm", "'\\ud800' holds half a surrogate pair, which is no text"),
            ({"texts": [{"arg": 1}]}, "texts[0]", "the key 'capture' is missing"),
            (
                {"paths": {"nmae": "/"}},
                "paths.nmae",
                "the call has no argument 'nmae'; there are dfd, filename, flags, mode",
            ),
            ({"process": 3}, "process", "expected the keys of a process, found 3"),
            (
                {"process": {"pid": 1, "start_ns": 2, "comm": "x", "cdw": "/"}},
                "process.cdw",
                "a process has no 'cdw'; did you mean 'cwd'?",
            ),
            (
                {"process": {"pid": 1, "start_ns": 2, "comm": {"missing": "lat"}}},
                "process.comm.missing",
                "'lat' is not known; did you mean 'late'?",
            ),
        ],
    )
    def test_say_what_is_wrong_and_where(self, change, where, message):
        with pytest.raises(RecordError) as caught:
            from_object(json.loads(GOOD) | change)

        assert (where, message) == (caught.value.where, str(caught.value))

    @pytest.mark.parametrize("key", ["call", "pid", "process", "wall_ns", "ret"])
    def test_a_key_that_has_to_be_there(self, key):
        plain = json.loads(GOOD)
        del plain[key]

        with pytest.raises(RecordError, match=f"the key '{key}' is missing"):
            from_object(plain)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda some: st.lists(some) | st.dictionaries(st.text() | st.sampled_from(list(json.loads(GOOD))), some),
        ),
        st.sampled_from(list(json.loads(GOOD))),
    )
    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
    def test_anything_in_any_place_makes_a_message_or_an_event(self, anything, key):
        for plain in (anything, json.loads(GOOD) | {key: anything}):
            with contextlib.suppress(RecordError):
                event, known = from_object(plain)
                assert (Event, Snapshot) == (type(event), type(known))


def test_a_snapshot_is_its_own_snapshot():
    known = snapshot_of(EVENTS[0], CONTEXT)

    assert known is snapshot_of(EVENTS[0], known)
