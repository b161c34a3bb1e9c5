"""The event lane: every wanted call arrives with what it was called with, whatever became of it."""

import ctypes
import mmap
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from monitord.abi.arch import Abi
from monitord.abi.event import CELL_BYTES, Flag, TextFlag
from monitord.decode.decoder import Decoder, events_in
from monitord.model.interest import Interest, Outcome
from monitord.model.loss import Stage
from monitord.model.value import Missing
from monitord.sources.bpf.cpus import online_cpus
from monitord.sources.bpf.libbpf import library
from monitord.sources.bpf.perf_event import WAKEUP_BYTES
from monitord.sources.bpf.scope import cgroup2_mount
from monitord.sources.bpf.spare import PAGES
from monitord.tables.constants import errno_name
from tests.support.descriptors import no_descriptors
from tests.support.live import TABLE, Gated, compiled, events_of, interest, scope_of, sleeps_in, watch, watching

pytestmark = pytest.mark.bpf


def named(events, name):
    return [event for event in events if TABLE.find(event.abi, event.nr).name == name]


class TestIdentity:
    def test_an_event_says_who_when_and_how(self):
        before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        gated = Gated([compiled("flood"), "open", "1", "/etc/hostname"], user=61234, group=61235)
        with watching(scope_of(gated), interest("openat")) as source:
            gated.run()
            event = events_of(source)[-1]
        after_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

        assert (gated.pid, gated.pid, os.getpid()) == (event.pid, event.tid, event.ppid)
        assert (61234, 61235) == (event.uid, event.gid)
        assert "flood" == event.comm
        assert Path("/proc/self/comm").read_text().strip() == event.parent_comm
        assert 3 == event.ret
        assert "/etc/hostname" == event.captured(1).text
        assert before_ns < event.start_ns < event.ts_ns - event.duration_ns < event.ts_ns < after_ns
        assert Flag(0) == event.flags

    def test_the_cgroup_id_is_the_directorys_inode(self):
        event = watch(["/bin/true"], interest("execve"))[0]
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        line = next(line for line in lines if line.startswith("0::"))
        assert os.stat(str(cgroup2_mount()) + line[3:].strip()).st_ino == event.cgroup_id


class TestFilter:
    @pytest.mark.parametrize(
        ("outcome", "results"),
        [(Outcome.SUCCESS, [3] * 5), (Outcome.FAILURE, [-2] * 5), (Outcome.ANY, [3, -2] * 5)],
    )
    def test_outcomes_are_told_apart_in_the_kernel(self, outcome, results):
        script = f"{compiled('flood')} open 5 /etc/hostname; {compiled('flood')} open 5 /no/such"
        gated = Gated(["/bin/sh", "-c", script])
        with watching(scope_of(gated), interest("openat", outcome=outcome)) as source:
            gated.run()
            events = [event for event in events_of(source) if event.comm == "flood"]
            seen = source.seen()

        assert sorted(results) == sorted(event.ret for event in events)
        assert seen >= len(events)

    def test_what_nobody_wants_makes_no_event(self):
        gated = Gated([compiled("mixed")])
        with watching(scope_of(gated), interest("ptrace")) as source:
            gated.run()

            assert 0 == source.seen()


