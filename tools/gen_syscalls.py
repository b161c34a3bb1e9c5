#!/usr/bin/python3
"""
Write monitord/tables/data/*.tsv, the syscall tables, from the kernel's own source.

Numbers, names and entry points come from the kernel's .tbl files, arguments from its SYSCALL_DEFINEs, groups from
tools/syscall_groups.txt. 32-bit tables give what a 64-bit kernel does: the compat entry point where there is one.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import kernel_source
from kernel_source import FetchError

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = REPOSITORY / "monitord" / "tables" / "data"
GROUPS = REPOSITORY / "tools" / "syscall_groups.txt"

Prototypes = dict[str, list[str]]
"""Entry point -> its argument lists (``int fd, char __user * buf``), one for each definition in the source."""


@dataclass(frozen=True, slots=True)
class Table:
    """
    Where one ABI's table comes from.

    :ivar rows: the values of the .tbl's ABI column that belong to it.
    :ivar header: the same numbers in linux-libc-dev.
    """

    abi: str
    arch: str
    tbl: str
    rows: frozenset[str]
    compat: bool
    header: str


TABLES = (
    Table(
        "x86_64",
        "x86",
        "arch/x86/entry/syscalls/syscall_64.tbl",
        frozenset(("common", "64")),
        False,
        "x86/asm/unistd_64.h",
    ),
    Table("i386", "x86", "arch/x86/entry/syscalls/syscall_32.tbl", frozenset(("i386",)), True, "x86/asm/unistd_32.h"),
    Table(
        "x32",
        "x86",
        "arch/x86/entry/syscalls/syscall_64.tbl",
        frozenset(("common", "x32")),
        False,
        "x86/asm/unistd_x32.h",
    ),
    Table(
        "arm64",
        "arm64",
        "scripts/syscall.tbl",
        frozenset(("common", "64", "renameat", "rlimit", "memfd_secret")),  # syscall_abis_64 of arch/arm64
        False,
        "arm64/asm/unistd_64.h",
    ),
    Table(
        "arm",
        "arm64",
        "arch/arm64/tools/syscall_32.tbl",
        frozenset(("common",)),
        True,
        "arm/asm/unistd-eabi.h",
    ),
)

_OTHER_KERNELS = ("arch/x86/um/", "kernel/time/posix-stubs.c", "mm/nommu.c")
"""Files with second definitions for configurations without an MMU, without POSIX timers, in user mode."""

_CHOICES = {
    # CONFIG_CLONE_BACKWARDS, which kernel/fork.c defines first, is for arm64 and 32-bit x86 and arm.
    ("x86_64", "sys_clone"): "clone_flags, newsp, parent_tidptr, child_tidptr, tls",
    ("x32", "sys_clone"): "clone_flags, newsp, parent_tidptr, child_tidptr, tls",
    ("arm64", "sys_clone"): "clone_flags, newsp, parent_tidptr, tls, child_tidptr",
    ("arm", "sys_clone"): "clone_flags, newsp, parent_tidptr, tls, child_tidptr",
    # CONFIG_OLD_SIGSUSPEND3
    ("i386", "sys_sigsuspend"): "unused1, unused2, mask",
    ("arm", "sys_sigsuspend"): "unused1, unused2, mask",
}
"""Which definition an ABI gets where the configuration decides, by the names of its arguments."""


_GONE = {
    # Linux 6.16 removed its definition; before, and so on most kernels that monitord meets, it loads a file.
    "uselib": ("sys_uselib", "const char __user * library"),
    # Native 32-bit ARM has it, a 64-bit kernel does not.
    "pciconfig_iobase": ("-", ""),
}
"""Calls that have no definition in the source, though .tbl files give some an entry point: (entry, args)."""


class GenerateError(Exception):
    """The source is not as this tool knows it; the message says what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, metavar="TREE", help="an unpacked kernel source")
    parser.add_argument("--fetch", action="store_true", help=f"get {kernel_source.SOURCE_PACKAGE} (170 MB) and use it")
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing and compare: with the source if it is given or was fetched before, else names and"
        " numbers with linux-libc-dev (3 MB); exit 1 if they differ",
    )
    options = parser.parse_args()
    try:
        fetched = kernel_source.CACHE / kernel_source.SOURCE_PACKAGE
        if options.fetch:
            kernel_source.fetch_source()
        source: Path | None = options.source or (fetched if fetched.is_dir() else None)
        if options.check:
            return check(source)
        if source is None:
            parser.error("say --fetch, or --source TREE")
        for name, text in generate(source).items():
            (DATA / name).write_text(text)
    except (FetchError, GenerateError, OSError) as err:
        print(f"gen_syscalls: {err}", file=sys.stderr)
        return 1
    return 0


