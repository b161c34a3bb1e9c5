"""What `monitord doctor` looks at whatever the configuration says: kernel, privileges, libraries, mounts."""

import enum
import importlib.util
import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from monitord.abi.arch import UnknownMachineError, machine_abis
from monitord.config.schema import BpfConfig
from monitord.dataclass import dataclass
from monitord.service.privileges import Capability
from monitord.sources.bpf.machine import LOCKED_DOWN, OLDEST, OTHER_CLOCK, has_other_clock, is_locked_down, is_old
from monitord.tables.tracefs import CALLS, TRACEFS, refusal

BTF_MAGIC = (b"\x9f\xeb", b"\xeb\x9f")
"""include/uapi/linux/btf.h, in either byte order."""

INITIAL_PID_NAMESPACE = 0xEFFFFFFC
"""PROC_PID_INIT_INO of include/linux/proc_ns.h."""

PAGE_BYTES = 4096


class Verdict(enum.StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"  # the daemon runs, with less
    FAIL = "fail"  # the daemon does not run


@dataclass(frozen=True, slots=True)
class Check:
    """
    The outcome of one check.

    :ivar advice: what follows and what to do; empty when all is well.
    """

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """
    The machine that is examined.

    :ivar root: where its /proc, /sys and /run are.
    :ivar python: the interpreter that will run the daemon.
    """

    root: Path = Path("/")
    release: str = field(default_factory=platform.release)
    machine: str = field(default_factory=platform.machine)
    python: str = sys.executable
    memlock_bytes: int = field(default_factory=lambda: resource.getrlimit(resource.RLIMIT_MEMLOCK)[0])
    cpus: int = field(default_factory=lambda: os.cpu_count() or 1)

    def read(self, path: str) -> str | None:
        """The text of a file of the kernel's; None when it is not there or not ours to read."""
        try:
            return (self.root / path).read_text().strip()
        except OSError:
            return None

    def mounts(self, kind: str) -> list[str]:
        """Where file systems of a kind are mounted."""
        lines = (line.split() for line in (self.read("proc/self/mounts") or "").splitlines())
        return [fields[1] for fields in lines if fields[2] == kind]

    def capabilities(self) -> frozenset[Capability]:
        """The effective capabilities of this process."""
        found = re.search(r"^CapEff:\s*([0-9a-f]+)$", self.read("proc/self/status") or "", re.MULTILINE)
        mask = int(found[1], 16) if found else 0
        return frozenset(capability for capability in Capability if mask >> capability & 1)


def check_kernel(host: Host) -> Check:
    """The register layout must be known; an old kernel may lack what is needed."""
    found = f"Linux {host.release} on {host.machine}"
    try:
        machine_abis(host.machine)
    except UnknownMachineError as err:
        return Check("kernel", Verdict.FAIL, found, str(err))
    if is_old(host.release):
        oldest = ".".join(map(str, OLDEST))
        return Check(
            "kernel", Verdict.WARN, found, f"older than {oldest}, the oldest kernel that monitord is tested on"
        )
    return Check("kernel", Verdict.OK, found)


def check_lockdown(host: Host) -> Check:
    """A kernel that keeps its memory from root keeps it from BPF programs."""
    if is_locked_down(host.root):
        return Check("lockdown", Verdict.FAIL, "confidentiality", LOCKED_DOWN)
    return Check("lockdown", Verdict.OK, "BPF programs may read the kernel's memory")


def check_libraries(_host: Host) -> Check:
    """What the daemon imports at once, by the packages of Debian."""
    needed = {"numpy": "python3-numpy", "yaml": "python3-yaml", "prometheus_client": "python3-prometheus-client"}
    missing = {module: package for module, package in needed.items() if not importlib.util.find_spec(module)}
    if missing:
        advice = f"apt install {' '.join(missing.values())}"
        return Check("libraries", Verdict.FAIL, f"{' '.join(missing)} cannot be imported", advice)
    return Check("libraries", Verdict.OK, " ".join(needed))


def check_btf(host: Host) -> Check:
    """Struct offsets come from the running kernel's BTF."""
    path = host.root / "sys/kernel/btf/vmlinux"
    advice = "boot a kernel with CONFIG_DEBUG_INFO_BTF=y (Linux 5.4 or later; Debian's and most others have it)"
    try:
        with path.open("rb") as btf:
            magic = btf.read(2)
    except OSError as err:
        return Check("btf", Verdict.FAIL, f"{path}: {err.strerror}", advice)
    if magic not in BTF_MAGIC:
        return Check("btf", Verdict.FAIL, f"{path} is not BTF", advice)
    return Check("btf", Verdict.OK, str(path))


def check_capabilities(host: Host) -> Check:
    """BPF needs capabilities; SYS_ADMIN contains BPF and PERFMON."""
    held = host.capabilities()
    found = " ".join(sorted(capability.name for capability in held)) or "none that matters"
    if Capability.CAP_SYS_ADMIN not in held:
        missing = [need.name for need in (Capability.CAP_BPF, Capability.CAP_PERFMON) if need not in held]
        if missing:
            advice = f"{' and '.join(missing)} missing, to load and attach BPF programs: run as root, or as a service"
            return Check("capabilities", Verdict.FAIL, found, advice)
    if Capability.CAP_SYS_PTRACE not in held:
        advice = "CAP_SYS_PTRACE missing: exe and cwd of other users' processes are shown as <NA>"
        return Check("capabilities", Verdict.WARN, found, advice)
    return Check("capabilities", Verdict.OK, found)


def check_perf(host: Host) -> Check:
    """The rings are perf events, which Debian's kernels allow less readily than others."""
    text = host.read("proc/sys/kernel/perf_event_paranoid")
    found = f"kernel.perf_event_paranoid is {text}"
    if text is None:
        return Check("perf", Verdict.FAIL, found, "boot a kernel with CONFIG_PERF_EVENTS=y")
    held = host.capabilities()
    if Capability.CAP_SYS_ADMIN in held or (Capability.CAP_PERFMON in held and int(text) <= 2):
        return Check("perf", Verdict.OK, found)
    advice = (
        "perf_event_open will refuse: it takes CAP_SYS_ADMIN, or CAP_PERFMON and sysctl kernel.perf_event_paranoid=2"
    )
    return Check("perf", Verdict.FAIL, found, advice)


def check_bcc(host: Host) -> Check:
    """Another project is called bcc too, and a broken LLVM takes the interpreter down: asked in a child process."""
    ask = "import bcc; bcc.BPF; print(bcc.__version__)"
    # -P: not from the working directory, whoever that belongs to.
    done = subprocess.run([host.python, "-P", "-c", ask], check=False, capture_output=True, text=True, errors="replace")
    if done.returncode == 0:
        return Check("bcc", Verdict.OK, f"version {done.stdout.strip()}")
    why = (done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1]
    advice = f"{host.python} cannot import BCC: apt install python3-bpfcc (not the bcc of PyPI, another project)"
    return Check("bcc", Verdict.FAIL, why, advice)


def check_jit(host: Host) -> Check:
    """Interpreted BPF programs make every system call slower."""
    text = host.read("proc/sys/net/core/bpf_jit_enable")
    if text in ("1", "2"):
        return Check("jit", Verdict.OK, "BPF programs are compiled")
    if text is None:
        return Check(
            "jit", Verdict.WARN, "no net.core.bpf_jit_enable", "BPF programs may be interpreted, which is slow"
        )
    return Check("jit", Verdict.WARN, "BPF programs are interpreted", "sysctl net.core.bpf_jit_enable=1")


def check_memlock(host: Host) -> Check:
    """Rings are locked memory, beyond what each user may map of rings; up to Linux 5.10 BPF maps are, too."""
    limit = host.memlock_bytes
    free_bytes = int(host.read("proc/sys/kernel/perf_event_mlock_kb") or 0) * 1024 * host.cpus
    ring_bytes = (BpfConfig().ring_pages + 1) * PAGE_BYTES * host.cpus - free_bytes
    found = "unlimited" if limit == resource.RLIM_INFINITY else f"{limit >> 10} KiB"
    if limit == resource.RLIM_INFINITY or limit >= ring_bytes:
        return Check("memlock", Verdict.OK, found)
    if Capability.CAP_IPC_LOCK in host.capabilities():
        return Check("memlock", Verdict.OK, f"{found}, which CAP_IPC_LOCK lifts")
    advice = (
        f"rings of {host.cpus} CPUs take {ring_bytes >> 10} KiB: ulimit -l unlimited, LimitMEMLOCK=infinity in a "
        "unit, or a smaller bpf.ring_pages"
    )
    return Check("memlock", Verdict.WARN, found, advice)


def check_tracefs(host: Host) -> Check:
    """The running kernel's own syscalls are described there."""
    missing = refusal(host.root / TRACEFS.relative_to("/"))
    if missing is None:
        return Check("tracefs", Verdict.OK, str(TRACEFS))
    advice = "system calls newer than the shipped table have no names"
    if isinstance(missing, PermissionError):
        advice += "; only root may read it: a service need not"
    elif str(TRACEFS) not in host.mounts("tracefs"):
        advice += f": mount -t tracefs tracefs {TRACEFS}"
    else:
        advice += ": the kernel was built without CONFIG_FTRACE_SYSCALLS, or something is mounted over it"
    return Check("tracefs", Verdict.WARN, f"{TRACEFS / CALLS}: {missing.strerror}", advice)


def check_cgroup2(host: Host) -> Check:
    """Scopes by cgroup and unit name cgroup v2 directories."""
    mounts = host.mounts("cgroup2")
    if mounts:
        return Check("cgroup2", Verdict.OK, mounts[0])
    advice = "scopes cgroup: and unit: do not work: mount -t cgroup2 none DIRECTORY"
    return Check("cgroup2", Verdict.WARN, "not mounted", advice)


def check_pid_namespace(host: Host) -> Check:
    """Events have the pids of the initial namespace, and are looked up in this /proc."""
    try:
        inode = (host.root / "proc/self/ns/pid").stat().st_ino
    except OSError as err:
        return Check("pid namespace", Verdict.WARN, f"/proc/self/ns/pid: {err.strerror}", "mount -t proc proc /proc")
    if inode == INITIAL_PID_NAMESPACE:
        return Check("pid namespace", Verdict.OK, "the initial one")
    advice = "pids of events are not those of this /proc, what is read there is <NA>: run with the host's (--pid=host)"
    return Check("pid namespace", Verdict.WARN, "a container's", advice)


def check_time_namespace(host: Host) -> Check:
    """Events have the kernel's CLOCK_BOOTTIME, which is compared with that of this process."""
    if has_other_clock(host.root):
        return Check("time namespace", Verdict.FAIL, "a shifted one", OTHER_CLOCK)
    return Check("time namespace", Verdict.OK, "the kernel's clock")


def check_journald(host: Host) -> Check:
    """outputs.journald writes there."""
    path = host.root / "run/systemd/journal/socket"
    if path.exists():
        return Check("journald", Verdict.OK, str(path))
    return Check(
        "journald", Verdict.WARN, f"no {path}", "outputs.journald cannot be used: systemd-journald does not run"
    )


def check_systemd_python(_host: Host) -> Check:
    """Service notifications and the journal need the library."""
    if importlib.util.find_spec("systemd"):
        return Check("systemd-python", Verdict.OK, "importable")
    advice = "outputs.journald cannot be used, nor Type=notify: apt install python3-systemd"
    return Check("systemd-python", Verdict.WARN, "not importable", advice)


CHECKS: tuple[Callable[[Host], Check], ...] = (
    check_kernel,
    check_lockdown,
    check_btf,
    check_capabilities,
    check_perf,
    check_libraries,
    check_bcc,
    check_jit,
    check_memlock,
    check_tracefs,
    check_cgroup2,
    check_pid_namespace,
    check_time_namespace,
    check_journald,
    check_systemd_python,
)
