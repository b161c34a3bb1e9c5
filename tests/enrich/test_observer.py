"""What the process table learns from batches made by hand, and of working directories from real processes that move."""

import os
import threading

import numpy as np
import pytest

from monitord.abi.arch import Abi
from monitord.abi.event import NO_ARGUMENT, NO_CALL, Capture, Flag, Kind, TextFlag
from monitord.decode.decoder import Decoder
from monitord.enrich.context import ProcContext
from monitord.enrich.directory import MOVES
from monitord.enrich.observer import FEW, MANY
from monitord.model.value import Missing
from monitord.tables.syscalls import SyscallTable
from tests.enrich.events import batch_of, one_behind_the_other
from tests.support.live import TABLE as LIVE_TABLE
from tests.support.live import Gated, compiled, interest, scope_of, watching

TABLE = SyscallTable.load([Abi.X86_64])
NR = {
    name: TABLE.named(Abi.X86_64, name).nr for name in ("getppid", "chdir", "setns", "pivot_root", "unshare", "execve")
}
NR["none"] = NO_CALL
NOBODY = 4_000_000
"""Process N, which has gone: /proc cannot help."""


def call(ts_ns, number, name, texts=(), **columns):
    pid = NOBODY + number
    columns = {"tid": pid, "pid": pid, "start_ns": number * 10**9, "ppid": NOBODY, "comm": b"x"} | columns
    return batch_of(texts, nr=NR[name], ts_ns=ts_ns, **columns)


def to(path, flags=0):
    """The text that a move carries."""
    names = b"".join(part + b"\0" for part in reversed(path.encode().strip(b"/").split(b"/")) if part)
    return (NO_ARGUMENT, Capture.DIRECTORY, names, flags)


def chdir(ts_ns, number, path, **columns):
    return call(ts_ns, number, "chdir", [(0, Capture.STR, b"link/.."), to(path)], **columns)


def fork(ts_ns, number, child, flags=0, **columns):
    caller = {"ppid": NOBODY + number, "args": (NOBODY + number, number * 10**9, number * 10**9, 0, 0, 0)}
    return call(ts_ns, child, "none", kind=Kind.FORK, flags=flags, **caller, **columns)


class Stand:
    """:param others: events of a process that nothing is learned from, in each batch behind the first."""

    def __init__(self, others=0):
        self.context = ProcContext(TABLE, root=os.getpid())
        self.others = others

    def observe(self, first, *batches):
        others = (call(1, 99, "getppid") for _ in range(self.others))
        self.context.observe(one_behind_the_other(first, *others, *batches))

    def cwd(self, number, ts_ns):
        return self.context.process(call(ts_ns, number, "getppid").event(0)).cwd


@pytest.fixture(params=[0, FEW])
def stand(request):
    return Stand(request.param)


