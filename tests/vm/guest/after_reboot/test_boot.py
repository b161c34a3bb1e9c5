"""The service was stopped by a shutdown, and started by a boot."""

from machine import SERVICE, journal, prop, read_secret, run, seen, wait_active


def test_boot_comes_to_its_end_with_nothing_failed():
    wait_active()

    assert "running" == run("systemctl is-system-running --wait").strip()
    assert "" == run("systemctl --failed --no-legend")


def test_it_watched_before_other_services_started():
    """Boot-time microseconds: of all services that wait for sysinit.target none became active before it."""
    ready = int(prop("ActiveEnterTimestampMonotonic"))
    others = run(f"systemctl list-dependencies --after --plain {SERVICE}; true")

    assert "sysinit.target" not in others
    for unit in ("sysinit.target", "basic.target", "dbus.service", "cron.service", "systemd-logind.service"):
        active = int(run(f"systemctl show -P ActiveEnterTimestampMonotonic {unit}"))
        assert not active or ready <= active, unit


def test_service_watches():
    read_secret("after-boot")

    seen("after-boot")
    assert ("active", "0") == (prop("ActiveState"), prop("NRestarts"))


def test_what_was_compiled_before_the_boot_is_used():
    assert "BPF programs: compiled in " not in journal()


def test_shutdown_before_ended_it_in_time_and_with_its_totals():
    said = run("journalctl -b -1 -u monitord.service -o cat --no-pager | tail -n 6")

    assert "SIGTERM: stopping" in said
    assert "monitord.service: Deactivated successfully." in said
    totals = next(line for line in said.splitlines() if line.startswith("stopped: "))
    assert ", 0 lost; " in totals
    assert totals.endswith("; dropped: none")
    assert "Failed" not in said


def test_nothing_failed_in_the_shutdown():
    _, stopping, said = run("journalctl -b -1 -n 500 -o cat --no-pager").rpartition("SIGTERM: stopping")

    assert stopping
    assert "Failed with result" not in said
