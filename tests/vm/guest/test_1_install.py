"""The package comes to a machine, and a newer one after it."""

import re
from pathlib import Path

import pytest
from machine import CONFIG, LOG, RULES, Metrics, does, journal, main_pid, now, prop, read_secret, run, seen

HERE = Path(__file__).parent
EDIT = "# edited by the operator\n"


@pytest.fixture(scope="module")
def package():
    """The one under test."""
    (found,) = HERE.glob("monitord_*.deb")
    return found


@pytest.fixture(scope="module")
def first(package, tmp_path_factory):
    """A package of a lower version with another rules file; where no upgrade is tested, the one under test."""
    if not does(0):
        return package
    tree = tmp_path_factory.mktemp("older")
    run(f"dpkg-deb -R {package} {tree}/tree && sed -i 's/^Version:.*/Version: 0.0.1/' {tree}/tree/DEBIAN/control")
    rules = tree / "tree/etc/monitord/rules.d/correlations.yaml"
    rules.write_text(rules.read_text() + "# of the older version\n")
    run(f"dpkg-deb --root-owner-group -Znone -b {tree}/tree {tree}/older.deb")
    return tree / "older.deb"


def test_machine_is_well_before():
    assert "" == run("systemctl --failed --no-legend")
    assert "" == run("find / -xdev -iname '*monitord*' -not -name monitord.service.d")


def test_installed_service_watches_at_once(first):
    run(f"DEBIAN_FRONTEND=noninteractive dpkg -i {first}")

    assert ("active", "enabled") == (prop("ActiveState"), prop("UnitFileState"))
    read_secret("installed")
    assert "/etc/shadow" == seen("installed")["output_fields"]["fd.name"]


@pytest.mark.one_kernel(0)
def test_upgrade_restarts_it_and_keeps_what_was_edited(package):
    before, said_before = main_pid(), now()
    CONFIG.write_text(CONFIG.read_text() + EDIT)

    run(f"DEBIAN_FRONTEND=noninteractive apt-get install -y {package}")

    version = re.search("^Version: (.*)$", run("dpkg -s monitord"), re.MULTILINE)
    assert ("0.0.1", "active") != (version[1], prop("ActiveState"))
    assert main_pid() not in (0, before)
    said = journal(said_before)
    assert re.search(r"stopped: \d+ events admitted, \d+ judged, 0 lost; \d+ alerts, written: .*; dropped: none", said)
    assert re.search(rf"the last run \(pid {before}\) stopped at \d{{4}}-.*; not watched for [\d.]+ s", said)
    assert CONFIG.read_text().endswith(EDIT)
    assert "# of the older version" not in (RULES / "correlations.yaml").read_text()
    assert [] == list(CONFIG.parent.rglob("*.dpkg-*"))


@pytest.mark.one_kernel(0)
def test_upgraded_service_goes_on_in_the_same_log():
    read_secret("upgraded")

    seen("upgraded")
    seen("installed")
    assert 0 == Metrics().lost()


@pytest.mark.one_kernel(0)
def test_log_is_for_its_owner_and_group():
    assert "monitord:monitord 640" == run(f"stat -c '%U:%G %a' {LOG}").strip()
    assert "monitord:monitord 750" == run(f"stat -c '%U:%G %a' {LOG.parent}").strip()
