"""Attacks, done by real programs anywhere on the machine, in the alert log and in the journal."""

import sys
from pathlib import Path

import pytest
from machine import alert, alerts, entries, read_secret, run, seen, until


def python(code):
    """A command that runs this code."""
    return f"{sys.executable} -c '{code}'"


def test_password_file_read_names_who_did_it():
    read_secret("named")
    found = seen("named")

    fields = found["output_fields"]
    assert ("Warning", "vm", "x86_64") == (found["priority"], found["hostname"], found["abi"])
    assert ("/etc/shadow", "cat", "sh", "root", "/usr/bin/cat") == tuple(
        fields[name] for name in ("fd.name", "proc.name", "proc.pname", "user.name", "proc.exepath")
    )
    assert "mitre_credential_access" in found["tags"]


def test_a_path_is_followed_to_the_file_however_it_is_written():
    run("cd /usr/share && cat ../../etc//./shadow /nowhere/relative >/dev/null", 1)

    assert "/etc/shadow" == seen("relative")["output_fields"]["fd.name"]


def test_container_of_nspawn_is_named():
    attack = "touch /etc/shadow; cat /etc/shadow /nowhere/nspawn >/dev/null; sleep 1"
    options = "--quiet --pipe --directory=/ --volatile=yes --register=no --resolv-conf=off --timezone=off"
    run(f"systemd-nspawn {options} --machine=box sh -c '{attack}'")

    where = seen("nspawn")["event"]["placement"]
    assert ("box", "systemd-nspawn", "machine.slice") == (where["full_id"], where["runtime"], where["slice"])


@pytest.mark.parametrize(
    ("rule", "mark", "command"),
    [
        pytest.param(
            "Execution from shared memory", "/dev/shm/evil-1", "cp /bin/true /dev/shm/evil-1; /dev/shm/evil-1", id="shm"
        ),
        pytest.param(
            "Execution from shared memory",
            "user=nobody",
            "cp /bin/true /dev/shm/evil-2; setpriv --reuid 65534 --clear-groups /dev/shm/evil-2",
            id="shm, another user",
        ),
        pytest.param(
            "Fileless execution",
            "evil-memory",
            python(
                'import os; fd = os.memfd_create("evil"); os.write(fd, open("/bin/true", "rb").read());'
                ' os.execve(fd, ["evil-memory"], {})'
            ),
            id="memfd",
        ),
        pytest.param(
            "Process attached with ptrace",
            "PTRACE_ATTACH",
            "sleep 60 >/dev/null 2>&1 & "
            + python("import ctypes, sys; assert 0 == ctypes.CDLL(None).ptrace(16, int(sys.argv[1]), 0, 0)")
            + " $! && kill -9 $!",
            id="ptrace",
        ),
        pytest.param(
            "Cron job changed", "/etc/cron.d/evil", "mkdir -p /etc/cron.d; echo evil > /etc/cron.d/evil", id="cron"
        ),
        pytest.param(
            "Setuid bit set", "/tmp/evil-sh", "cp /bin/true /tmp/evil-sh; chmod u+s /tmp/evil-sh", id="setuid"
        ),
        pytest.param(
            "SSH keys changed",
            "/root/.ssh/authorized_keys",
            "mkdir -p /root/.ssh; echo evil >> /root/.ssh/authorized_keys",
            id="ssh",
        ),
        pytest.param(
            "Privilege configuration changed",
            "/etc/sudoers.d/evil",
            "mkdir -p /etc/sudoers.d; echo > /etc/sudoers.d/evil",
            id="sudoers",
        ),
    ],
)
def test_attack_is_reported(rule, mark, command):
    run(command)

    assert "" == journal_problem(alert(rule, mark))


def journal_problem(found):
    """What is wrong with the entry that the journal has of an alert; empty when it is as in docs/alerts.md."""
    there = until(lambda: entries_of(found))
    if len(there) != 1:
        return f"{len(there)} entries"
    (entry,) = there
    wanted = {
        "MESSAGE": found["output"],
        "SYSLOG_IDENTIFIER": "monitord",
        "MONITORD_RULE": found["rule"],
        "MONITORD_SOURCE": "syscall",
        "MONITORD_FIELD_PROC_NAME": found["output_fields"]["proc.name"],
        "OBJECT_PID": str(found["pid"]),
        "_SYSTEMD_UNIT": "monitord.service",
    }
    if sorted(entry["MONITORD_TAG"]) != sorted(found["tags"]):  # the journal gives them in any order
        return f"MONITORD_TAG: {entry['MONITORD_TAG']}"
    return "".join(f"{name}: {entry.get(name)!r} " for name, value in wanted.items() if str(entry.get(name)) != value)


def entries_of(found):
    """The journal's entries of an alert."""
    return entries({"MONITORD_RULE": found["rule"], "MONITORD_TIME": found["time"]})


def test_nothing_of_this_was_lost():
    assert {0} == {found["lost_before"] for found in alerts()}


def test_processes_with_their_own_namespaces_are_watched():
    run("unshare --pid --fork --mount-proc --net cat /etc/shadow /nowhere/unshared >/dev/null", 1)

    assert "unshare" == seen("unshared")["output_fields"]["proc.pname"]
    assert Path("/etc/cron.d/evil").exists()
