"""socketcall(2) of a real 32-bit program: each call within is an event of its own name, with its own arguments."""

import platform

import pytest

from monitord.abi.arch import Abi
from monitord.model.interest import Interest
from monitord.sources.bpf.plan import _SOCKETCALL, _WRAPPED
from monitord.tables.constants import errno_name
from tests.support.live import TABLE, Gated, compiled32, events_of, interest, scope_of, watching

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit x86 programs make it"),
]

CALLS = (
    *("socket", "bind", "connect", "listen", "accept4", "getsockname", "getpeername", "socketpair", "sendto"),
    *("recvfrom", "shutdown", "setsockopt", "getsockopt", "sendmsg", "recvmsg", "recvmmsg", "sendmmsg"),
)


def watched(wanted, **config):
    """What it did, and what of that was counted: (name, calls, errors)."""
    gated = Gated([compiled32("socketcall")])
    with watching(scope_of(gated), wanted, **config) as source:
        gated.run()
        events = events_of(source)
        counts = source.counts()
    return [event for event in events if event.abi is Abi.I386], counts


def name(event):
    return TABLE.find(event.abi, event.nr).name


def test_the_direct_calls_are_the_tables():
    assert {*CALLS} == {TABLE.find(Abi.I386, nr).name for nr in _WRAPPED}
    assert "socketcall" == TABLE.find(Abi.I386, _SOCKETCALL).name


@pytest.mark.parametrize("latency", [False, True])
def test_each_is_an_event_of_its_own(latency):
    events, _ = watched(interest(*CALLS), latency=latency)
    did = [(name(event), event.ret) for event in events]
    fd = {"server": 3, "client": 4, "accepted": 5}

    assert [
        ("socket", fd["server"]),
        ("bind", 0),
        ("listen", 0),
        ("getsockname", 0),
        ("socket", fd["client"]),
        ("connect", 0),
        ("getpeername", 0),
        ("accept4", fd["accepted"]),
        *[("sendto", 1), ("recvfrom", 1)] * 2,
        *[("sendmsg", 1), ("recvmsg", 1)],
        *[("setsockopt", 0), ("getsockopt", 0)],
        *[("sendmmsg", 1), ("recvmmsg", 1)],
        ("socketpair", 0),
        *[("shutdown", 0)] * 2,
        ("socket", 8),
        ("connect", -111),
        ("accept4", -22),
    ] == did
    assert all(event.args[0] in (1, 2, *fd.values(), 8) for event in events)


def test_arguments_and_addresses_are_those_of_the_call():
    events, _ = watched(interest(*CALLS))
    socket, bind, connect, accept = (
        next(e for e in events if name(e) == n) for n in ("socket", "bind", "connect", "accept4")
    )
    (send, _) = (event for event in events if name(event) == "sendto")
    port = connect.captured(1).data[2:4]

    assert (2, 1, 0, 0, 0, 0) == socket.args
    assert b"\x02\0" + b"\0\0" + b"\x7f\0\0\x01" == bind.captured(1).data[:8]
    assert b"\x02\0" + port + b"\x7f\0\0\x01" == connect.captured(1).data[:8]
    assert b"\x7f\0\0\x01" == accept.captured(1).data[4:8]
    # send has four arguments: what lies behind them is not an address.
    assert (1, 0, 0, 0) == send.args[2:]


def test_only_those_that_are_wanted_come():
    events, _ = watched(interest("connect"))

    assert [("connect", 0), ("connect", -111)] == [(name(event), event.ret) for event in events]


@pytest.mark.parametrize("wanted", [Interest(), interest("connect"), interest(*CALLS)])
@pytest.mark.parametrize("latency", [False, True])
def test_it_counts_as_what_was_called(wanted, latency):
    """Whatever rules ask for."""
    _, counts = watched(wanted, latency=latency)
    mine = {TABLE.find(abi, nr).name: count for (abi, nr), count in counts.items() if abi is Abi.I386}

    assert {"socketcall": 27, "exit": 1} == {name: count.calls for name, count in mine.items() if count.calls}
    assert {"ECONNREFUSED": 1, "EINVAL": 3, "EFAULT": 1} == {
        errno_name(errno): times for errno, times in mine["socketcall"].errors.items()
    }
