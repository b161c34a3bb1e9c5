"""Fields of sockets, by what real calls make of real sockets."""

import json
import tempfile
from pathlib import Path

import pytest

from monitord.model.interest import Along
from monitord.model.value import Missing
from monitord.rules.fields import CATALOGUE
from monitord.rules.operand import value_of
from monitord.rules.parser import parse_operand
from monitord.tables.captures import captures_of
from monitord.tables.descriptors import descriptor_of
from tests.support.live import PROGRAMS, TABLE, Gated, events_of, interest, scope_of, sleeps_in, watching
from tests.support.rules import FakeContext

pytestmark = pytest.mark.bpf

CALLS = (
    "socket",
    "connect",
    "accept",
    "accept4",
    "bind",
    "sendto",
    "sendmsg",
    "recvfrom",
    "recvmsg",
    "dup",
    "dup2",
    "close",
)


@pytest.fixture(scope="module")
def talk():
    """What the program said, and the events by the name of the call."""
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "socket")
        said = Path(directory) / "said"
        with said.open("wb") as out:
            program = ["/usr/bin/python3", "-S", "-E", str(PROGRAMS / "talk.py"), path]
            gated = Gated(program, stdout=out)
            with watching(scope_of(gated), interest(*CALLS, along=Along.DESCRIPTOR), ring_pages=512) as source:
                assert 0 == gated.run()
                events = events_of(source)
        yield json.loads(said.read_text()) | {"path": path}, events


def value(event, field):
    found, _ = parse_operand(field, 0)
    return value_of(found, event, FakeContext(), CATALOGUE)


def named(events, *names):
    return [event for event in events if TABLE.find(event.abi, event.nr).name in names]


def text(address) -> str:
    host, port = address[:2]
    return f"{host}:{port}"


def values(event, *fields):
    return [value(event, field) for field in fields]


class TestTcp:
    def test_connect_makes_a_client(self, talk):
        said, events = talk
        connect = named(events, "connect")[0]

        assert f"{text(said['client'])}->{text(said['server'])}" == value(connect, "fd.name")
        assert ["4", "ipv4", "tcp", "ip"] == values(connect, "fd.typechar", "fd.type", "fd.l4proto", "fd.sockfamily")
        assert [True, True, False] == values(connect, "fd.connected", "fd.name_changed", "fd.is_server")
        assert [*said["client"], *said["server"]] == values(connect, "fd.cip", "fd.cport", "fd.sip", "fd.sport")
        assert [*said["client"], *said["server"]] == values(connect, "fd.lip", "fd.lport", "fd.rip", "fd.rport")

    def test_accept_makes_a_server(self, talk):
        said, events = talk
        accept = named(events, "accept", "accept4")[0]

        assert f"{text(said['client'])}->{text(said['server'])}" == value(accept, "fd.name")
        assert [*said["server"], *said["client"]] == values(accept, "fd.lip", "fd.lport", "fd.rip", "fd.rport")
        assert value(accept, "fd.is_server")
        assert accept.ret == value(accept, "fd.num")

    def test_a_call_without_an_address_has_the_sockets(self, talk):
        said, events = talk
        both = {text(said["client"]), text(said["server"])}
        sends = [event for event in named(events, "sendto", "sendmsg") if value(event, "fd.l4proto") == "tcp"]

        assert 3 == len(sends)
        for event in sends[:2]:
            assert both == set(value(event, "fd.name").split("->"))
            assert not value(event, "fd.name_changed")
            assert list(said["server"]) == values(event, "fd.rip", "fd.rport")

    def test_an_address_that_the_kernel_ignores_hides_nothing(self, talk):
        """That of a send over a connection: who is at its other end stays there."""
        said, events = talk
        event = named(events, "sendto", "sendmsg")[2]

        assert ["tcp", *said["server"]] == values(event, "fd.l4proto", "fd.rip", "fd.rport")
        assert {text(said["client"]), text(said["server"])} == set(value(event, "fd.name").split("->"))

    def test_copies_of_a_descriptor_are_the_same_socket(self, talk):
        _, events = talk
        connect = named(events, "connect")[0]
        copies = [*named(events, "dup")[:1], *named(events, "dup2")[:1]]

        assert [value(connect, "fd.ino")] * 2 == [value(event, "fd.ino") for event in copies]
        assert ["ipv4"] * 2 == [value(event, "fd.type") for event in copies]

    def test_close_tells_what_was_closed(self, talk):
        _, events = talk
        dup = named(events, "dup")[0]
        closed = [event for event in named(events, "close") if event.args[0] == dup.ret]

        assert value(dup, "fd.ino") in [value(event, "fd.ino") for event in closed]

    def test_a_connection_that_both_sides_have_closed_has_its_addresses(self, talk):
        said, events = talk
        first, second = (
            next(event for event in reversed(named(events, "close")) if event.args[0] == fd) for fd in said["ended by"]
        )

        assert [*said["ended"], *said["server"]] == values(first, "fd.lip", "fd.lport", "fd.rip", "fd.rport")
        assert [*said["server"], *said["ended"]] == values(second, "fd.lip", "fd.lport", "fd.rip", "fd.rport")

    def test_a_refused_connection_has_the_address_that_was_asked_for(self, talk):
        _, events = talk
        refused = next(event for event in named(events, "connect") if event.ret == -111)

        assert ["127.0.0.1", 1, False] == values(refused, "fd.sip", "fd.sport", "fd.connected")

    def test_an_ipv4_client_of_a_server_for_both_is_one_of_ipv4(self, talk):
        said, events = talk
        accept = named(events, "accept", "accept4")[1]

        assert ["4", *said["four"]] == values(accept, "fd.typechar", "fd.rip", "fd.rport")
        assert f"{text(said['four'])}->127.0.0.1:{said['six']}" == value(accept, "fd.name")


