"""The kernel lets through what the reference says of the same calls, and holds back nothing that a rule would match."""

import subprocess
import threading
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from monitord.abi.arch import machine_abis
from monitord.abi.event import Capture
from monitord.config.schema import IGNORED_MAX, Ignore, Scope, ScopeKind
from monitord.decode.decoder import Decoder
from monitord.model.clause import MOST, simplified
from monitord.model.interest import Along
from monitord.rules.evaluate import evaluate
from monitord.rules.interest import InterestFinder
from monitord.rules.parser import parse_condition
from tests.support.kernel_part import conditions
from tests.support.live import TABLE, Gated, compiled, events_of, interest, scope_of, watching
from tests.support.rules import FakeContext

pytestmark = pytest.mark.bpf

CALLS = ("openat", "creat", "socket", "ptrace", "chmod", "rename", "unlinkat", "setuid", "kill", "unshare", "setns")
FINDER = InterestFinder(TABLE)

SERVER = """
import ctypes, os, shutil, sys
libc = ctypes.CDLL(None, use_errno=True)
call = libc.syscall
NR = dict(openat=257, creat=85, socket=41, ptrace=101, chmod=90, rename=82, unlinkat=263, setuid=105, kill=62,
          unshare=272, setns=308, close=3)
paths = [b"/etc/hostname", b"/etc/passwd", b"/etc//passwd", b"/etc/./passwd", b"/tmp/../etc/passwd", b"etc/passwd",
         b"/no/such", b"/no/such/", b"/no", b"/nosuch", b"/", b"", b"/tmp/.hidden", b"/no/..x", b"/no/.", b"/no/..",
         b"/" + b"d" * 59, b"/" + b"d" * 60, b"/" + b"d" * 250, b"/" + b"d/" * 130, b"/caf\\xc3\\xa9", b"/etc/passwd/x",
         b"/no/a../b", b"/no/a..", b"/proc/self/root/etc/passwd", b"/proc/self/mem"]
made = b"/tmp/zz-leaf-%d" % os.getpid()
os.mkdir(made)
for name in (b"n" * 31, b"n" * 31 + b"x", b"caf\\xc3", b"passwd"):
    open(made + b"/" + name, "w").close()
    paths.append(made + b"/" + name)
os.symlink(b"/etc/passwd", made + b"/link")
os.link(made + b"/passwd", made + b"/hard")
paths += [made + b"/link", made + b"/hard"]
def calls():
    for path in paths:
        for flags in (0, 1, 2, 0o101, 0o1001, 0o2000000):
            if flags & 0o1100 and not path.startswith((b"/no", b"/etc/passwd/")):
                continue
            fd = call(NR["openat"], -100, path, flags, 0o644)
            if fd >= 0:
                call(NR["close"], fd)
        if b"no" in path:
            call(NR["creat"], path, 0o644)
            for mode in (0o644, 0o4755):
                call(NR["chmod"], path, mode)
            call(NR["rename"], path, b"/no/such/other")
            call(NR["unlinkat"], -100, path, 0)
    for family in (1, 2, 10, 16, 17, 99):
        fd = call(NR["socket"], family, 3 if family == 17 else 2, 0)
        if fd >= 0:
            call(NR["close"], fd)
    for request in (16, 0x4206, 3, 77):
        call(NR["ptrace"], request, 0x7ffffff0, 0, 0)
    for signal in (0, 9, 15):
        call(NR["kill"], 0x7ffffff0, signal)
    for flags in (0, 0x04000000 | 0x80000000):
        call(NR["unshare"], flags)
    call(NR["setns"], -1, 0x20000)
for line in sys.stdin.buffer:
    for name in (b"cat", b"nginx", b"fifteen-bytes-x"):
        for uid in (0, 61234):
            if not os.fork():
                libc.prctl(15, name, 0, 0, 0)
                os.chdir("/")
                call(NR["setuid"], uid)
                calls()
                os._exit(0)
            os.wait()
    sys.stdout.write("done\\n")
    sys.stdout.flush()
shutil.rmtree(made)
"""


