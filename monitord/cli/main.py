"""The `monitord` command."""

import argparse
import gc
import importlib
import io
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from monitord import __version__
from monitord.abi.arch import UnknownMachineError
from monitord.cli.late import import_late
from monitord.service.signals import hold

COMMANDS = ("run", "check", "rules", "explain", "record", "test", "status", "doctor", "syscalls", "fields")
"""In the order of the help; each is the module of that name here, with ``add_parser``."""

_DESCRIPTION = "Watch the system calls of this machine: count every one, judge the interesting ones, export both."

_EPILOG = """\
examples:
  monitord doctor                   will it work on this machine, and what to do if not
  monitord run --scope pid:1234     watch one process and its descendants, shipped rules, no configuration
  monitord run                      the whole machine, as configured; alerts here, metrics on 127.0.0.1:9750
  monitord check my-rules.yaml      every mistake in a rules file at once
  monitord rules --cost             what each rule costs the running daemon, and how often it matched
  monitord status                   how is the running daemon: rates, losses, queues, outputs
  monitord syscalls openat          what is syscall openat, on each ABI of this machine
  monitord fields proc.a*           which fields do rules have for the ancestors of a process

'monitord COMMAND --help' says more.
exit code: 0 done; 1 failed; 2 something that you must put right (the command line, a file, a permission)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run a command.

    :param argv: words behind ``monitord``; None for this process's own.
    :return: the exit code.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["run"]:  # what it imports takes a while
        hold()
    _open_streams()
    parser = argparse.ArgumentParser(
        prog="monitord",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"monitord {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    import_late()
    # Only what is called is imported: `doctor` has to work where a package that `run` needs is missing.
    gc.disable()  # what is imported stays: the collector would look through all of it again and again, then and later
    for name in [name for name in COMMANDS if name in words[:1]] or COMMANDS:
        importlib.import_module(f"monitord.cli.{name}").add_parser(commands)
    gc.freeze()
    gc.enable()
    try:
        try:
            args = parser.parse_args(words)
            code: int = args.run(args)
        finally:
            sys.stdout.flush()
    except OSError as err:
        _discard(sys.stdout.fileno())  # what is still buffered must not fail again at exit
        sys.stderr.write(f"monitord: {err}\n")
        return 1
    except UnknownMachineError as err:
        logging.getLogger("monitord").error("%s", err)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _open_streams() -> None:
    """
    The descriptors 0 to 2 are there, and take any text.

    What is printed to a closed one would end in the next file that is opened.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    if sys.stdout is sys.__stdout__:  # and nobody has put another in its place
        sys.stdout = _opened(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _opened(2, sys.stderr)


def _opened(fd: int, stream: TextIO | None) -> TextIO:
    """
    A standard stream anew.

    :param stream: as Python has opened it, which knows the encoding; None for a descriptor that was closed.
    """
    output = _Output(fd, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(output),
        encoding=stream.encoding if stream else None,
        errors="backslashreplace",  # names of files are any bytes, and terminals lack letters
        line_buffering=fd == 2 or output.isatty(),
    )


class _Output(io.FileIO):
    """Takes text, also when its reader (head, less) has seen enough: the exit code says what came of the work."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            _discard(self.fileno())
            return super().write(data)


def _discard(fd: int) -> None:
    """Let all that is written to a descriptor go nowhere from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
