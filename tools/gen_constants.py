#!/usr/bin/python3
"""
Write monitord/tables/data/constants.tsv: the names of flags and enumerations in syscall arguments, and of errors.

The values come from the kernel's uapi headers as Debian's linux-libc-dev ships them for every architecture, worked
out by the C compiler, so that enumerators and expressions are right. --check fetches that package (3 MB).
"""

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import kernel_source
from kernel_source import FetchError

OUTPUT = Path(__file__).resolve().parent.parent / "monitord" / "tables" / "data" / "constants.tsv"
ARCHES = ("x86", "arm64", "arm")


@dataclass(frozen=True, slots=True)
class Family:
    """
    Names that stand for the values of one kind of argument.

    :ivar headers: where they are defined.
    :ivar pattern: what the whole name matches.
    :ivar without: names that match and are no values of it, or second names of a value.
    :ivar enum: the C enumeration they are in; empty for macros.
    """

    name: str
    headers: str
    pattern: str
    without: str = ""
    enum: str = ""


FAMILIES = (
    Family("errno", "asm/errno.h", r"E[A-Z0-9]+", "EWOULDBLOCK EDEADLOCK EFSBADCRC EFSCORRUPTED"),
    Family("signal", "asm/signal.h", r"SIG[A-Z0-9]+", "SIGIOT SIGPOLL SIGRTMIN SIGRTMAX SIGSTKSZ SIGUNUSED SIGSWI"),
    Family("open_mode", "asm/fcntl.h", "O_RDONLY|O_WRONLY|O_RDWR"),
    Family("open", "asm/fcntl.h", r"O_[A-Z]+", "O_RDONLY O_WRONLY O_RDWR O_ACCMODE O_NDELAY"),
    Family("capability", "linux/capability.h", r"CAP_[A-Z_]+", "CAP_LAST_CAP CAP_TO_INDEX CAP_TO_MASK CAP_VALID"),
    Family("resolve", "linux/openat2.h", r"RESOLVE_[A-Z_]+"),
    Family("at_follow", "linux/fcntl.h", "AT_SYMLINK_NOFOLLOW|AT_SYMLINK_FOLLOW|AT_NO_AUTOMOUNT|AT_EMPTY_PATH"),
    Family("at_stat_sync", "linux/fcntl.h", "AT_STATX_FORCE_SYNC|AT_STATX_DONT_SYNC"),
    Family("at_access", "linux/fcntl.h", "AT_EACCESS"),
    Family("at_unlink", "linux/fcntl.h", "AT_REMOVEDIR"),
    Family("at_recursive", "linux/fcntl.h", "AT_RECURSIVE"),
    Family("at_handle", "linux/fcntl.h", r"AT_HANDLE_[A-Z_]+"),
    Family("execveat", "linux/fcntl.h", "AT_EXECVE_CHECK"),
    Family("rename", "linux/fs.h", r"RENAME_[A-Z]+"),
    Family("file_mode", "linux/stat.h", r"S_I(?:[RWX](?:USR|GRP|OTH)|SUID|SGID|SVTX)"),
    Family("prot", "asm/mman.h", r"PROT_[A-Z]+"),
    Family("map_type", "linux/mman.h", "MAP_SHARED|MAP_PRIVATE|MAP_SHARED_VALIDATE|MAP_DROPPABLE"),
    Family(
        "map",
        "linux/mman.h",
        r"MAP_(?!HUGE_)[A-Z0-9_]+",
        "MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE MAP_DROPPABLE MAP_TYPE MAP_FILE",
    ),
    Family("clone", "linux/sched.h", r"CLONE_[A-Z_]+", "CLONE_ARGS_SIZE_VER CLONE_NEWTIME"),
    # In the low byte, where clone has the exit signal: for unshare and setns only.
    Family("unshare", "linux/sched.h", "CLONE_NEWTIME"),
    Family(
        "ptrace",
        "linux/ptrace.h asm/ptrace.h",
        r"PTRACE_(?!O_|EVENT|SYSCALL_INFO|GETFDPIC_|PEEKSIGINFO_)[A-Z_]+",
        "PTRACE_OLDSETOPTIONS",
    ),
    Family("bpf", "linux/bpf.h", r"BPF_[A-Z_]+", "BPF_PROG_RUN", enum="bpf_cmd"),
    Family("memfd", "linux/memfd.h", r"MFD_[A-Z_]+", "MFD_HUGE_MASK MFD_HUGE_SHIFT"),
    Family(
        "mount",
        "linux/mount.h",
        r"MS_[A-Z_]+",
        "MS_RMT_MASK MS_MGC_MSK MS_VERBOSE"
        # the kernel's own, which mount(2) ignores
        " MS_NOUSER MS_BORN MS_ACTIVE MS_KERNMOUNT MS_SUBMOUNT MS_NOREMOTELOCK MS_NOSEC",
    ),
    Family("module", "linux/module.h", r"MODULE_INIT_[A-Z_]+"),
    Family("seccomp", "linux/seccomp.h", r"SECCOMP_(?:SET_MODE|GET)_[A-Z_]+"),
    Family("seccomp_filter", "linux/seccomp.h", r"SECCOMP_FILTER_FLAG_[A-Z_]+"),
    Family(
        "prctl",
        "linux/prctl.h",
        "PR_(?:"
        "(?:GET|SET)_(?!MM_|PTRACER_|VMA_)[A-Z_]+|CAPBSET_[A-Z]+|TASK_PERF_EVENTS_[A-Z]+|MCE_KILL(?:_GET)?|MPX_[A-Z_]+"
        "|CAP_AMBIENT|S[VM]E_[GS]ET_VL|PAC_(?:RESET_KEYS|[GS]ET_ENABLED_KEYS)|SCHED_CORE|RISCV_V_[GS]ET_CONTROL"
        "|RISCV_SET_ICACHE_FLUSH_CTX|PPC_[GS]ET_DEXCR|LOCK_SHADOW_STACK_STATUS|TIMER_CREATE_RESTORE_IDS|FUTEX_HASH"
        "|RSEQ_SLICE_EXTENSION"
        ")",
    ),
)

