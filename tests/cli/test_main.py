"""What all commands have in common."""

import os
import subprocess

import pytest

from tests.support.daemon import CHECKOUT, COMMAND, configured, environment, running

CALLS = (*COMMAND, "syscalls")


def by_shell(redirection: str, *command: str) -> subprocess.CompletedProcess:
    """A command with its streams as a shell gives them."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirection}', "sh", *command],
        cwd=CHECKOUT,
        env=environment(),
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("words", [("syscalls",), ("fields",), ("--help",), ("--version",)])
def test_a_full_disk_is_one_line(words):
    done = by_shell(">/dev/full", *COMMAND, *words)

    assert (1, "monitord: [Errno 28] No space left on device\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", b"Gr\\xf6\\u20ac"), ("latin-1", b"Gr\xf6\\u20ac"), ("utf-8", "Grö€".encode())]
)
def test_what_the_terminal_has_no_letter_for_is_written_out(tmp_path, encoding, shown):
    rules = tmp_path / os.fsdecode(b"\xff.yaml")
    rules.write_text("- rule: Grö€\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: NOTICE\n", "utf-8")
    done = subprocess.run(
        [*COMMAND, "rules", "--rules", str(rules)],
        env=environment(PYTHONIOENCODING=f"{encoding}:strict"),
        capture_output=True,
    )

    assert (0, b"") == (done.returncode, done.stderr)
    assert shown in done.stdout
    assert b"\\udcff.yaml:1" in done.stdout


def test_a_reader_that_has_seen_enough_is_no_trouble():
    done = by_shell("| head -n 1", *CALLS)

    assert (0, 1, "") == (done.returncode, len(done.stdout.splitlines()), done.stderr)


TEST = """
rules: [rules.yaml]
tests:
  - {name: it alerts, events: [], expect: [r]}
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("syscalls",), 0),
        (("fields",), 0),
        (("rules", "--rules", "rules.yaml"), 0),
        (("explain", "r", "--rules", "rules.yaml"), 0),
        (("explain", "x", "--rules", "rules.yaml"), 2),
        (("check", "rules.yaml"), 0),
        (("check", "absent.yaml"), 2),
        (("test", "test.yaml"), 1),
        (("status", "--socket", "absent"), 1),
        (("doctor", "-c", "absent.yaml"), 1),
        (("record", "-o", "x", "-c", "absent.yaml"), 2),
        (("run", "-c", "absent.yaml"), 2),
        (("nonsense",), 2),
        (("--help",), 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_who_no_longer_reads_changes_no_exit_code(tmp_path, stream, words, code):
    """A check whose reader had gone before it came to the mistakes was one without."""
    rule = "- rule: r\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: NOTICE\n"
    (tmp_path / "rules.yaml").write_text(rule)
    (tmp_path / "test.yaml").write_text(TEST)
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: writer}
    try:
        done = subprocess.run([*COMMAND, *words], cwd=tmp_path, env=environment(), text=True, **streams)
    finally:
        os.close(writer)

    assert code == done.returncode
    assert "Broken pipe" not in f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize("redirection", [">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_without_standard_streams_nothing_is_said(redirection):
    done = by_shell(redirection, *CALLS)

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.bpf
def test_without_standard_output_alerts_go_nowhere_else(tmp_path):
    """The descriptor would be that of the next file which is opened."""
    config = configured(tmp_path, "", outputs={"console": True})
    without = ("sh", "-c", 'exec "$@" >&-', "sh")
    with running(tmp_path, f"pid:{os.getpid()}", config, without) as daemon:
        assert "/dev/null" == os.readlink(f"/proc/{daemon.process.pid}/fd/1")
