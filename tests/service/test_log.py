"""The daemon's own log lines, as a person and as the journal read them."""

import os
import subprocess
import sys

import pytest

LOG = (
    "import logging, sys\n"
    "from monitord.service.log import start_logging\n"
    "start_logging(sys.stderr)\n"
    "log = logging.getLogger('monitord.somewhere')\n"
    "log.debug('detail'); log.info('watching'); log.warning('slow'); log.error('two\\nlines')\n"
)


@pytest.fixture
def log(tmp_path):
    """Runs a process that logs to a file, and gives what is in it."""

    def run(journal: bool) -> str:
        with open(tmp_path / "stderr", "w+") as stderr:
            found = os.fstat(stderr.fileno())
            name = f"{found.st_dev}:{found.st_ino}" if journal else "1:1"
            subprocess.run([sys.executable, "-c", LOG], stderr=stderr, env={**os.environ, "JOURNAL_STREAM": name})
            return (tmp_path / "stderr").read_text()

    return run


class TestLog:
    def test_person_reads_plain_lines(self, log):
        assert "monitord: watching\nmonitord: warning: slow\nmonitord: error: two\nlines\n" == log(journal=False)

    def test_journal_gets_the_priority_on_every_line(self, log):
        assert "<6>watching\n<4>slow\n<3>two\n<3>lines\n" == log(journal=True)
