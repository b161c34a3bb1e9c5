"""The daemon's side of loading: start the helper, take over its descriptors."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import monitord
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.errors import LoadError
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
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            # -P: the working directory is no place to import from, the directory of this package is.
            path = {"PYTHONPATH": str(Path(monitord.__file__).resolve().parent.parent)}
            helper = subprocess.Popen(
                [sys.executable, "-P", "-m", "monitord.sources.bpf.program", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | path,
            )
        ours.settimeout(TIMEOUT_S)
        try:
            ours.send(json.dumps(asdict(settings) | {"scope": settings.scope.value}).encode())
            message, fds, _, _ = socket.recv_fds(ours, MESSAGE_BYTES, DESCRIPTORS)
        except OSError as error:
            helper.kill()
            raise LoadError(f"the BPF programs were not loaded within {TIMEOUT_S} s ({error})") from error
        finally:
            code = helper.wait()
    if not message:
        raise LoadError(f"the process that loads the BPF programs ended with status {code}: run `monitord doctor`")
    answer = json.loads(message)
    if "error" in answer:
        raise LoadError(answer["error"])
    count = len(answer["maps"])
    return Loaded(
        dict(zip(answer["maps"], fds[:count], strict=True)), dict(zip(answer["programs"], fds[count:], strict=True))
    )


def attach(programs: Mapping[str, int]) -> list[int]:
    """
    Attach the programs to their tracepoints.

    :return: link descriptors; closing one detaches its program.
    :raises OSError: the kernel refused.
    """
    lib = libbpf.library()
    return [
        libbpf.check(lib.bpf_raw_tracepoint_open(None, programs[name]), f"attaching {name}")
        for name in TRACEPOINTS
        if name in programs
    ]
