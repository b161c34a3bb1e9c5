"""Why a kernel refuses what others take."""

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
