"""Names of flags, enumerations and errors."""

import errno
import os
import signal
import socket

import pytest

from monitord.abi.arch import Abi, machine_abis
from monitord.tables.constants import errno_name, names_of, text_of_flags

NATIVE = machine_abis()[0]


class TestErrnoName:
    def test_every_error_that_user_space_knows_has_its_name(self):
        second_names = {"EWOULDBLOCK": "EAGAIN", "EDEADLOCK": "EDEADLK", "ENOTSUP": "EOPNOTSUPP"}
        known = {number: second_names.get(name, name) for number, name in errno.errorcode.items()}

        assert known == {number: errno_name(number) for number in known}

    def test_the_highest_number_of_user_space_has_a_name(self):
        assert "EHWPOISON" == errno_name(133)

    def test_errors_inside_the_kernel_have_names(self):
        assert "ERESTARTSYS" == errno_name(512)
        assert "ERESTART_RESTARTBLOCK" == errno_name(516)

    def test_a_number_without_a_name_is_shown(self):
        assert "ERRNO_600" == errno_name(600)


class TestNamesOf:
    def test_open_flags_are_those_of_this_machine(self):
        names = names_of(NATIVE, "open")
        # O_LARGEFILE is 0 for a 64-bit program
        theirs = {name: getattr(os, name) for name in names.values() if getattr(os, name, 0)}

        assert theirs == {name: value for value, name in names.items() if name in theirs}

    def test_open_flags_differ_between_x86_and_arm(self):
        assert ("O_DIRECTORY", "O_DIRECT") == (
            names_of(Abi.X86_64, "open")[0o200000],
            names_of(Abi.ARM64, "open")[0o200000],
        )
        assert names_of(Abi.I386, "open") == names_of(Abi.X86_64, "open")
        assert names_of(Abi.ARM, "open") == names_of(Abi.ARM64, "open")

    def test_signals_are_those_of_this_machine(self):
        second_names = {"SIGIOT", "SIGPOLL", "SIGCLD", "SIGRTMIN", "SIGRTMAX"}
        theirs = {number.value: name for name, number in signal.Signals.__members__.items() if name not in second_names}

        assert theirs == dict(names_of(NATIVE, "signal"))

    def test_address_families_are_those_of_this_machine(self):
        names = names_of(NATIVE, "domain")
        theirs = {name: int(getattr(socket, name)) for name in names.values() if hasattr(socket, name)}

        assert theirs == {name: value for value, name in names.items() if name in theirs}
        assert len(theirs) > 20

    def test_several_families_make_one(self):
        names = names_of(NATIVE, "at_follow", "at_access")

        assert ("AT_EACCESS", "AT_EMPTY_PATH") == (names[0x200], names[0x1000])


class TestTextOfFlags:
    NAMES = {0: "NONE", 1: "A", 2: "B", 6: "BC", 8: "D"}  # noqa: RUF012 - never changed

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("NONE", 0),
            ("A", 1),
            ("A|B", 3),
            ("BC", 6),
            ("A|BC|D", 15),
            ("0x4", 4),
            ("A|0x30", 0x31),
        ],
    )
    def test_names_bits_lowest_first_and_leaves_the_rest_as_a_number(self, text, value):
        assert text == text_of_flags(value, self.NAMES)

    def test_zero_without_a_name_is_a_digit(self):
        assert "0" == text_of_flags(0, {1: "A"})