class TestStrings:
    def test_exec_carries_the_name_and_all_arguments(self):
        event = watch(["/bin/echo", "two words", "", "x" * 300], interest("execve"))[0]

        assert 0 == event.ret
        assert "/bin/echo" == event.captured(0).text
        assert b"/bin/echo\0two words\0\0" + b"x" * 300 + b"\0" == event.captured(1).data

    def test_long_arguments_are_cut_and_flagged(self):
        event = watch(["/bin/true", *(["y" * 99] * 100)], interest("execve"))[0]

        assert 4096 == len(event.captured(1).data)
        assert event.captured(1).flags & TextFlag.TRUNCATED

    def test_many_arguments_of_a_successful_exec_are_all_there(self):
        event = watch(["/bin/true", *map(str, range(1000))], interest("execve"))[0]

        assert b"\0".join([b"/bin/true", *(str(n).encode() for n in range(1000))]) + b"\0" == event.captured(1).data

    def test_a_failed_exec_carries_them_too(self):
        events = watch(["/usr/bin/env", "/no/such/program", "arg"], interest("execve"))
        failed = [event for event in events if event.failed]

        assert [(-2, "/no/such/program", b"/no/such/program\0arg\0")] == [
            (event.ret, event.captured(0).text, event.captured(1).data) for event in failed
        ]

    def test_a_path_of_the_greatest_length_is_whole(self):
        path = "/" + "a/" * 2047
        event = watch([compiled("flood"), "open", "1", path], interest("openat"))[-1]

        assert 4095 == len(path)
        assert path == event.captured(1).text
        assert not event.captured(1).flags & TextFlag.TRUNCATED

    def test_a_longer_one_is_cut_and_flagged(self):
        event = watch([compiled("flood"), "open", "1", "/" + "b" * 5000], interest("openat"))[-1]

        assert "/" + "b" * 4095 == event.captured(1).text
        assert event.captured(1).flags & TextFlag.TRUNCATED

    def test_two_long_paths_are_both_whole(self):
        old, new = "/" + "o/" * 2000, "/" + "n/" * 2000
        program = "import os, sys\ntry: os.rename(*sys.argv[1:])\nexcept OSError: pass"
        events = watch(["/usr/bin/python3", "-S", "-c", program, old, new], interest("rename"))

        assert [(old, new)] == [(event.captured(0).text, event.captured(1).text) for event in events]

    def test_a_path_on_a_page_that_is_not_resident_is_read_at_exit(self, tmp_path):
        (tmp_path / "page").write_bytes(b"/etc/hostname\0")
        event = watch([compiled("absent"), str(tmp_path / "page")], interest("openat"))[-1]

        assert "/etc/hostname" == event.captured(1).text
        assert TextFlag.LATE == event.captured(1).flags

    def test_a_program_named_on_such_a_page_is_known(self, tmp_path):
        (tmp_path / "page").write_bytes(b"/bin/true\0")
        event = watch([compiled("absent"), str(tmp_path / "page"), "exec"], interest("execve"))[-1]

        assert 0 == event.ret
        assert "/bin/true" == event.captured(0).text
        assert b"absent\0from a page that was not there\0" == event.captured(1).data

    @pytest.mark.parametrize(("written", "file"), [("true", "/usr/bin"), ("", "/usr/bin/true")])
    def test_so_is_one_that_is_relative_to_a_descriptor(self, tmp_path, written, file):
        """The kernel makes /dev/fd/400/true of it, and /dev/fd/400."""
        (tmp_path / "page").write_bytes(written.encode() + b"\0")
        event = watch([compiled("absent"), str(tmp_path / "page"), "exec", file], interest("execveat"))[-1]

        assert (0, written) == (event.ret, event.captured(1).text)
        assert file == (event.directory(1) if written else event.behind(1))


class TestDirectories:
    """A relative path comes with the directory it is relative to, as it was when the call was made."""

    PROGRAM = """
import os, sys
base = sys.argv[1]
os.chdir(base + "/one/two")
os.stat("file")
fd = os.open(base, os.O_RDONLY)
try: os.rename("file", "gone/x", src_dir_fd=fd)
except OSError: pass
os.chdir("/")
os.stat("etc")
"""

    @pytest.fixture(scope="class")
    def events(self, tmp_path_factory):
        base = tmp_path_factory.mktemp("directories")
        (base / "one" / "two").mkdir(parents=True)
        (base / "one" / "two" / "file").touch()
        found = watch(
            ["/usr/bin/python3", "-S", "-c", self.PROGRAM, str(base)], interest("newfstatat", "stat", "renameat")
        )
        return base, [e for e in found if not str(e.texts[0].text).startswith("/")]

    def test_of_the_working_directory(self, events):
        base, found = events
        asked = next(event for event in found if event.texts[0].text == "file")

        assert f"{base}/one/two" == asked.directory(asked.texts[0].arg)

    def test_of_a_descriptor_and_of_the_working_directory_in_one_call(self, events):
        base, found = events
        (renamed,) = named(found, "renameat")

        assert (str(base), f"{base}/one/two") == (renamed.directory(1), renamed.directory(3))

    def test_the_root_is_a_slash(self, events):
        _, found = events
        last = found[-1]

        assert "etc" == last.texts[0].text
        assert "/" == last.directory(last.texts[0].arg)

    def test_an_absolute_path_has_none(self):
        event = watch([compiled("flood"), "open", "1", "/etc/hostname"], interest("openat"))[-1]

        assert Missing.NOT_APPLICABLE is event.directory(1)

    def test_one_on_another_mount_is_whole(self):
        """/sys/fs/cgroup is a mount on a mount."""
        here = str(cgroup2_mount())
        event = watch(["/bin/sh", "-c", f"cd {here}; cat cgroup.procs"], interest("openat"))[-1]

        assert "cgroup.procs" == event.captured(1).text
        assert here == event.directory(1)

    def test_the_working_directory_survives_an_exec(self, tmp_path):
        event = watch(["/bin/sh", "-c", f"cd {tmp_path}; exec ../../../../../../../bin/true"], interest("execve"))[-1]

        assert 0 == event.ret
        assert str(tmp_path) == event.directory(0)
        assert 1 == event.captured(1).data.count(b"\0")

    def test_a_very_deep_one_is_missing_and_not_wrong(self, tmp_path):
        deep = tmp_path.joinpath(*["d"] * 30)
        deep.mkdir(parents=True)
        events = watch(["/bin/sh", "-c", f"cd {deep}; cat /dev/null x"], interest("openat"))
        event = next(event for event in events if event.captured(1).text == "x")

        assert Missing.FAULT is event.directory(1)