NOT_UAPI = {
    "access": "R_OK=4 W_OK=2 X_OK=1 F_OK=0",  # MAY_* in include/linux/fs.h
    # include/linux/socket.h
    "domain": "AF_UNSPEC=0 AF_UNIX=1 AF_INET=2 AF_AX25=3 AF_IPX=4 AF_APPLETALK=5 AF_NETROM=6 AF_BRIDGE=7 AF_ATMPVC=8"
    " AF_X25=9 AF_INET6=10 AF_ROSE=11 AF_DECnet=12 AF_NETBEUI=13 AF_SECURITY=14 AF_KEY=15 AF_NETLINK=16 AF_PACKET=17"
    " AF_ASH=18 AF_ECONET=19 AF_ATMSVC=20 AF_RDS=21 AF_SNA=22 AF_IRDA=23 AF_PPPOX=24 AF_WANPIPE=25 AF_LLC=26 AF_IB=27"
    " AF_MPLS=28 AF_CAN=29 AF_TIPC=30 AF_BLUETOOTH=31 AF_IUCV=32 AF_RXRPC=33 AF_ISDN=34 AF_PHONET=35 AF_IEEE802154=36"
    " AF_CAIF=37 AF_ALG=38 AF_NFC=39 AF_VSOCK=40 AF_KCM=41 AF_QIPCRTR=42 AF_SMC=43 AF_XDP=44 AF_MCTP=45",
    # include/linux/net.h
    "socket_type": "SOCK_STREAM=1 SOCK_DGRAM=2 SOCK_RAW=3 SOCK_RDM=4 SOCK_SEQPACKET=5 SOCK_DCCP=6 SOCK_PACKET=10",
    # include/linux/fs.h
    "umount": "MNT_FORCE=1 MNT_DETACH=2 MNT_EXPIRE=4 UMOUNT_NOFOLLOW=8",
    # include/linux/errno.h: user space never sees these as errno, sys_exit of an interrupted call does
    "errno": "ERESTARTSYS=512 ERESTARTNOINTR=513 ERESTARTNOHAND=514 ENOIOCTLCMD=515 ERESTART_RESTARTBLOCK=516"
    " EPROBE_DEFER=517 EOPENSTALE=518 ENOPARAM=519 EBADHANDLE=521 ENOTSYNC=522 EBADCOOKIE=523 ENOTSUPP=524"
    " ETOOSMALL=525 ESERVERFAULT=526 EBADTYPE=527 EJUKEBOX=528 EIOCBQUEUED=529 ERECALLCONFLICT=530 ENOGRACE=531",
}
"""Values of headers that only the kernel itself has; they are part of its ABI nevertheless and never change."""

