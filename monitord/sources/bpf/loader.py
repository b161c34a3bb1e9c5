"""
Making the maps, and loading and attaching the programs.

All by libbpf: the programs are BTF-typed raw tracepoints (BPF_TRACE_RAW_TP), a kind that BCC has no name for.
Measured on 6.18, a typed pair that counts costs 70 ns per call against 85 ns for the plain kind, whose every struct
read is a helper call.
"""

import ctypes
import errno
import logging
import os
import platform
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from monitord.config.schema import ScopeKind
from monitord.dataclass import dataclass
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.build import Build
from monitord.sources.bpf.compiled import Compiled, MapDefinition
from monitord.sources.bpf.compiler import TRACEPOINTS
from monitord.sources.bpf.errors import LoadError, PassingError
from monitord.sources.bpf.machine import LOCKED_DOWN, OTHER_CLOCK, advice, has_other_clock, is_locked_down
from monitord.sources.bpf.offsets import is_supported
from monitord.sources.bpf.settings import Settings

_SHORT = frozenset((errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM))
"""What another start may have."""

_LOG_BYTES = (1 << 24) - 1
"""For what the verifier says, as much as Linux 5.10 takes: what comes last says why, and older kernels cut that."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    Maps and programs in the kernel, name -> descriptor; closing the descriptors frees them.

    :ivar origin: when they were compiled, in words.
    """

    origin: str
    maps: Mapping[str, int]
    programs: Mapping[str, int]

    def close(self) -> None:
        """Free everything."""
        _close(self.programs)
        _close(self.maps)


def load(settings: Settings) -> Loaded:
    """
    Load everything, as an earlier start compiled it, or compiled now; nothing is attached.

    :raises LoadError: this machine cannot; says what is missing.
    :raises PassingError: it could not this time.
    """
    if not is_supported(platform.machine()):
        raise LoadError(f"no register layout for {platform.machine()}: monitord runs on x86_64 and aarch64")
    if not _may_load():
        raise LoadError("loading BPF needs root, or CAP_BPF and CAP_PERFMON")
    if is_locked_down():  # compiling would not help
        raise LoadError(LOCKED_DOWN)
    if has_other_clock():
        raise LoadError(OTHER_CLOCK)
    try:
        libbpf.library()
    except OSError as error:
        raise LoadError(f"libbpf.so.1 cannot be loaded ({error}): install python3-bpfcc, which brings it") from error
    build = Build(settings)
    kept = build.kept()
    if kept is not None:
        try:
            return _load(kept, "compiled by an earlier start", settings)
        except PassingError:
            raise  # what is short is shorter for a compiler
        except LoadError as error:
            _log.info("BPF programs: what an earlier start compiled does not load: %s", error)
    return _load(*build.fresh(), settings)


def attach(programs: Mapping[str, int]) -> list[int]:
    """
    Attach the programs to their tracepoints.

    :return: link descriptors; closing one detaches its program.
    :raises LoadError: the kernel refused.
    :raises PassingError: it did not have what it takes.
    """
    lib = libbpf.library()
    links: list[int] = []
    try:
        for name in TRACEPOINTS:
            links.append(libbpf.check(lib.bpf_raw_tracepoint_open(None, programs[name]), f"attaching {name}"))
    except OSError as error:
        for link in links:
            os.close(link)
        raise _kind(error.errno)(f"{error.strerror}: run `monitord doctor`") from error
    return links


