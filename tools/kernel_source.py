"""Debian's kernel packages, fetched into a cache without installing anything; the generators read what is in them."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

SUITE = "trixie-backports"
SOURCE_PACKAGE = "linux-source-7.3"
HEADERS_PACKAGE = "linux-libc-dev"
CACHE = Path("~/.cache/monitord").expanduser()

_WANTED = (
    "Makefile",
    "scripts/syscall.tbl",
    "include/linux/errno.h",
    "include/uapi",
    *(f"arch/{arch}/*.tbl" for arch in ("x86", "arm64")),
    *(f"arch/{arch}/include/uapi" for arch in ("x86", "arm64", "arm")),
    *(f"{top}/*.c" for top in ("arch/x86", "arch/arm64", "block", "drivers/char", "drivers/pci", "fs")),
    *(f"{top}/*.c" for top in ("io_uring", "ipc", "kernel", "mm", "net", "security")),
)
"""What of a kernel tree the generators read; SYSCALL_DEFINE stands in no other directory that matters here."""


_VERSION_PARTS = ("MAJOR", "PATCHLEVEL", "SUBLEVEL")


class FetchError(Exception):
    """A package cannot be had now; the message says which and why."""


def fetch_source(cache: Path = CACHE) -> Path:
    """
    The kernel tree of `SOURCE_PACKAGE` (about 170 MB to download), cut down to what the generators read.

    :raises FetchError: not available.
    """
    tree = cache / SOURCE_PACKAGE
    if tree.is_dir():
        return tree
    with _fresh(tree) as partial:
        package = _download(SOURCE_PACKAGE, partial)
        wanted = [f"{SOURCE_PACKAGE}/{pattern}" for pattern in _WANTED]
        script = (
            'dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$2.tar.xz" | xz -dc -T0 |'
            ' tar -x -C "$3" --strip-components=1 --wildcards "${@:4}"'
        )
        _run(["bash", "-o", "pipefail", "-c", script, "bash", package, SOURCE_PACKAGE, partial, *wanted])
        package.unlink()
    return tree


def fetch_headers(cache: Path = CACHE) -> Path:
    """
    What is in `HEADERS_PACKAGE` (about 3 MB to download): the numbers of all architectures.

    :raises FetchError: not available.
    """
    tree = cache / HEADERS_PACKAGE
    if tree.is_dir():
        return tree
    with _fresh(tree) as partial:
        package = _download(HEADERS_PACKAGE, partial)
        _run(["dpkg-deb", "-x", package, partial])
        package.unlink()
    return tree


def kernel_version(tree: Path) -> str:
    """``7.3.4``, as the top Makefile of a kernel tree says."""
    makefile = (tree / "Makefile").read_text()
    parts = [re.search(rf"^{name} = (\d+)", makefile, re.M) for name in ("VERSION", *_VERSION_PARTS[1:])]
    return ".".join(part[1] for part in parts if part)


def headers_version(tree: Path) -> str:
    """``7.3.4``, as <linux/version.h> of an unpacked linux-libc-dev says."""
    text = (tree / "usr/include/linux/version.h").read_text()
    parts = [re.search(rf"^#define LINUX_VERSION_{name} (\d+)", text, re.M) for name in _VERSION_PARTS]
    return ".".join(part[1] for part in parts if part)


class _fresh:  # noqa: N801 - reads as a function
    """A directory that gets its name only when everything in it is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")

    def __enter__(self) -> Path:
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        return self._partial

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._partial.rename(self._path)
        else:
            shutil.rmtree(self._partial, ignore_errors=True)


def _download(package: str, where: Path) -> Path:
    """The .deb of a package of `SUITE`, by an apt of its own: the machine's sources stay as they are."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    mirror = re.search(r"^URIs: *(\S*/debian)/*$", sources.read_text(), re.M) if sources.is_file() else None
    if mirror is None:
        raise FetchError(f"{sources} names no Debian mirror to fetch {package} from")
    state = where / "apt"
    (state / "lists/partial").mkdir(parents=True)
    (state / "cache/archives/partial").mkdir(parents=True)
    (state / "status").touch()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (state / "sources.list").write_text(f"deb [signed-by={keyring}] {mirror[1]} {SUITE} main\n")
    settings = {
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "Acquire::Languages": "none",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    _run(["apt-get", *options, "-qq", "update"])
    _run(["apt-get", *options, "-qq", "download", f"{package}/{SUITE}"], cwd=where)
    shutil.rmtree(state)
    return next(where.glob(f"{package}_*.deb"))


def _run(command: Iterable[str | Path], cwd: Path | None = None) -> None:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise FetchError(f"{reason}; if {SUITE} has moved on, name its packages at the top of {Path(__file__).name}")
