"""Which process tree an event belongs to."""

import pytest

from monitord.model.process import Process, ProcessKey
from monitord.model.value import Missing
from monitord.rules.fields import CATALOGUE
from monitord.rules.fields.tree import tree_of
from tests.support.rules import FakeContext, make_event


def line(*ancestors):
    """A context where the process is 101, and these are its ancestors: (pid, executable)."""
    processes = [Process(ProcessKey(pid, 1), "x", exepath=path) for pid, path in ((101, "/bin/x"), *ancestors)]
    return FakeContext(processes)


def tree(*ancestors):
    return CATALOGUE["proc.tree"].extract(make_event(), line(*ancestors), None)


def test_the_farthest_ancestor_below_the_first_process():
    assert 51 == tree((97, "/bin/sh"), (51, "/usr/bin/python3"), (1, "/sbin/init"))


@pytest.mark.parametrize(
    "starter",
    [
        "/usr/sbin/sshd",
        "/usr/sbin/sshd (deleted)",
        "/usr/lib/systemd/systemd",
        "/usr/sbin/cron",
        "/usr/bin/tmux",
        "/usr/bin/containerd-shim-runc-v2",
    ],
)
def test_what_starts_things_for_others_is_no_root(starter):
    assert 97 == tree((97, "/bin/bash"), (51, starter), (7, starter), (1, "/sbin/init"))


def test_nor_does_the_kernel_make_one_tree_of_its_helpers():
    assert 101 == tree((2, Missing.NOT_APPLICABLE))


@pytest.mark.parametrize("path", ["/tmp/sshd", "/home/ann/usr/sbin/sshd", "/usr/bin/sshd-mine", Missing.LATE])
def test_a_program_that_only_has_such_a_name_is_one_like_others(path):
    assert 51 == tree((97, path), (51, "/bin/bash"), (1, "/sbin/init"))


def test_a_process_whose_parent_is_gone_is_a_root():
    assert 101 == tree()


def test_what_a_parent_is_known_to_belong_to_its_children_do_too():
    """Its own parent has gone since."""
    context = line((97, "/bin/sh"), (1, "/sbin/init"))

    assert 51 == tree_of(make_event(), context, {ProcessKey(97, 1): 51})