SOCKET_FLAGS = "SOCK_CLOEXEC=O_CLOEXEC SOCK_NONBLOCK=O_NONBLOCK"
"""include/linux/net.h: flags beside the socket type, by the flags of open that they are equal to."""


class GenerateError(Exception):
    """The headers are not as this tool knows them."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if the file is not up to date")
    options = parser.parse_args()
    try:
        headers = kernel_source.fetch_headers()
    except FetchError as err:
        print(f"gen_constants: not checked: linux-libc-dev is not to be had ({err})", file=sys.stderr)
        return 0 if options.check else 1
    try:
        text = generate(headers)
    except GenerateError as err:
        print(f"gen_constants: {err}", file=sys.stderr)
        return 1
    if not options.check:
        OUTPUT.write_text(text)
        return 0
    old, new = OUTPUT.read_text().splitlines(), text.splitlines()
    diff = list(difflib.unified_diff(old[1:], new[1:], OUTPUT.name, "generated", lineterm="", n=0))
    # Headers of another version may add names; what we have stays as it is, for it is ABI.
    wrong = diff if old[0] == new[0] else [line for line in diff if re.match("-[^-]", line)]
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def generate(headers: Path) -> str:
    """The data file's text."""
    rows: dict[tuple[str, str], dict[str, int]] = {}
    for arch in ARCHES:
        for family in FAMILIES:
            for name, value in values(headers, arch, family).items():
                rows.setdefault((family.name, name), {})[arch] = value
    for family_name, pairs in NOT_UAPI.items():
        for pair in pairs.split():
            name, _, number = pair.partition("=")
            rows[family_name, name] = dict.fromkeys(ARCHES, int(number))
    for pair in SOCKET_FLAGS.split():
        name, _, same = pair.partition("=")
        rows["socket_flags", name] = rows["open", same]
    lines = [
        f"# linux-libc-dev {kernel_source.headers_version(headers)}, uapi headers; generated by tools/gen_constants.py",
        "# family\tname\t" + "\t".join(ARCHES),
    ]
    for (family_name, name), by_arch in sorted(
        rows.items(), key=lambda row: (row[0][0], min(row[1].values()), row[0][1])
    ):
        lines.append(
            "\t".join((family_name, name, *(f"{by_arch[arch]:#x}" if arch in by_arch else "-" for arch in ARCHES)))
        )
    return "\n".join(lines) + "\n"


def values(headers: Path, arch: str, family: Family) -> dict[str, int]:
    """The family's names that an architecture defines, with their values."""
    includes = "".join(f"#include <{header}>\n" for header in family.headers.split())
    if family.enum:
        text = compiled(headers, arch, includes, "-E")
        body = text.partition(f"enum {family.enum} {{")[2].partition("}")[0]
        candidates = re.findall(r"\w+", body)
    else:
        candidates = re.findall(r"^#define (\w+) ", compiled(headers, arch, includes, "-E", "-dM"), re.M)
    names = {name for name in candidates if re.fullmatch(family.pattern, name)} - set(family.without.split())
    probes = "".join(f'asm("@{name} %0" :: "i"((long long)({name})));\n' for name in sorted(names))
    assembly = compiled(headers, arch, f"{includes}void probe(void) {{\n{probes}}}\n", "-S")
    found = {name: int(value) for name, value in re.findall(r"@(\w+) [$#]?(-?\d+)", assembly)}
    if not found:
        raise GenerateError(f"{arch}: no names of {family.name} in {family.headers}")
    names_of: dict[int, list[str]] = {}
    for name, value in found.items():
        names_of.setdefault(value, []).append(name)
    for same in names_of.values():
        if len(same) > 1:
            raise GenerateError(f"{arch}: {family.name}: {' '.join(same)} have one value: leave one out")
    return found


def compiled(headers: Path, arch: str, text: str, *options: str) -> str:
    """What the C compiler makes of a text with an architecture's headers."""
    uapi = headers / "usr/lib/linux/uapi" / arch
    with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
        source.write(text)
        source.flush()
        command = ["gcc", *options, "-nostdinc", "-w", f"-I{uapi}", f"-I{headers / 'usr/include'}", "-o-", source.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GenerateError(f"{arch}: gcc {' '.join(options)}:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
