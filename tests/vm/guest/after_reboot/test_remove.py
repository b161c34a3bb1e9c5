"""The package goes."""

import shutil
from pathlib import Path

import pytest
from conftest import SLOW
from machine import CONFIG, LOG, RULES, run

pytestmark = pytest.mark.one_kernel(0)

FILES = "find / -xdev -path /tmp -prune -o -path /var/lib/vmtest -prune -o -iname '*monitord*' -print"


def test_removed_service_is_stopped_and_gone():
    run("DEBIAN_FRONTEND=noninteractive dpkg -r monitord")

    assert "" == run("pgrep -x monitord", 1)
    assert "" == run("systemctl --failed --no-legend")
    assert not Path("/usr/bin/monitord").exists()
    assert not Path("/usr/lib/python3/dist-packages/monitord").exists()


def test_what_the_operator_edited_and_the_alerts_stay():
    assert CONFIG.read_text().endswith("# edited by the operator\n")
    assert LOG.stat().st_size


def test_purge_leaves_no_file():
    """The user stays, as Debian's packages leave theirs: what it owns elsewhere must not become somebody else's."""
    (RULES / "zz-local.yaml").write_text("# rules of the operator\n")
    (CONFIG.parent / "tls").mkdir()
    (CONFIG.parent / "tls/client.key").touch()
    run("DEBIAN_FRONTEND=noninteractive dpkg -P monitord")
    shutil.rmtree(SLOW.parent)

    assert "" == run(FILES)
    assert not CONFIG.parent.exists()
    assert "monitord" == run("getent passwd monitord").split(":")[0]