def generate(source: Path) -> dict[str, str]:
    """The text of each data file, by its name."""
    groups = read_groups(GROUPS.read_text())
    named: set[str] = set()
    texts = {}
    for table in TABLES:
        lines = [
            f"# Linux {kernel_source.kernel_version(source)}, {table.tbl} and SYSCALL_DEFINE;"
            " generated by tools/gen_syscalls.py --fetch",
            "# nr\tname\tentry\targs\tgroup",
        ]
        known = prototypes(source, table.arch)
        for nr, name, listed in sorted(rows(source, table)):
            entry, args = _GONE.get(name) or (listed, arguments(table.abi, listed, known))
            if name not in groups:
                raise GenerateError(f"syscall {name} has no group: add it to {GROUPS}")
            named.add(name)
            lines.append("\t".join((str(nr), name, entry, args, groups[name])))
        texts[f"{table.abi}.tsv"] = "\n".join(lines) + "\n"
    if unused := sorted(groups.keys() - named):
        raise GenerateError(f"{GROUPS} has names that are no syscalls: {' '.join(unused)}")
    return texts


def read_groups(text: str) -> dict[str, str]:
    """Name -> group, out of paragraphs that begin with ``group:``."""
    groups: dict[str, str] = {}
    group = ""
    for word in re.sub(r"#.*", "", text).split():
        if word.endswith(":"):
            group = word[:-1]
        elif word in groups:
            raise GenerateError(f"{GROUPS} names {word} twice")
        else:
            groups[word] = group
    return groups


def rows(source: Path, table: Table) -> Iterator[tuple[int, str, str]]:
    """(nr, name, entry) of each line that belongs to the table; entry ``-`` where nothing is behind the number."""
    for line in (source / table.tbl).read_text().splitlines():
        columns = line.partition("#")[0].split()
        if len(columns) < 3 or columns[1] not in table.rows:
            continue
        entries = [entry for entry in columns[3:5] if entry != "-"]
        entry = entries[-1 if table.compat else 0] if entries else "-"
        yield int(columns[0]), columns[2], "-" if entry == "sys_ni_syscall" else entry


def prototypes(source: Path, arch: str) -> Prototypes:
    """What every SYSCALL_DEFINE outside the other architectures defines."""
    found: Prototypes = {}
    define = re.compile(r"^(COMPAT_SYSCALL|SYSCALL32|SYSCALL)_DEFINE([0-6])\(", re.M)
    for path in sorted(source.rglob("*.c")):
        place = path.relative_to(source).as_posix()
        if place.startswith(_OTHER_KERNELS) or (place.startswith("arch/") and not place.startswith(f"arch/{arch}/")):
            continue
        text = path.read_text(errors="replace")
        for match in define.finditer(text):
            words = split_arguments(text[match.end() : closing(text, match.end())])
            prefix = "sys_" if match[1] == "SYSCALL" else "compat_sys_"
            if len(words) != 1 + 2 * int(match[2]):
                raise GenerateError(f"{place}: {match[0]}{words[0]}: cannot read its arguments")
            args = [f"{kind} {name}" for kind, name in zip(words[1::2], words[2::2], strict=True)]
            lists = found.setdefault(prefix + words[0], [])
            if (joined := ", ".join(args)) not in lists:
                lists.append(joined)
    return found


def closing(text: str, at: int) -> int:
    """Where the bracket that was opened before `at` closes."""
    depth = 1
    for parenthesis in re.finditer(r"[()]", text[at:]):
        depth += 1 if parenthesis[0] == "(" else -1
        if depth == 0:
            return at + parenthesis.start()
    raise GenerateError("a SYSCALL_DEFINE is not closed")