class TestMoves:
    def test_an_event_is_where_the_process_was_then(self, stand):
        stand.observe(chdir(10, 1, "/a"), call(15, 1, "getppid"), chdir(20, 1, "/b/c"), chdir(30, 1, "/"))

        assert ["/a", "/a", "/b/c", "/"] == [stand.cwd(1, ts_ns) for ts_ns in (10, 15, 20, 31)]

    def test_before_all_that_is_known_it_is_late(self, stand):
        stand.observe(chdir(10, 1, "/a"))

        assert Missing.LATE is stand.cwd(1, 9)

    def test_a_child_begins_where_its_parent_was(self, stand):
        """Not where it was when the batch was read."""
        stand.observe(chdir(10, 1, "/a"), fork(11, 1, 2), chdir(12, 1, "/b"), fork(13, 1, 3), chdir(14, 1, "/c"))

        assert ["/a", "/b", "/c"] == [stand.cwd(number, 20) for number in (2, 3, 1)]

    def test_a_child_moves_by_itself(self, stand):
        stand.observe(chdir(10, 1, "/a"), fork(11, 1, 2), chdir(12, 2, "/b"))

        assert ["/a", "/b"] == [stand.cwd(number, 20) for number in (1, 2)]

    def test_with_clone_fs_they_move_together(self, stand):
        stand.observe(chdir(10, 1, "/a"), fork(11, 1, 2, Flag.SHARED_FS), chdir(12, 2, "/b"), chdir(30, 1, "/c"))

        assert ["/b", "/b", "/c"] == [stand.cwd(1, 20), stand.cwd(2, 20), stand.cwd(2, 30)]

    @pytest.mark.parametrize("flags", [0x200, 0x20000, 0x10000000])
    def test_until_one_of_them_unshares(self, stand, flags):
        unshare = call(12, 2, "unshare", args=(flags, 0, 0, 0, 0, 0))
        stand.observe(chdir(10, 1, "/a"), fork(11, 1, 2, Flag.SHARED_FS), unshare, chdir(13, 2, "/b"))

        assert ["/a", "/a", "/b"] == [stand.cwd(1, 20), stand.cwd(2, 10), stand.cwd(2, 20)]

    def test_unsharing_something_else_leaves_them_together(self, stand):
        unshare = call(12, 2, "unshare", args=(0x400, 0, 0, 0, 0, 0))
        stand.observe(chdir(10, 1, "/a"), fork(11, 1, 2, Flag.SHARED_FS), unshare, chdir(13, 2, "/b"))

        assert "/b" == stand.cwd(1, 20)

    def test_a_thread_that_unshares_leaves_the_process_where_it_is(self, stand):
        unshare = call(12, 2, "unshare", args=(0x200, 0, 0, 0, 0, 0), tid=5)
        stand.observe(chdir(10, 1, "/a"), fork(11, 1, 2, Flag.SHARED_FS), unshare, chdir(13, 1, "/b"))

        assert "/b" == stand.cwd(2, 20)

    def test_a_child_of_such_a_thread_begins_somewhere(self, stand):
        stand.observe(chdir(10, 1, "/a"), fork(11, 1, 2, Flag.THREAD_FS))

        assert Missing.LATE is stand.cwd(2, 20)

    def test_a_move_of_such_a_thread_is_not_the_processs(self, stand):
        stand.observe(chdir(10, 1, "/a"), call(11, 1, "chdir", [(0, Capture.STR, b"/b")]))

        assert "/a" == stand.cwd(1, 20)

    def test_a_program_that_such_a_thread_executes_is_where_the_thread_was(self, stand):
        relative = [(0, Capture.STR, b"./x"), (0, Capture.DIRECTORY, b"b\0"), (1, Capture.ARGV, b"x")]
        stand.observe(chdir(10, 1, "/a"), call(11, 1, "execve", relative, flags=Flag.THREAD_FS))
        stand.observe(call(13, 1, "execve", [(0, Capture.STR, b"/x"), (1, Capture.ARGV, b"x")], flags=Flag.THREAD_FS))

        assert ["/a", "/b", Missing.LATE] == [stand.cwd(1, 10), stand.cwd(1, 12), stand.cwd(1, 20)]

    def test_a_failed_move_is_none(self, stand):
        stand.observe(chdir(10, 1, "/a"), chdir(11, 1, "/b", ret=-2))

        assert "/a" == stand.cwd(1, 20)

    def test_setns_moves_to_the_root_of_the_mount_namespace(self, stand):
        stand.observe(chdir(10, 1, "/a"), call(11, 1, "setns", [to("/")]))

        assert "/" == stand.cwd(1, 20)

    @pytest.mark.parametrize("odd", ["pivot_root", "deep"])
    def test_what_only_proc_can_tell_is_not_made_up(self, stand, odd):
        """Of a process that has gone, it is missing; and so it is of its children."""
        deep = [(0, Capture.STR, b"x"), to("/a", TextFlag.TRUNCATED)]
        move = call(11, 1, "pivot_root") if odd == "pivot_root" else call(11, 1, "chdir", deep)
        stand.observe(chdir(10, 1, "/a"), move, fork(12, 1, 2))

        assert ["/a", Missing.LATE, Missing.LATE] == [stand.cwd(1, 10), stand.cwd(1, 20), stand.cwd(2, 20)]

    def test_many_moves_are_forgotten_oldest_first(self, stand):
        stand.observe(*(chdir(ts_ns, 1, f"/{ts_ns}") for ts_ns in range(1, MOVES + 3)))

        assert Missing.LATE is stand.cwd(1, 2)
        assert ["/3", f"/{MOVES + 2}"] == [stand.cwd(1, 3), stand.cwd(1, 99)]


