"""What compiled programs depend on, as one short text: with the same recipe another compilation makes the same."""

import hashlib
import importlib.util
import mmap
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from monitord.shipped import shipped
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.btf import NO_BTF
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.settings import Settings

_GNU_BUILD_ID = b"\3\0\0\0GNU\0"  # type and name of the note; elf(5)

_LIBRARIES = ("libbcc.so", "libLLVM", "libclang")


def recipe(settings: Settings) -> str:
    """
    In hexadecimal digits, 64 of them.

    Not the pid of the daemon, nor a number of the scope: they are put in when the programs are loaded.

    :raises LoadError: the kernel has no BTF.
    """
    whole = hashlib.sha256()
    for part in _parts(settings):
        # With lengths, or two parts could make the text of two others.
        whole.update(len(part).to_bytes(8, "little") + part)
    return whole.hexdigest()


def _parts(settings: Settings) -> Iterator[bytes]:
    yield f"latency={settings.latency} {settings.scope_define}".encode()
    uname = platform.uname()
    yield f"{uname.machine} {uname.release} {uname.version}".encode()
    yield _kernel()
    # BCC compiles both in: as sizes of maps.
    yield f"{mmap.PAGESIZE} {libbpf.library().libbpf_num_possible_cpus()}".encode()
    yield from _texts(shipped("bpf"), "*.[ch]")
    yield from _texts(Path(__file__).parent, "*.py")  # where flags come from, and the form of what is kept
    yield from _compiler()


def _texts(directory: Path, pattern: str) -> Iterator[bytes]:
    for path in sorted(directory.rglob(pattern)):
        yield str(path.relative_to(directory)).encode()
        yield path.read_bytes()


def _kernel(root: Path = Path("/sys/kernel")) -> bytes:
    """What tells this build of the kernel, and so its structs, from any other: its build id, or else its BTF."""
    try:
        notes = (root / "notes").read_bytes()
    except OSError:
        notes = b""
    if _GNU_BUILD_ID in notes:
        return notes
    try:
        return (root / "btf/vmlinux").read_bytes()
    except OSError as error:
        raise LoadError(NO_BTF) from error


def _compiler() -> Iterator[bytes]:
    """
    BCC's and LLVM's versions, without loading what takes 120 MB: a file of another version has another name, size or
    time.
    """
    spec = importlib.util.find_spec("bcc")
    for place in spec.submodule_search_locations or () if spec else ():
        yield from _texts(Path(place), "version.py")
    for directory in ("/usr/lib/" + getattr(sys.implementation, "_multiarch", ""), "/usr/lib64", "/usr/local/lib"):
        names = os.listdir(directory) if os.path.isdir(directory) else []
        for path in (Path(directory, name).resolve() for name in sorted(names) if name.startswith(_LIBRARIES)):
            if path.exists():  # and is no link to nowhere
                found = path.stat()
                yield f"{path} {found.st_size} {found.st_mtime_ns}".encode()
