import subprocess
import sys
import textwrap

from monitord.model.value import Missing
from monitord.sinks.journald import journal_fields
from tests.support.alerts import make_alert

HEAD = """
import socket
from monitord.sinks.journald import SOCKET, Journald, available
from monitord.stages import SinkError
from tests.support.alerts import make_alert
"""

LISTEN = """
SOCKET.parent.mkdir(parents=True)
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind(str(SOCKET))
"""


def on_a_machine_of_its_own(script: str) -> str:
    """Run a script in a mount namespace with an empty /run, where it can be the journal itself."""
    script = HEAD + textwrap.dedent(script)
    mount = f'mount -t tmpfs none /run && exec {sys.executable} -c "$0"'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, script], capture_output=True, text=True, check=True
    ).stdout


class TestFields:
    def test_names_and_values(self):
        assert [
            "MESSAGE=shadow was read (proc.name=cat)",
            "PRIORITY=4",
            "SYSLOG_IDENTIFIER=monitord",
            "OBJECT_PID=4001",
            "MONITORD_TIME=2026-02-03T04:05:06.000000007Z",
            "MONITORD_RULE=Read shadow",
            "MONITORD_SOURCE=syscall",
            "MONITORD_TAG=T1003.008",
            "MONITORD_TAG=files",
            "MONITORD_FIELD_PROC_NAME=cat",
        ] == journal_fields(make_alert())

    def test_field_values(self):
        fields = {"a[1]": ("x", "y"), "b": True, "c": Missing.LATE, "d": 7, "e": "\udcff"}

        assert [
            "MONITORD_FIELD_A_1_=x y",
            "MONITORD_FIELD_B=true",
            "MONITORD_FIELD_C=<NA>",
            "MONITORD_FIELD_D=7",
            "MONITORD_FIELD_E=\\xff",
        ] == journal_fields(make_alert(fields=fields))[-5:]

    def test_a_name_fits_in_what_the_journal_takes(self):
        name = journal_fields(make_alert(fields={"x" * 100: 1}))[-1].partition("=")[0]

        assert 64 == len(name)


class TestSending:
    def test_the_journal_gets_the_fields(self):
        out = on_a_machine_of_its_own(
            LISTEN
            + """
Journald().write(make_alert(output="two\\nlines"))
entry = journal.recv(65536)
print(b"MONITORD_RULE=Read shadow\\n" in entry, b"MESSAGE\\n\\x09\\0\\0\\0\\0\\0\\0\\0two\\nlines\\n" in entry)
"""
        )

        assert "True True\n" == out

    def test_it_is_available_with_a_journal(self):
        assert "True\n" == on_a_machine_of_its_own(LISTEN + "print(available())")

    def test_it_is_not_available_without(self):
        assert "False\n" == on_a_machine_of_its_own("print(available())")

    def test_a_journal_that_went_away_is_an_error(self):
        out = on_a_machine_of_its_own(
            """
            try:
                Journald().write(make_alert())
            except SinkError as err:
                print(err)
            """
        )

        assert "no journal: /run/systemd/journal/socket is not there\n" == out

    def test_a_journal_that_refuses_is_an_error(self):
        out = on_a_machine_of_its_own(
            LISTEN
            + """
journal.close()
try:
    Journald().write(make_alert())
except SinkError as err:
    print(err)
"""
        )

        assert "the journal did not take the alert: Connection refused\n" == out
