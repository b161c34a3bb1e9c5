"""What processes executed is remembered, within bounds."""

import pytest

from monitord.enrich.program import PROGRAMS_PER_PROCESS, Program, Programs
from monitord.model.text import argv_of
from monitord.model.value import Missing

NOBODY = (4711, 0)
SOMEBODY = (4711, 1)


def program(since_ns: int) -> Program:
    return Program(since_ns, -100, f"/bin/{since_ns}", Missing.UNKNOWN)


class TestPrograms:
    def test_event_gets_the_program_of_its_time(self):
        programs = Programs(3)
        programs.learn(SOMEBODY, program(10))
        programs.learn(SOMEBODY, program(20))

        assert (program(10), False) == programs.at(SOMEBODY, 19)
        assert (program(20), True) == programs.at(SOMEBODY, 20)

    def test_order_of_arrival_does_not_matter(self):
        """Two rings are drained one after the other, whatever happened first."""
        programs = Programs(3)
        programs.learn(SOMEBODY, program(20))
        programs.learn(SOMEBODY, program(10))

        assert (program(20), True) == programs.at(SOMEBODY, 30)

    def test_event_before_the_first_known_exec_has_no_program_and_neither_has_proc(self):
        programs = Programs(3)
        programs.learn(SOMEBODY, program(10))

        assert (None, False) == programs.at(SOMEBODY, 9)

    def test_unknown_process_can_still_be_asked_of_proc(self):
        assert (None, True) == Programs(3).at(NOBODY, 9)

    def test_pid_given_again_is_another_process(self):
        programs = Programs(3)
        programs.learn(SOMEBODY, program(10))

        assert (None, True) == programs.at(NOBODY, 20)

    def test_process_that_was_not_asked_for_longest_is_forgotten_and_counted(self):
        programs = Programs(2)
        for pid in (2, 3):
            programs.learn(pid, program(10))
        programs.at(2, 10)
        programs.learn(5, program(10))

        assert [True, False, True] == [programs.at(pid, 10)[0] is not None for pid in (2, 3, 5)]
        assert 1 == programs.evicted
        assert 2 == len(programs)

    def test_history_of_one_process_is_bounded(self):
        programs = Programs(2)
        for since_ns in range(PROGRAMS_PER_PROCESS + 1):
            programs.learn(SOMEBODY, program(since_ns))

        assert (None, False) == programs.at(SOMEBODY, 0)
        assert (program(1), False) == programs.at(SOMEBODY, 1)

    def test_exec_that_is_learned_twice_counts_once(self):
        """An event is learned with its batch, and again when it is judged."""
        programs = Programs(2)
        for since_ns in range(PROGRAMS_PER_PROCESS):
            programs.learn(SOMEBODY, program(since_ns))
            programs.learn(SOMEBODY, program(since_ns))

        assert (program(0), False) == programs.at(SOMEBODY, 0)


@pytest.mark.parametrize(
    ("argv", "data"),
    [
        (("ls", "-l"), b"ls\0-l\0"),
        (("ls", ""), b"ls\0\0"),
        (("ls", "-"), b"ls\0-"),  # cut
        (("",), b"\0"),
        ((), b""),
    ],
)
def test_every_string_of_an_argv_ends_with_a_nul(argv, data):
    assert argv == argv_of(data)