class TestSockets:
    PROGRAM = """
import socket, sys
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen()
client = socket.socket(); client.connect(server.getsockname()); server.accept()
datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagram.sendto(b"x", ("127.0.0.1", server.getsockname()[1]))
unix = socket.socket(socket.AF_UNIX)
try: unix.connect("/no/such/socket")
except OSError: pass
"""

    @pytest.fixture(scope="class")
    def events(self):
        return watch(["/usr/bin/python3", "-S", "-c", self.PROGRAM], interest("bind", "connect", "accept4", "sendto"))

    @staticmethod
    def inet(data: bytes) -> tuple[int, str]:
        family, port = struct.unpack("<H", data[:2]) + struct.unpack(">H", data[2:4])
        assert socket.AF_INET == family
        return port, socket.inet_ntoa(data[4:8])

    def test_addresses_of_every_kind_arrive(self, events):
        port = self.inet(named(events, "connect")[0].captured(1).data)[0]

        assert (0, "127.0.0.1") == self.inet(named(events, "bind")[0].captured(1).data)
        assert (port, "127.0.0.1") == self.inet(named(events, "sendto")[0].captured(4).data)
        assert b"\x01\0/no/such/socket" == named(events, "connect")[1].captured(1).data.rstrip(b"\0")

    def test_the_peer_of_an_accept_is_read_when_it_returns(self, events):
        accepted = named(events, "accept4")[0]

        assert "127.0.0.1" == self.inet(accepted.captured(1).data)[1]
        assert TextFlag.LATE == accepted.captured(1).flags


class TestAbis:
    def test_a_32_bit_call_of_a_64_bit_program_is_an_i386_call(self):
        gated = Gated([compiled("int80"), "/etc/hostname"])
        with watching(scope_of(gated), interest("open")) as source:
            gated.run()
            events = events_of(source)
            counts = source.counts()

        assert 19 == counts[Abi.I386, 20].calls
        assert (Abi.X86_64, 20) not in counts
        assert [(Abi.I386, "/etc/hostname", Flag.FOREIGN), (Abi.I386, None, Flag.FOREIGN)] == [
            (e.abi, None if e.captured(0).missing else e.captured(0).text, e.flags) for e in events if e.abi is Abi.I386
        ]

    def test_foreign_calls_can_be_asked_for_alone(self):
        wanted = Interest({(Abi.I386, nr): Outcome.FOREIGN for nr in range(400)})
        gated = Gated([compiled("int80")])
        with watching(scope_of(gated), wanted) as source:
            gated.run()
            events = events_of(source)

        assert [20] * 19 + [5, 5] == [event.nr for event in events]
        assert all(event.flags & Flag.FOREIGN for event in events)

    def test_an_x32_call_is_not_shown_under_the_64_bit_name(self):
        gated = Gated([compiled("x32")])
        with watching(scope_of(gated), interest("getpid")) as source:
            gated.run()
            counts = source.counts()
            events = events_of(source)

        assert 23 == counts[Abi.X32, 39].calls
        assert {Abi.X32} == {event.abi for event in events}
        assert (Abi.X86_64, 39) not in counts


class TestDeath:
    def test_the_events_of_a_killed_process_arrive_the_call_it_died_in_included(self):
        gated = Gated(["/bin/sh", "-c", "cat /etc/hostname; exec sleep 60"])
        with watching(scope_of(gated), interest("openat", "clock_nanosleep")) as source:
            gated.open()
            sleeps_in(gated.process, gated.pid, "clock_nanosleep")
            gated.process.send_signal(signal.SIGKILL)
            gated.process.wait()
            events = events_of(source)

        assert "/etc/hostname" in [event.captured(1).text for event in named(events, "openat")]
        (died,) = named(events, "clock_nanosleep")
        assert gated.pid == died.pid
        assert "ERESTART_RESTARTBLOCK" == errno_name(-died.ret)  # it would go on, were there no SIGKILL

    def test_exit_group_arrives_without_a_result(self):
        (event,) = watch(["/bin/true"], interest("exit_group"))

        assert Flag.NO_RETURN == event.flags
        assert not event.returned


