"""The daemon's side of loading: start the helper, take over its descriptors."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import monitord
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.errors import LoadError, PassingError
from monitord.sources.bpf.program import DESCRIPTORS, MESSAGE_BYTES, TRACEPOINTS
from monitord.sources.bpf.settings import Settings

TIMEOUT_S = 120
"""For compiling and loading; under emulation it takes ten seconds."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Maps and programs in the kernel, name -> descriptor; closing the descriptors frees them."""

    maps: Mapping[str, int]
    programs: Mapping[str, int]

    def close(self) -> None:
        """Free everything."""
        for fd in (*self.programs.values(), *self.maps.values()):
            os.close(fd)


def load(settings: Settings) -> Loaded:
    """
    Have the helper compile and load the programs.

    :raises LoadError: this machine cannot; says what is missing.
    :raises PassingError: it could not this time.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # What LLVM, libbcc and Python print by themselves goes into our one line, not between the lines of the log.
    with ours, os.fdopen(os.memfd_create("loader"), "w+b") as stderr:
        with theirs:
            # -P: the working directory is no place to import from, the directory of this package is.
            path = {"PYTHONPATH": str(Path(monitord.__file__).resolve().parent.parent)}
            helper = subprocess.Popen(
                [sys.executable, "-P", "-m", "monitord.sources.bpf.program", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | path,
                stderr=stderr,
            )
        ours.settimeout(TIMEOUT_S)
        try:
            ours.send(json.dumps(asdict(settings) | {"scope": settings.scope.value}).encode())
            message, fds, _, _ = socket.recv_fds(ours, MESSAGE_BYTES, DESCRIPTORS)
        except OSError as error:
            helper.kill()
            raise PassingError(f"the BPF programs were not loaded within {TIMEOUT_S} s ({error})") from error
        finally:
            code = helper.wait()
        said = _useful_line(stderr)
    if not message:
        how = f"signal {-code}" if code < 0 else f"status {code}"
        raise PassingError(f"the process that loads the BPF programs ended with {how}: run `monitord doctor`{said}")
    answer = json.loads(message)
    if "error" in answer:
        raise LoadError(answer["error"] + said)
    count = len(answer["maps"])
    return Loaded(
        dict(zip(answer["maps"], fds[:count], strict=True)), dict(zip(answer["programs"], fds[count:], strict=True))
    )


def attach(programs: Mapping[str, int]) -> list[int]:
    """
    Attach the programs to their tracepoints.

    :return: link descriptors; closing one detaches its program.
    :raises LoadError: the kernel refused.
    """
    lib = libbpf.library()
    links: list[int] = []
    try:
        for name in TRACEPOINTS:
            links.append(libbpf.check(lib.bpf_raw_tracepoint_open(None, programs[name]), f"attaching {name}"))
    except OSError as error:
        for link in links:
            os.close(link)
        raise LoadError(f"{error.strerror}: run `monitord doctor`") from error
    return links


def _useful_line(stderr: BinaryIO) -> str:
    """Of what the helper printed, the first line that names an error, or else the last."""
    stderr.seek(0)
    lines = [line.strip() for line in stderr.read().decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return ""
    return f"; it printed: {next((line for line in lines if 'error:' in line), lines[-1])}"
