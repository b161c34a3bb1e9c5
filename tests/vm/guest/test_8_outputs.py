"""Outputs under the unit's restrictions: what works as it ships, what takes a drop-in, and what is said until then."""

import json
from pathlib import Path

import pytest
from machine import (
    CONFIG,
    SERVICE,
    Metrics,
    alerts,
    daemon_said,
    drop_in,
    journal,
    now,
    read_secret,
    run,
    seen,
    settled,
    until,
)
from receiver import make_certificates, receiving

pytestmark = pytest.mark.one_kernel(2)

STATE = Path("/var/lib/monitord")
TAKEN = STATE / "program.jsonl"


@pytest.fixture(scope="module")
def certificates():
    """In the service's directory of configuration, as an operator would have them."""
    directory = CONFIG.parent / "tls"
    directory.mkdir()
    made = make_certificates(directory)
    run(f"chgrp -R monitord {directory}; chmod -R g+rX {directory}")
    yield made
    run(f"rm -r {directory}")


@pytest.fixture(scope="module")
def outputs():
    """Writes a configuration with these outputs beside those that ship; the one that ships comes back at the end."""
    before = CONFIG.read_text()

    def outputs(**sections):
        text = before
        for name, section in sections.items():
            assert f"\n  {name}: null\n" in text
            text = text.replace(f"\n  {name}: null\n", f"\n  {name}: {json.dumps(section)}\n")
        CONFIG.write_text(text)

    yield outputs
    CONFIG.write_text(before)
    run(f"systemctl reload {SERVICE}")


@pytest.fixture(scope="module")
def manager():
    """In the place of Alertmanager."""
    with receiving() as one:
        yield one


@pytest.fixture(scope="module")
def webhook(certificates):
    """The server whose certificate is right or wrong, as the service is told."""
    with receiving(certificates.server()) as one:
        yield one


@pytest.fixture(scope="module")
def all_at_once(outputs, certificates, manager, webhook):
    """Switches all of them on; `ca` is what the webhook's server is to be known by."""

    def all_at_once(ca, port=webhook.port):
        outputs(
            syslog={"address": "/dev/log"},
            webhook={
                "url": f"https://127.0.0.1:{port}/",
                "ca_file": str(certificates.cert(ca)),
                "spool": str(STATE / "webhook"),
            },
            alertmanager={"urls": [f"http://127.0.0.1:{manager.port}"]},
            program={"command": ["/usr/bin/tee", "-a", str(TAKEN)]},
        )

    return all_at_once


def reload():
    """Reload, and what the daemon said to it."""
    before, served = now(), journal().count("reload")
    run(f"systemctl reload {SERVICE}")
    until(lambda: journal().count("reload") > served)
    return daemon_said(before)


def came(receiver, mark):
    """Whether a server got the alert of `read_secret`."""
    return any(f"/nowhere/{mark} " in request.body.decode() for request in receiver.requests)


def test_wrong_certificate_is_said_once_and_keeps_no_other_output_from_its_alerts(all_at_once, manager):
    before = now()
    all_at_once("other")
    run(f"systemctl restart {SERVICE}")
    read_secret("all-at-once")

    seen("all-at-once")
    until(lambda: TAKEN.exists() and "/nowhere/all-at-once " in TAKEN.read_text())
    until(lambda: came(manager, "all-at-once"))
    for transport in ("journal", "syslog"):
        until(lambda of=transport: "/nowhere/all-at-once " in daemon_said(before, _TRANSPORT=of))
    until(lambda: Metrics().value("monitord_alert_errors_total", sink="webhook") > 1)
    errors = daemon_said(before, PRIORITY=list("0123")).splitlines()
    refusals = [line for line in errors if line.startswith("webhook: ")]
    assert 1 == len(refusals)
    assert "its certificate is refused: " in refusals[0]
    assert "see outputs.webhook.ca_file" in refusals[0]


def test_what_the_spool_kept_is_delivered_after_a_restart(all_at_once, webhook):
    before = now()
    all_at_once("ca")
    run(f"systemctl restart {SERVICE}")

    until(lambda: came(webhook, "all-at-once"))
    assert "kept in /var/lib/monitord/webhook for the next start" in journal(before)
    assert "stopped: " in journal(before)


def test_dead_server_gets_what_it_missed_when_it_is_back(all_at_once, certificates, webhook):
    with receiving() as one:
        port = one.port
    all_at_once("ca", port)
    reload()
    before = now()
    read_secret("dead-server")
    seen("dead-server")
    until(lambda: Metrics().value("monitord_alert_errors_total", sink="webhook") > 1)
    with receiving(certificates.server(), port) as back:
        until(lambda: came(back, "dead-server"))

    assert not came(webhook, "dead-server")
    until(lambda: "webhook: writing again" in daemon_said(before))
    told = daemon_said(before)
    assert 1 == told.count("connection refused; trying again until it works")
    assert 1 == told.count("webhook: writing again")


@pytest.mark.one_kernel(1)
def test_server_elsewhere_takes_a_drop_in(outputs):
    run("ip address add 192.0.2.1/32 dev lo")
    with receiving(address="192.0.2.1") as elsewhere:
        outputs(webhook={"url": f"http://192.0.2.1:{elsewhere.port}/", "timeout_s": 2})
        before = now()
        reload()
        read_secret("elsewhere")
        seen("elsewhere")
        until(lambda: f"webhook: http://192.0.2.1:{elsewhere.port}: timed out" in journal(before))
        assert not came(elsewhere, "elsewhere")

        drop_in(IPAddressAllow="192.0.2.1")
        run(f"systemctl restart {SERVICE}")  # systemd 252 would do without, 257 does not
        read_secret("allowed")

        until(lambda: came(elsewhere, "allowed"))
        outputs()
        reload()
    drop_in()


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            {"webhook": {"url": "https://127.0.0.1:9/", "ca_file": "/root/ca.pem"}},
            "C020 cannot use outputs.webhook.ca_file: /root/ca.pem: permission denied; let uid",
        ),
        (
            {"webhook": {"url": "http://127.0.0.1:9/", "spool": "/srv/spool"}},
            "C020 cannot use /srv/spool as spool: read-only file system;",
        ),
        (
            {"program": {"command": ["/opt/tee"]}},
            "C020 cannot start /opt/tee: Permission denied; change outputs.program.command",
        ),
    ],
    ids=["home", "spool", "program"],
)
def test_what_the_unit_forbids_is_refused_by_a_reload(outputs, section, expected):
    run("cp -n /usr/bin/tee /opt/tee; cp -n /etc/passwd /root/ca.pem; mkdir -p /srv/spool")
    outputs(**section)
    told = reload()

    assert expected in told
    assert "reload refused, 1 to correct" in told


def test_reload_makes_no_alert_of_itself():
    """systemd makes a keyring as the service's user, and is root again."""
    settled()

    assert [] == [alert["output"] for alert in alerts() if "process=(kill)" in alert["output"]]
