"""Reading what an operator wrote: no name in a configuration may keep a start or a reload waiting."""

import errno
import os
import stat
from pathlib import Path

_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def read_file(path: Path) -> bytes:
    """
    All of a file.

    :raises OSError: it cannot be read; or it is a pipe, which would wait for a writer, a device, which may have no
        end, or a socket. The null device is an empty file: links to it stand for files that are switched off.
    """
    status = os.stat(path)
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind and status.st_rdev != os.stat(os.devnull).st_rdev:
        raise OSError(errno.EINVAL, f"it is {kind}, not a regular file")
    return path.read_bytes()