def execute(ts_ns, number, program, **columns):
    texts = [(0, Capture.STR, program), (1, Capture.ARGV, program + b"\0")]
    return call(ts_ns, number, "execve", texts, comm=program, **columns)


def leave(ts_ns, number):
    return call(ts_ns, number, "none", kind=Kind.EXIT)


class TestOfOneBatch:
    """What begins within a batch is read when it is asked for, or is still there with the next one."""

    def process(self, stand, number, ts_ns, generation=0):
        asked = call(ts_ns, number, "getppid", comm=b"", ppid=0).event(0)
        found = stand.context.ancestor(asked, generation)
        return found if isinstance(found, Missing) else (found.key.pid - NOBODY, found.argv)

    def test_nothing_is_kept_of_what_has_gone_unasked(self, stand):
        stand.observe(execute(10, 1, b"sh"), fork(11, 1, 2), execute(12, 2, b"cat"), leave(13, 2))
        assert 1 == stand.context.size
        stand.observe(chdir(20, 1, "/"))

        assert 1 == stand.context.size

    def test_what_is_asked_for_is_known(self, stand):
        stand.observe(execute(10, 1, b"sh"), fork(11, 1, 2), execute(12, 2, b"cat"), leave(13, 2))

        assert ((2, ("sh",)), (2, ("cat",))) == (self.process(stand, 2, 11), self.process(stand, 2, 12))

    def test_what_is_still_there_is_known_later_and_so_are_its_ancestors(self, stand):
        line = [execute(10, 1, b"sh"), fork(11, 1, 2), execute(12, 2, b"make"), fork(13, 2, 3), execute(14, 3, b"cc")]
        stand.observe(*line, leave(15, 2))
        stand.observe(chdir(20, 1, "/"))

        assert [(3, ("cc",)), (2, ("make",)), (1, ("sh",))] == [
            self.process(stand, 3, 21, generation) for generation in range(3)
        ]

    def test_it_begins_as_its_parent_was_then(self, stand):
        """Whatever the parent has executed, was called and where it has moved since."""
        stand.observe(
            *(execute(10, 1, b"sh"), chdir(11, 1, "/a"), fork(12, 1, 2), execute(13, 1, b"perl"), chdir(14, 1, "/b")),
        )

        assert ((2, ("sh",)), "/a") == (self.process(stand, 2, 20), stand.cwd(2, 20))
        assert ((1, ("perl",)), "/b") == (self.process(stand, 1, 20), stand.cwd(1, 20))

    def test_its_parent_may_move_more_often_than_is_remembered(self, stand):
        moves = [chdir(ts_ns, 1, f"/{ts_ns}") for ts_ns in range(20, 22 + 2 * MOVES)]
        stand.observe(chdir(11, 1, "/a"), fork(12, 1, 2), *moves)

        assert "/a" == stand.cwd(2, 500)

    def test_the_parent_of_one_that_was_not_asked_for_has_its_name_of_then(self, stand):
        stand.observe(execute(10, 1, b"sh"), fork(11, 1, 2), execute(12, 1, b"perl"))

        parents = [stand.context.ancestor(call(ts_ns, 2, "getppid", ppid=0).event(0), 1) for ts_ns in (11, 12)]
        assert [("sh", ("sh",)), ("perl", ("perl",))] == [(parent.comm, parent.argv) for parent in parents]

    def test_another_one_with_its_pid(self, stand):
        again = {"start_ns": 77 * 10**9}
        twice = [fork(11, 1, 2), execute(12, 2, b"cat"), leave(13, 2), fork(14, 1, 2, **again)]
        stand.observe(execute(10, 1, b"sh"), *twice, execute(15, 2, b"tr", **again))

        of_second = stand.context.process(call(16, 2, "getppid", **again).event(0))
        assert ((2, ("cat",)), ("tr",)) == (self.process(stand, 2, 12), of_second.argv)

    def test_one_made_for_another_parent(self, stand):
        """CLONE_PARENT: it executes what its maker does."""
        made = fork(13, 2, 3)
        made.records["ppid"], made.records["args"][:, 2] = NOBODY + 1, 10**9
        stand.observe(execute(10, 1, b"sh"), fork(11, 1, 2), execute(12, 2, b"make"), made)

        assert [(1, ("sh",)), (3, ("make",))] == [self.process(stand, 3, 14, generation) for generation in (1, 0)]

    def test_each_made_by_the_one_before(self, stand):
        """A long row, of which all but the last one have gone."""
        generations = 3000
        row = (one for n in range(1, generations) for one in (fork(10 + n, n, n + 1), leave(10 + n, n)))
        stand.observe(execute(10, 1, b"sh"), *row)
        stand.observe(chdir(20 + generations, generations, "/"))

        assert (generations, ("sh",)) == self.process(stand, generations, 30 + generations)
        assert (generations - 31, ("sh",)) == self.process(stand, generations, 30 + generations, 31)

    def test_more_than_is_kept_for_later_is_read_at_once(self, stand):
        stand.observe(
            *(execute(10, 1, b"sh"), fork(11, 1, 2), leave(12, 2)),
            *(call(13, 9, "getppid") for _ in range(MANY)),
        )

        assert 2 == stand.context.size


