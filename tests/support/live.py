"""Real programs under a real kernel side: compiled here, held at a gate, watched, and let go."""

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from monitord.abi.arch import machine_abis
from monitord.config.schema import BpfConfig, Scope, ScopeKind
from monitord.decode.decoder import Decoder
from monitord.model.event import Event
from monitord.model.interest import Along, Interest, Outcome
from monitord.sources.bpf.source import BpfSource
from monitord.tables.syscalls import SyscallTable

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"

TABLE = SyscallTable.load(machine_abis())


@cache
def compiled(name: str) -> str:
    """The path of a program of tests/programs, compiled statically for this run."""
    directory = Path(tempfile.mkdtemp(prefix="monitord-test-"))
    directory.chmod(0o755)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    out = directory / name
    subprocess.run(
        ["gcc", "-O1", "-w", "-static", "-pthread", "-o", out, PROGRAMS / f"{name}.c"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return str(out)


@cache
def compiled32(name: str) -> str:
    """Likewise of a 32-bit program without a C library."""
    directory = Path(tempfile.mkdtemp(prefix="monitord-test-"))
    directory.chmod(0o755)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    out = directory / name
    flags = ("-m32", "-w", "-nostdlib", "-static", "-fno-stack-protector")
    subprocess.run(["gcc", *flags, "-o", out, PROGRAMS / f"{name}.c"], check=True)
    return str(out)


def interest(*names: str, outcome: Outcome = Outcome.ANY, along: Along = Along.NONE) -> Interest:
    """All calls of these names, in every ABI of this machine."""
    calls = {(call.abi, call.nr): outcome for name in names for call in TABLE.calls_named(name)}
    return Interest(calls).carrying(dict.fromkeys(calls, along))


def sleeps_in(process: subprocess.Popen, pid: int, call: str, *args: str) -> None:
    """
    Until a process has come to this call, and sleeps in it.

    :param process: whoever must live meanwhile.
    :param args: the first registers, in hex.
    """
    expected = [str(TABLE.named(machine_abis()[0], call).nr), *args]
    while Path(f"/proc/{pid}/syscall").read_text().split()[: len(expected)] != expected:
        assert process.poll() is None
        time.sleep(0.001)


class Gated:
    """A program that waits at the gate; `pid` is its own once it runs."""

    def __init__(self, argv: Sequence[str], **popen) -> None:
        read, self._write = os.pipe()

        def set_up() -> None:
            if read != 3:
                os.dup2(read, 3)
            os.set_inheritable(3, True)

        popen.setdefault("stdout", subprocess.DEVNULL)
        popen.setdefault("stderr", subprocess.DEVNULL)
        self.process = subprocess.Popen([compiled("gate"), *argv], preexec_fn=set_up, close_fds=False, **popen)
        os.close(read)
        self.pid = self.process.pid
        sleeps_in(self.process, self.pid, "read", "0x3")  # from then on it makes no call before it is opened

    def open(self) -> None:
        """Let it run."""
        os.write(self._write, b"x")
        os.close(self._write)

    def run(self, timeout_s: float = 60) -> int:
        """Let it run to its end."""
        self.open()
        return self.process.wait(timeout_s)


def scope_of(gated: Gated) -> Scope:
    """The program and what it starts."""
    return Scope(ScopeKind.PID, str(gated.pid))


@contextmanager
def watching(scope: Scope, wanted: Interest | None = None, **config) -> Iterator[BpfSource]:
    """A source that watches, closed at the end."""
    source = BpfSource(TABLE, scope, BpfConfig(**{"latency": False, "ring_pages": 256} | config))
    try:
        source.install(wanted or Interest())
        source.start()
        yield source
    finally:
        source.close()


def events_of(source: BpfSource, decoder: Decoder | None = None) -> list[Event]:
    """Everything that waits in the rings."""
    decoder = decoder or Decoder()
    found = []
    for raw in (source.drain(0.01), source.drain(0)):
        batch = decoder.decode(raw)
        found += [batch.event(row) for row in range(len(batch))]
    return found


def watch(argv: Sequence[str], wanted: Interest, **config) -> list[Event]:
    """The events of one program from its exec to its end."""
    gated = Gated(argv)
    with watching(scope_of(gated), wanted, **config) as source:
        gated.run()
        return events_of(source)
