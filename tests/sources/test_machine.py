"""Why a kernel refuses what others take."""

import subprocess
import sys

import pytest

from monitord.sources.bpf.machine import LOCKED_DOWN, advice, is_old


def lockdown(root, text):
    file = root / "sys/kernel/security/lockdown"
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("expected", "release"),
    [(False, "6.18.44"), (False, "5.10.0-46-arm64"), (True, "5.9.16"), (True, "4.19.0"), (True, "unheard-of")],
)
def test_age_follows_from_the_release(expected, release):
    assert expected == is_old(release)


def test_confidentiality_is_named(tmp_path):
    lockdown(tmp_path, "none integrity [confidentiality]\n")

    assert LOCKED_DOWN == advice(tmp_path, "6.1.0")


def test_integrity_is_no_reason(tmp_path):
    lockdown(tmp_path, "none [integrity] confidentiality\n")

    assert "run `monitord doctor`" == advice(tmp_path, "6.1.0")


def test_age_is_named_where_there_is_no_lockdown(tmp_path):
    assert "Linux 4.19.0 is older than 5.10, which monitord needs" == advice(tmp_path, "4.19.0")


@pytest.mark.parametrize(
    ("personality", "expected"), [("--uname-2.6", "Linux 2.6."), ("--3gb", "it needs CONFIG_FTRACE_SYSCALLS=y ")]
)
def test_a_tracepoint_that_is_not_there_is_of_a_newer_kernel_or_of_another_configuration(personality, expected):
    """Of the running kernel, which can be made to call itself 2.6."""
    ask = "from monitord.sources.bpf.btf import Btf\nwith Btf() as btf: btf.tracepoint('no_such')"
    done = subprocess.run(["setarch", personality, sys.executable, "-c", ask], capture_output=True, text=True)

    assert f"LoadError: this kernel has no tracepoint no_such: {expected}" in done.stderr