MAGIC = 0xC4A2
PLACES = 20
TIMES = 1000
"""As in tests/programs/mover.c."""


def places(directory):
    for number in range(PLACES):
        (directory / str(number)).mkdir()


@pytest.mark.bpf
class TestReal:
    def seen(self, argv, **popen):
        """The pid, and where each marked getppid was made: (mark, pid, working directory), in order of time."""
        gated = Gated(argv, **popen)
        context = ProcContext(LIVE_TABLE, root=gated.pid)
        with watching(scope_of(gated), context.interest() | interest("getppid"), ring_pages=2048) as source:
            context.seed()
            decoder, batches = Decoder(), []
            ended = threading.Event()
            runner = threading.Thread(target=lambda: (gated.run(), ended.set()))
            runner.start()
            while not ended.is_set():
                batches.append(decoder.decode(source.drain(0.02)))
            runner.join()
            batches += [decoder.decode(source.drain(0.01)), decoder.decode(source.drain(0))]
            assert 0 == decoder.missed
        assert 0 == gated.process.returncode
        found = []
        for batch in batches:
            context.observe(batch)
            for row in np.flatnonzero(batch.records["args"][:, 0] == MAGIC).tolist():
                event = batch.event(row)
                found.append((event.args[1], event.pid, context.process(event).cwd))
        return gated.pid, found

    def test_children_of_a_parent_that_moves_all_the_time(self, tmp_path):
        """Each child, and the parent between moves, says by a number where it is."""
        places(tmp_path)
        parent, found = self.seen([compiled("mover"), "forks", str(tmp_path)])

        of_parent = [(f"{tmp_path}/{where}", cwd) for where, pid, cwd in found if pid == parent]
        of_children = [(f"{tmp_path}/{where}", cwd) for where, pid, cwd in found if pid != parent]
        assert (TIMES, TIMES) == (len(of_parent), len(of_children))
        assert [] == [true_and_told for true_and_told in of_children if len({*true_and_told}) > 1]
        # When more than MOVES of them wait in the rings, the first are not known any more: that is said.
        assert [] == [(true, told) for true, told in of_parent if told not in (true, Missing.LATE)]

    def test_processes_that_share_it(self, tmp_path):
        """clone(CLONE_FS), moves of either, then unshare(CLONE_FS) and moves of both."""
        places(tmp_path)
        _, found = self.seen([compiled("mover"), "shares", str(tmp_path)])

        assert 2 == len({pid for _, pid, _ in found})
        assert [] == [(where, cwd) for where, _, cwd in found if cwd != f"{tmp_path}/{where}"]

    def test_a_thread_with_a_directory_of_its_own(self, tmp_path):
        """Its moves are not its process's."""
        places(tmp_path)
        _, found = self.seen([compiled("mover"), "thread", str(tmp_path)])

        assert found
        assert [] == [(where, cwd) for where, _, cwd in found if cwd != f"{tmp_path}/{where}"]

    def test_a_thread_that_executes_in_a_directory_of_its_own(self, tmp_path):
        """It is the process from then on."""
        places(tmp_path)
        (tmp_path / "7/mover").symlink_to(compiled("mover"))
        _, found = self.seen([compiled("mover"), "executes", str(tmp_path)])

        assert [(3, f"{tmp_path}/3"), (7, f"{tmp_path}/7")] == [(where, cwd) for where, _, cwd in found]