class TestLoss:
    def test_what_does_not_fit_the_ring_is_counted_exactly(self):
        sent = 20011
        gated = Gated([compiled("flood"), "getppid", str(sent)])
        with watching(scope_of(gated), interest("getppid"), ring_pages=1) as source:
            gated.run()
            decoder = Decoder()
            delivered = len(events_of(source, decoder))
            lost = source.losses()[Stage.RING]
            seen = source.seen()

        assert sent == seen == delivered + lost
        assert 0 < delivered <= 16 * len(online_cpus())
        # The numbers show the losses between events; those behind the last one are known from the kernel only.
        assert decoder.missed <= lost

    def test_a_ring_that_is_large_enough_loses_nothing(self):
        gated = Gated([compiled("flood"), "getppid", "16001"])
        with watching(scope_of(gated), interest("getppid"), ring_pages=1024) as source:
            gated.run()
            decoder = Decoder()

            assert 16001 == len(events_of(source, decoder))
            assert 0 == decoder.missed

    def test_a_reader_is_woken_by_a_small_part_of_a_large_ring(self):
        gated = Gated([compiled("flood"), "getppid", str(2 * len(online_cpus()) * WAKEUP_BYTES // CELL_BYTES)])
        with watching(scope_of(gated), interest("getppid"), ring_pages=16 * WAKEUP_BYTES // mmap.PAGESIZE) as source:
            gated.run()

            assert source._rings._poll.poll(0)

    def test_under_a_flood_what_is_read_and_what_is_lost_are_what_was_sent(self):
        gated = Gated([compiled("flood"), "getppid", "300007"])
        with watching(scope_of(gated), interest("getppid"), ring_pages=64) as source:
            gated.open()
            decoder = Decoder()
            while gated.process.poll() is None:
                decoder.decode(source.drain(0.001))
            decoder.decode(source.drain(0))

            assert 300007 == source.seen() == decoder.events + source.losses()[Stage.RING]

    def test_a_cpu_without_a_ring_has_the_spare_one(self):
        """Each event with its CPU, in order, long strings included."""
        path = "/" + "x" * 3000
        program = [
            "/usr/bin/taskset",
            "-c",
            "1",
            "/usr/bin/python3",
            "-Sc",
            f"import os; [os.access({path!r}, 0) for _ in range(53)]",
        ]
        gated = Gated(program)
        with watching(scope_of(gated), interest("access", "faccessat", "faccessat2")) as source:
            without_rings(source)
            gated.run()
            decoder = Decoder()
            texts = [event.texts[0].data.decode() for event in events_of(source, decoder) if event.cpu == 1]

            assert 53 == texts.count(path)
            assert (0, {Stage.RING: 0}) == (decoder.missed, source.losses())

    def test_the_spare_ring_counts_what_it_has_no_room_for(self):
        gated = Gated([compiled("flood"), "getppid", "5003"])
        with watching(scope_of(gated), interest("getppid")) as source:
            without_rings(source)
            gated.run()
            decoder = Decoder()
            received = len(events_of(source, decoder))

            assert 5003 == source.seen() == received + source.losses()[Stage.RING]
            assert PAGES * 4096 // 256 >= received > PAGES * 4096 // 256 - 2

    def test_without_descriptors_rings_are_read_all_the_same(self):
        gated = Gated([compiled("flood"), "getppid", "101"])
        with watching(scope_of(gated), interest("getppid")) as source:
            gated.run()
            source._housekeeping_due_s = 0.0
            with no_descriptors():
                assert 101 == len(events_of(source))

    def test_a_cpu_that_comes_online_gets_a_ring(self, monkeypatch):
        """Taking a CPU away is no test's business, so the daemon is told of one CPU first and of both later."""
        monkeypatch.setattr("monitord.sources.bpf.source.online_cpus", lambda: (0,))
        script = f"taskset -c 1 {compiled('flood')} getppid 101; read x; taskset -c 1 {compiled('flood')} getppid 2003"
        gated = Gated(["/bin/sh", "-c", script], stdin=subprocess.PIPE)
        with watching(scope_of(gated), interest("getppid")) as source:
            gated.open()
            while source.seen() < 102:  # the shell asks once
                time.sleep(0.01)
            monkeypatch.undo()
            source._housekeeping_due_s = 0.0
            decoder = Decoder()
            early = decoder.decode(source.drain(0))
            gated.process.communicate(b"\n")
            events = [event for event in events_of(source, decoder) if event.comm == "flood"]

            assert 101 <= (early.cpu == 1).sum() <= 102
            assert [1] * 2003 == [event.cpu for event in events]
            assert (0, {Stage.RING: 0}) == (decoder.missed, source.losses())

    @pytest.mark.parametrize("may", [True, False])
    def test_a_cpu_that_was_away_between_two_looks_gets_another_ring_if_it_may(self, monkeypatch, caplog, may):
        """Its old one is then as one of another CPU: bpf_perf_event_output() says EOPNOTSUPP to both."""
        flood = f"taskset -c 1 {compiled('flood')} getppid 101"
        gated = Gated(["/bin/sh", "-c", f"{flood}; read x; {flood}; read x; {flood}"], stdin=subprocess.PIPE)
        decoder, found = Decoder(), []

        def look(seen):
            while source.seen() < seen:  # the shell asks once
                time.sleep(0.01)
            source._housekeeping_due_s = 0.0
            batch = decoder.decode([*source.drain(0), *source.drain(0)])
            found.extend(batch.event(row) for row in range(len(batch)))

        def refused(cpu):
            raise PermissionError(13, "Permission denied")

        with watching(scope_of(gated), interest("getppid")) as source:
            if not may:
                monkeypatch.setattr("monitord.sources.bpf.rings.open_output", refused)
            source._update("events", 1, source._rings._rings[0].fd.to_bytes(4, "little"))
            gated.open()
            look(102)
            gated.process.stdin.write(b"\n")
            gated.process.stdin.flush()
            look(203)
            gated.process.communicate(b"\n")
            spared = source._spare.take()
            found += events_of(source, decoder) + [None] * sum(events_in(batch.data) for batch in spared)
            rings = len(source._rings._rings)

        assert bool(spared) is not may
        assert 304 == len(found)
        assert rings == len(online_cpus()) - (not may)
        assert bool(caplog.messages) is not may

    def test_a_cpu_whose_ring_may_not_be_opened_any_more_keeps_the_spare_one(self, monkeypatch):
        monkeypatch.setattr("monitord.sources.bpf.source.online_cpus", lambda: (0,))
        gated = Gated(["/usr/bin/taskset", "-c", "1", compiled("flood"), "getppid", "101"])

        def refused(cpu):
            raise PermissionError(13, "Permission denied")

        with watching(scope_of(gated), interest("getppid")) as source:
            monkeypatch.undo()
            monkeypatch.setattr("monitord.sources.bpf.rings.open_output", refused)
            source._housekeeping_due_s = 0.0
            gated.run()

            assert [1] * 101 == [event.cpu for event in events_of(source) if event.comm == "flood"]


def without_rings(source):
    for cpu in online_cpus():
        key = ctypes.byref(ctypes.c_uint32(cpu))
        assert 0 == library().bpf_map_delete_elem(source._loaded.maps["events"], key)


class TestInstall:
    def test_no_call_in_both_sets_is_missed_while_they_are_exchanged(self):
        """A flood of getppid, wanted by both, under a hundred exchanges."""
        gated = Gated([compiled("flood"), "getppid", "400009"])
        with watching(scope_of(gated), interest("getppid"), ring_pages=2048) as source:
            gated.open()
            decoder = Decoder()
            for turn in range(100):
                source.install(interest("getppid", "openat") if turn % 2 else interest("getppid", "close"))
                decoder.decode(source.drain(0))
            while gated.process.poll() is None:
                decoder.decode(source.drain(0.01))
            decoder.decode(source.drain(0))

            assert 400009 == source.seen() == decoder.events + source.losses()[Stage.RING]

    def test_a_call_that_is_not_wanted_any_more_makes_no_event(self):
        gated = Gated([compiled("flood"), "getppid", "101"])
        with watching(scope_of(gated), interest("getppid")) as source:
            source.install(Interest())
            gated.run()

            assert 0 == source.seen()


def test_programs_load_where_kernel_headers_are_hidden():
    """In a mount namespace without /lib/modules, /usr/src and /usr/include."""
    script = (
        "for d in /lib/modules /usr/src /usr/include; do mkdir -p $d; mount -t tmpfs none $d; done; "
        "exec python3 -c 'from tests.support.live import *; BpfSource(TABLE, Scope(), BpfConfig()).close()'"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr.replace("\n", ""))