def _load(compiled: Compiled, origin: str, settings: Settings) -> Loaded:
    maps: dict[str, int] = {}
    programs: dict[str, int] = {}
    try:
        for name, definition in compiled.maps.items():
            maps[name] = _make_map(name, definition)
        codes = {name: program.linked(maps, settings.constants) for name, program in compiled.programs.items()}
        # Side by side: the verifier takes tenths of a second for the large ones, and the interpreter is not held
        # meanwhile.
        with ThreadPoolExecutor() as pool:
            loading = {
                name: pool.submit(_load_program, name, code, compiled.programs[name].type_id)
                for name, code in codes.items()
            }
        refused = [error for future in loading.values() if (error := future.exception())]
        programs = {name: future.result() for name, future in loading.items() if not future.exception()}
        if refused:
            raise refused[0]
    except BaseException as error:
        _close(programs)
        _close(maps)
        if isinstance(error, RuntimeError):  # no thread can be started
            raise PassingError(
                f"the BPF programs were not loaded ({error}): give the service more memory, or tasks"
            ) from error
        raise
    ours = set(_read_or_written(settings))
    _close({name: fd for name, fd in maps.items() if name not in ours})
    return Loaded(origin, {name: maps[name] for name in ours}, programs)


def _read_or_written(settings: Settings) -> Iterator[str]:
    """The maps that the daemon reads or writes; the programs hold the others."""
    yield from ("calls", "errors", "stats", "plans", "gates", "filters", "names", "places", "leaves", "tops")
    yield from ("lifecycle", "events", "spare")
    if settings.latency:
        yield "latencies"
    if settings.scope is ScopeKind.PID:
        yield "scope_pids"
    if settings.scope in (ScopeKind.CGROUP, ScopeKind.UNIT):
        yield "scope_cgroup"


def _make_map(name: str, definition: MapDefinition) -> int:
    options = libbpf.MapCreateOpts(sz=ctypes.sizeof(libbpf.MapCreateOpts), map_flags=definition.flags)
    sizes = (definition.key_size, definition.value_size, definition.max_entries)
    fd = int(libbpf.library().bpf_map_create(definition.kind, name[:15].encode(), *sizes, ctypes.byref(options)))
    if fd < 0:
        raise _refused(f"the map {name}", ctypes.get_errno())
    return fd


def _load_program(name: str, code: bytes, type_id: int) -> int:
    """One program into the kernel; the verifier's last lines come with the error."""
    options = libbpf.ProgLoadOpts(
        sz=ctypes.sizeof(libbpf.ProgLoadOpts),
        expected_attach_type=libbpf.TRACE_RAW_TP,
        attach_btf_id=type_id,
    )
    lib = libbpf.library()
    arguments = (libbpf.PROG_TYPE_TRACING, name[:15].encode(), b"GPL", code, len(code) // 8)
    fd = int(lib.bpf_prog_load(*arguments, ctypes.byref(options)))
    if fd >= 0:
        return fd
    error = ctypes.get_errno()
    # Once more for the verifier's words: asking for them always would slow every start.
    log = ctypes.create_string_buffer(_LOG_BYTES)
    options.log_level, options.log_size = 1, len(log)
    options.log_buf = ctypes.cast(log, ctypes.c_void_p)
    fd = int(lib.bpf_prog_load(*arguments, ctypes.byref(options)))
    if fd >= 0:
        return fd
    lines = log.value.decode(errors="replace").strip().splitlines()
    useful = [line for line in lines if not line.startswith(("processed ", "verification time", "stack depth"))]
    said = f"; the verifier said: {useful[-1]}" if useful else ""
    raise _refused(f"the program {name}", error, said)


def _refused(what: str, error: int, said: str = "") -> LoadError:
    step = "raise LimitNOFILE" if error == errno.EMFILE else advice()
    return _kind(error)(f"the kernel refused {what} ({os.strerror(error)}){said}: {step}")


def _kind(error: int | None) -> type[LoadError]:
    return PassingError if error in _SHORT else LoadError


def _close(descriptors: Mapping[str, int]) -> None:
    for fd in descriptors.values():
        os.close(fd)


def _may_load() -> bool:
    """Whether this process has CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON; without, libbcc prints its own mind."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    held = int(effective[1], 16) if effective else 0
    return bool(held >> 21 & 1 or (held >> 39 & 1 and held >> 38 & 1))