class Server:
    """A process whose children make the same calls for every line that it is given."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", "-S", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd="/",
        )

    def run(self):
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"done\n"

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def live():
    """A source, a server in its scope, and a decoder."""
    server = Server()
    try:
        with watching(Scope(ScopeKind.PID, str(server.process.pid)), ring_pages=2048) as source:
            yield source, server, Decoder()
    finally:
        server.close()


def delivered(live, wanted):
    """The events of one round under an interest."""
    source, server, decoder = live
    source.install(wanted.carrying(dict.fromkeys(wanted.calls, Along.DESCRIPTOR)))  # as rules on opened files do
    server.run()
    return [event for event in events_of(source, decoder) if event.comm != "python3"]


@pytest.fixture(scope="module")
def everything(live):
    return delivered(live, interest(*CALLS, along=Along.DESCRIPTOR))


def essence(event):
    """What tells the calls of a round apart, and is the same in each round."""
    syscall = TABLE.find(event.abi, event.nr)
    numbers = [
        value & 0xFFFFFFFF
        for value, arg in zip(event.args, syscall.args, strict=False)
        if "*" not in arg.type and not arg.name.endswith("pid")
    ]
    texts = tuple(text.data for text in event.texts[:1] if text.capture is Capture.STR)
    result = event.ret if event.failed else 0
    return syscall.name, tuple(numbers), texts, result, event.uid, event.comm


def counted(events):
    return Counter(map(essence, events))


@pytest.mark.parametrize(
    "condition",
    [
        "evt.type=openat",
        "evt.type=openat and evt.failed=false",
        "evt.type=openat and evt.is_open_write=true",
        "evt.type=openat and not evt.is_open_write=true and evt.res=ENOENT",
        "evt.type=openat and evt.res in (ENOENT, ENOTDIR)",
        "evt.type=openat and evt.res in (SUCCESS, ENAMETOOLONG)",
        "evt.type=openat and evt.arg.flags contains O_TRUNC",
        "evt.type=openat and evt.arg.flags contains O_CLOEXEC and user.uid=0",
        "evt.type=openat and user.uid!=0",
        "evt.type=openat and user.uid>1000 and proc.name=cat",
        "evt.type=openat and proc.name in (cat, fifteen-bytes-x)",
        "evt.type=openat and not proc.name in (cat, fifteen-bytes-x)",
        "evt.type=openat and fd.name=/etc/passwd",
        "evt.type=openat and fd.name startswith /etc",
        "evt.type=openat and fd.name startswith /no/",
        "evt.type=openat and not fd.name startswith /no",
        "evt.type=openat and fd.name in (/no, /etc/hostname, /tmp/.hidden)",
        f"evt.type=openat and fd.name startswith /{'d' * 59}",
        f"evt.type=openat and fd.name = /{'d' * 58}",
        "evt.type=openat and (fd.name startswith /etc and proc.name=cat or user.uid=0 and evt.is_open_write=true)",
        "evt.type=openat and fd.nameraw contains ../",
        "evt.type=openat and fd.realpath=/etc/passwd",
        "evt.type=openat and fd.realpath in (/etc/hostname, /no) and proc.name=cat",
        f"evt.type=openat and fd.realpath endswith /{'n' * 40}",
        "evt.type=openat and (fd.name in (/etc/passwd, /no) or fd.realpath in (/etc/passwd, /no))",
        "evt.type=openat and fd.realpath glob /proc/*/mem",
        "evt.type in (openat, chmod, creat) and fd.realpath startswith /etc",
        "evt.type=openat and fd.realpath startswith /etc/",
        "evt.type=openat and (fd.name startswith /proc/ or fd.realpath pmatch (/etc, /proc/*/mem)) and proc.name=cat",
        "evt.type=openat and (fd.realpath glob /tmp/* or fd.realpath=/etc/passwd)",
        "evt.type in (creat, chmod, unlinkat) and fd.name startswith /no/such",
        "evt.type=chmod and evt.arg.mode contains S_ISUID and proc.name=nginx",
        "evt.type=rename and fd.directory=/no",
        "evt.type=socket and evt.arg.domain in (AF_PACKET, AF_INET6)",
        "evt.type=socket and evt.arg.domain=99",
        "evt.type=ptrace and evt.arg.request in (PTRACE_ATTACH, PTRACE_SEIZE)",
        "evt.type=kill and not evt.arg.sig=SIGKILL",
        "evt.type=unshare and evt.arg.flags contains CLONE_NEWUTS",
        "evt.type=setuid and evt.rawarg.uid=0",
        "evt.type=setuid and user.uid=61234",
        "evt.type=setns and evt.arg.nstype contains CLONE_NEWNS and evt.res=EBADF",
        "evt.type in (openat, socket, kill) and (evt.failed=true and user.uid=0 or proc.name=cat)",
    ],
)
def test_what_arrives_is_what_the_reference_admits(live, everything, condition):
    wanted = FINDER.interest_of(parse_condition(condition))

    expected = counted(event for event in everything if wanted.admits(event))

    assert 0 < sum(expected.values()) < len(everything)
    assert expected == counted(delivered(live, wanted))


@settings(
    max_examples=40, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True
)
@given(conditions)
def test_nothing_that_a_condition_is_true_for_is_held_back(live, everything, tree):
    wanted = FINDER.interest_of(tree)
    narrow = type(wanted)(
        {call: outcome for call, outcome in wanted.calls.items() if TABLE.find(*call) and _is_made(call)},
        clauses=wanted.clauses,
    )

    arrived = counted(delivered(live, narrow))

    matched = counted(event for event in everything if evaluate(tree, event, FakeContext(cwd="")))
    assert not matched - arrived
    assert not arrived - counted(everything)


def _is_made(call):
    return TABLE.find(*call).name in CALLS


def test_what_is_ignored_is_dropped_and_counted(live, everything):
    source, _, _ = live
    before = source.ignored()
    source.ignore(Ignore(comm=("nginx",), paths=("/no/such", "/etc")))
    try:
        arrived = delivered(live, interest("openat"))
    finally:
        source.ignore(Ignore())
    dropped = source.ignored()
    opened = [event for event in everything if TABLE.find(event.abi, event.nr).name == "openat"]

    def is_below(event):
        path = event.texts[0].data
        return path in (b"/no/such", b"/etc") or path in (b"/etc/hostname", b"/etc/passwd", b"/etc/passwd/x")

    named = [event for event in opened if event.comm == "nginx"]
    placed = [event for event in opened if event.comm != "nginx" and is_below(event)]
    assert counted(opened) == counted(arrived) + counted(named) + counted(placed)
    assert (len(named), len(placed)) == (dropped["comm"] - before["comm"], dropped["path"] - before["path"])


def test_a_program_that_starts_is_not_ignored():
    gated = Gated(["/bin/true"])
    with watching(scope_of(gated)) as source:
        source.ignore(Ignore(comm=("true",), paths=("/bin", "/usr")))
        source.install(interest("execve", "openat"))
        gated.run()
        names = {TABLE.find(event.abi, event.nr).name for event in events_of(source)}

    assert {"execve"} == names


def test_rules_leave_room_for_what_is_ignored():
    """What a rule asks for by name is delivered, and is not once it is the last of all names that can be ignored."""
    names = ", ".join(("true", *(f"n{number}" for number in range(15_000))))
    wanted = FINDER.interest_of(parse_condition(f"evt.type=openat and proc.name in ({names})"))
    delivered = []
    for last in ("other", "true"):
        gated = Gated(["/bin/true"])
        with watching(scope_of(gated), wanted) as source:
            comm = (*(f"i{number}" for number in range(IGNORED_MAX - 1)), last)
            source.ignore(Ignore(comm, tuple(f"/i{number}" for number in range(IGNORED_MAX))))
            source.install(wanted)
            gated.run()
            delivered.append({event.comm for event in events_of(source)})

    assert [{"true"}, set()] == delivered


def test_no_call_in_both_sets_is_missed_while_filters_change():
    """Filters of many kinds take turns; each admits the opens that are made, for reasons of its own."""
    sent = 600_011
    path = "/etc/hostname"
    each = [
        FINDER.interest_of(parse_condition(f"evt.type=openat and {test}"))
        for test in (
            "fd.name=/etc/hostname",
            "not proc.name in (cat, dog)",
            "proc.name=flood and fd.name startswith /etc",
            "evt.is_open_read=true and user.uid=0",
            "evt.failed=false or evt.res=EACCES",
            "not fd.name startswith /proc and not evt.arg.flags contains O_TRUNC",
        )
    ]
    gated = Gated([compiled("flood"), "open", str(sent), path])
    with watching(scope_of(gated), each[0], ring_pages=4096) as source:
        gated.open()
        decoder = Decoder()
        stop = threading.Event()

        def read():
            while not stop.is_set():
                decoder.decode(source.drain(0.001))

        reader = threading.Thread(target=read)
        reader.start()
        turns = 0
        while gated.process.poll() is None:
            turns += 1
            source.install(each[turns % len(each)])
            time.sleep(0.001)
        stop.set()
        reader.join()
        decoder.decode(source.drain(0))

    assert turns > 10
    # The program's own start opens its libraries.
    assert sent <= source_total(decoder, source) <= sent + 10


def source_total(decoder, source):
    return decoder.events + sum(source.losses().values())


def test_the_reference_has_no_more_clauses_than_the_kernel():
    clauses = FINDER.interest_of(
        parse_condition(
            "evt.type=openat and (" + " or ".join(f"fd.name=/a{n} and user.uid={n}" for n in range(50)) + ")"
        )
    ).wanted((machine_abis()[0], TABLE.named(machine_abis()[0], "openat").nr))

    assert len(clauses) <= MOST
    assert simplified(clauses) == clauses