class TestUdp:
    def test_a_datagram_to_an_address_changes_the_name(self, talk):
        said, events = talk
        event = next(
            event
            for event in named(events, "sendto")
            if not isinstance(value(event, "fd.sip"), Missing) and value(event, "fd.l4proto") == "udp"
        )

        assert [*said["datagrams"], True, False] == values(
            event, "fd.rip", "fd.rport", "fd.name_changed", "fd.connected"
        )

    def test_the_address_in_a_message_is_read(self, talk):
        said, events = talk
        event = next(e for e in named(events, "sendmsg") if value(e, "fd.l4proto") == "udp")

        assert list(said["datagrams"]) == values(event, "fd.rip", "fd.rport")

    @pytest.mark.parametrize("name", ["recvfrom", "recvmsg"])
    def test_the_senders_address_is_read(self, talk, name):
        said, events = talk
        event = next(e for e in named(events, name) if value(e, "fd.l4proto") == "udp" and e.ret == 1)

        assert said["loose"][1] == value(event, "fd.rport")
        assert "127.0.0.1" == value(event, "fd.rip")

    def test_what_was_not_received_has_no_sender(self, talk):
        _, events = talk
        event = next(e for e in named(events, "recvfrom") if e.ret == -11)

        assert Missing.NOT_APPLICABLE is value(event, "fd.rip")

    def test_connect_connects(self, talk):
        said, events = talk
        event = next(e for e in named(events, "connect") if value(e, "fd.l4proto") == "udp")

        assert [True, True, *said["datagrams"]] == values(
            event, "fd.connected", "fd.name_changed", "fd.sip", "fd.sport"
        )


class TestUnix:
    def test_both_ends_have_the_name(self, talk):
        said, events = talk
        connect = next(e for e in named(events, "connect") if value(e, "fd.typechar") == "u")
        bind = next(e for e in named(events, "bind") if value(e, "fd.typechar") == "u")

        assert [said["path"]] * 2 == [value(event, "fd.name") for event in (connect, bind)]
        assert ["unix", "unix", True] == values(connect, "fd.type", "fd.sockfamily", "fd.connected")


def test_no_two_sockets_are_one(talk):
    _, events = talk
    made = [value(event, "fd.ino") for event in named(events, "socket")]

    assert len(made) == len(set(made)) > 5


def test_a_call_that_is_killed_has_nothing_of_another_one():
    """The address that accept gives is read at its end, which never comes."""
    script = "import socket; s = socket.create_server(('127.0.0.1', 0)); open('/etc/hostname').read(); s.accept()"
    gated = Gated(["/usr/bin/python3", "-S", "-E", "-c", script])
    with watching(scope_of(gated), interest("openat", "accept", "accept4", along=Along.DESCRIPTOR)) as source:
        gated.open()
        sleeps_in(gated.process, gated.pid, "accept4")
        gated.process.kill()
        gated.process.wait()
        (event,) = named(events_of(source), "accept4")

    assert event.failed
    assert Missing.NOT_APPLICABLE is value(event, "fd.rip")


def test_what_is_read_at_the_beginning_is_no_buffer_of_the_end():
    """Both would be written to the same place."""
    both = [call for call in TABLE if (about := descriptor_of(call)) and (about.connects or about.closes)]

    assert both
    assert not any(one.filled_at_exit for call in both for one in captures_of(call))