def split_arguments(text: str) -> list[str]:
    """The name of the call, then type, name, type, name, ..."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    # The kernel's macros for a 64-bit value in two registers, lower half first on little endian.
    text = re.sub(r"\b(?:compat_arg_u64_dual|arg_u32p|SC_ARG64)\((\w+)\)", r"u32, \1_lo, u32, \1_hi", text)
    return [re.sub(r"\s*\*$", " *", " ".join(word.split())) for word in text.split(",")]


def arguments(abi: str, entry: str, known: Prototypes) -> str:
    """The argument list of an entry point in an ABI."""
    if entry == "-":
        return ""
    lists = known.get(entry, [])
    if len(lists) > 1:
        choice = _CHOICES.get((abi, entry), "")
        lists = [args for args in lists if ", ".join(re.findall(r"(\w+)(?:,|$)", args)) == choice]
    if len(lists) != 1:
        raise GenerateError(f"{abi}: {entry} has {len(lists)} definitions: look it up and add it to _CHOICES")
    return lists[0]


def check(source: Path | None) -> int:
    """Compare the data files with what they were made from; 1 if they differ."""
    wrong = inconsistencies()
    if source is not None:
        for name, text in generate(source).items():
            old = (DATA / name).read_text().splitlines(keepends=True)
            wrong += [*difflib.unified_diff(old, text.splitlines(keepends=True), name, f"generated {name}")]
        print(f"compared with the source of Linux {kernel_source.kernel_version(source)}")
    else:
        try:
            wrong += differing_numbers(kernel_source.fetch_headers())
            print("compared names and numbers with linux-libc-dev; --fetch compares with the whole source")
        except FetchError as err:
            print(f"only checked against itself: linux-libc-dev is not to be had ({err})", file=sys.stderr)
    for line in wrong:
        print(line.rstrip("\n"), file=sys.stderr)
    return 1 if wrong else 0


def inconsistencies() -> list[str]:
    """What no table can be: numbers or names twice, numbers out of order, groups other than tools/ says."""
    groups = read_groups(GROUPS.read_text())
    wrong = []
    for table in TABLES:
        lines = data_rows(table)
        numbers = [int(columns[0]) for columns in lines]
        names = [columns[1] for columns in lines]
        if numbers != sorted(set(numbers)):
            wrong.append(f"{table.abi}.tsv: numbers are not unique and ascending")
        if len(names) != len(set(names)):
            wrong.append(f"{table.abi}.tsv: a name stands twice")
        wrong += [
            f"{table.abi}.tsv: {columns[1]} is not in the group that {GROUPS.name} says"
            for columns in lines
            if columns[4] != groups.get(columns[1])
        ]
    return wrong


def differing_numbers(headers: Path) -> list[str]:
    """
    Names that linux-libc-dev gives another number. Calls that only one side has are of another version; that is
    no mistake of ours.
    """
    wrong = []
    for table in TABLES:
        text = (headers / "usr/lib/linux/uapi" / table.header).read_text()
        define = r"^#define __NR_(\w+)\s+\(?(?:(?:__X32_SYSCALL_BIT|__NR_SYSCALL_BASE) ?\+ ?)?(\d+)\)?$"
        theirs = {name: int(nr) for name, nr in re.findall(define, text, re.M)}
        ours = {columns[1]: int(columns[0]) for columns in data_rows(table)}
        wrong += [
            f"{table.abi}: {name} is {ours[name]} here and {theirs[name]} in linux-libc-dev"
            for name in sorted(ours.keys() & theirs.keys())
            if ours[name] != theirs[name]
        ]
        for name in sorted(theirs.keys() - ours.keys()):
            print(f"{table.abi}: linux-libc-dev also has {name} ({theirs[name]}): time to generate again?")
        if len(ours.keys() & theirs.keys()) < 300:
            wrong.append(f"{table.abi}: cannot read the numbers in {table.header}")
    return wrong


def data_rows(table: Table) -> list[list[str]]:
    """The columns of every line of a data file."""
    lines = (DATA / f"{table.abi}.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


if __name__ == "__main__":
    sys.exit(main())
