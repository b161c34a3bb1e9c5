#!/usr/bin/python3
"""
Draw docs/images/alerts.svg: what `monitord run` prints, in its colours, of a real run on this machine.

It watches one shell, which does what intruders do. The shell has a mount namespace of its own with empty file systems
over what it writes to, so that nothing on the machine changes. Run it as root after `make setup`, and look at the
result before you commit it.
"""

import argparse
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "docs" / "images" / "alerts.svg"
MONITORD = ROOT / ".venv" / "bin" / "monitord"
CONFIG = ROOT / "config" / "monitord.yaml"

HIDE = "mount -t tmpfs none /dev/shm && mount -t tmpfs none /etc/cron.d && cd /tmp && exec sh"
TYPED = (
    "cat /etc/shadow >/dev/null",
    "cp /bin/sleep /dev/shm/miner",
    "/dev/shm/miner 0",
    'python3 -c \'import os; fd = os.memfd_create("payload"); os.write(fd, open("/bin/sleep", "rb").read());'
    ' os.execve(fd, ["payload", "0.1"], {})\'',
    "echo '* * * * * root /dev/shm/miner' >/etc/cron.d/update",
    "chmod u+s /dev/shm/miner",
)
"""What the shell is told, line by line."""

PAUSE_S = 0.4
"""Between lines: enough for the daemon to ask /proc of a process that made a call."""

COLUMNS = 128
CHAR_PX, LINE_PX, FONT_PX, MARGIN_PX = 7.2, 17, 12, 14
BACKGROUND, TEXT, PROMPT = "#16181d", "#d5d8de", "#8fa1b3"
COLOURS = {"1;31": "#ff6b68", "33": "#e5b567", "36": "#67c5d6"}
"""Those of monitord/sinks/console.py."""

Piece = tuple[str, str]
"""Text and its colour."""


def record() -> tuple[str, str]:
    """
    Run the daemon on a terminal beside the demonstration.

    :return: the command as a person types it, and all that it printed.
    """
    shell = subprocess.Popen(["unshare", "--mount", "sh", "-c", HIDE], stdin=subprocess.PIPE, text=True)
    assert shell.stdin
    words = ["run", "--scope", f"pid:{shell.pid}"]
    ours, theirs = pty.openpty()
    daemon = subprocess.Popen([MONITORD, *words, "-c", CONFIG], stdout=theirs, stderr=theirs)
    os.close(theirs)
    typist = threading.Thread(target=_type, args=(shell, daemon))
    printed = b""
    for block in _blocks(ours):
        printed += block
        if b"ready after" in printed and not typist.ident:
            typist.start()
    if daemon.wait():
        sys.exit(printed.decode())
    shell.wait()
    return " ".join(["monitord", *words]), printed.decode().replace("\r\n", "\n")


def _type(shell: subprocess.Popen[str], daemon: subprocess.Popen[bytes]) -> None:
    assert shell.stdin
    for line in TYPED:
        time.sleep(PAUSE_S)
        shell.stdin.write(line + "\n")
        shell.stdin.flush()
    time.sleep(PAUSE_S)
    shell.stdin.close()
    daemon.send_signal(signal.SIGTERM)


def _blocks(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            yield os.read(terminal, 65536)
        except OSError:  # EIO: the daemon has closed its side
            return


def lines_of(printed: str) -> Iterator[list[Piece]]:
    """The lines as a terminal of `COLUMNS` shows them, each in pieces of one colour."""
    for line in printed.splitlines():
        row: list[Piece] = []
        used = 0
        parts = re.split("\x1b\\[([0-9;]*)m", line)
        for colour, text in zip(["0", *parts[1::2]], parts[::2], strict=True):
            at = 0
            while at < len(text):
                fits = text[at : at + COLUMNS - used]
                row.append((fits, COLOURS.get(colour, TEXT)))
                at, used = at + len(fits), used + len(fits)
                if used == COLUMNS:
                    yield row
                    row, used = [], 0
        if row:
            yield row


def drawn(rows: list[list[Piece]]) -> str:
    """The SVG."""
    width, height = round(COLUMNS * CHAR_PX + 2 * MARGIN_PX), len(rows) * LINE_PX + 2 * MARGIN_PX
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<title>monitord run: alerts on a terminal</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="{BACKGROUND}"/>',
        f'<g font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="{FONT_PX}">',
    ]
    for number, row in enumerate(rows):
        y, column = MARGIN_PX + number * LINE_PX + FONT_PX, 0
        for text, colour in row:
            x, length = MARGIN_PX + column * CHAR_PX, len(text) * CHAR_PX
            out.append(
                f'<text x="{x:.1f}" y="{y}" fill="{colour}" textLength="{length:.1f}" xml:space="preserve">'
                f"{escape(text)}</text>"
            )
            column += len(text)
    return "\n".join([*out, "</g>", "</svg>", ""])


def main() -> int:
    """Record, draw, write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    command, printed = record()
    rows = [[("# " + command, PROMPT)], *lines_of(printed)]
    OUTPUT.write_text(drawn(rows), encoding="utf-8")
    sys.stdout.write(f"{command}\n{printed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
