import struct

import numpy as np
import pytest

from monitord.abi.event import FILE, NO_ARGUMENT, SOCKET, Capture, TextFlag
from monitord.model.descriptor import read_file, read_socket
from monitord.model.event import Captured, directory_in, executable_in
from monitord.privacy.captured import masked_text
from monitord.privacy.masks import Masks
from monitord.privacy.usual import USUAL

MASKS = Masks(USUAL)

NO_FLAGS = TextFlag(0)


def captured(capture: Capture, data: bytes, flags: TextFlag = NO_FLAGS) -> Captured:
    return Captured(NO_ARGUMENT, capture, flags, data)


def names(path: str) -> bytes:
    """As the kernel side sends them: from the inside out."""
    return b"".join(name.encode() + b"\0" for name in reversed(path.removeprefix("/").split("/")))


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("/srv/x?token=s3cret&a=1", "/srv/x?token=***&a=1"),
        ("/srv/token=s3c/ret=/x", "/srv/token=***"),  # base64 has slashes
        ("/srv/token/x", "/srv/token/x"),
    ],
)
def test_a_path_of_names(path, masked):
    assert masked == directory_in([masked_text(captured(Capture.DIRECTORY, names(path)), MASKS)])
    assert masked == executable_in([masked_text(captured(Capture.EXE, names(path)), MASKS)])


def test_a_file_in_no_directory():
    data = np.zeros(1, FILE).tobytes() + b"memfd:a/b token=s3cret\0"
    text = masked_text(captured(Capture.FILE, data, TextFlag.FAULT), MASKS)

    assert "/memfd:a/b token=*** (deleted)" == read_file(text.data, text.flags).path


@pytest.mark.parametrize("abstract", [b"", b"\0"])
def test_names_of_a_unix_socket(abstract):
    local, remote = abstract + b"/run/token=s3cret1", abstract + b"/run/b?secret=s3cret2"
    facts = np.zeros(1, SOCKET)
    facts["family"], facts["local_port"], facts["remote_port"] = 1, len(local), len(remote)
    found = read_socket(masked_text(captured(Capture.SOCKET, facts.tobytes() + local + remote), MASKS).data)

    at = "@" if abstract else ""
    assert (f"{at}/run/token=***", f"{at}/run/b?secret=***") == (found.local, found.remote)


def test_an_address_of_a_unix_socket():
    given = struct.pack("<H", 1) + b"\0/run/token=s3cret\0\0"

    assert struct.pack("<H", 1) + b"\0/run/token=***\0\0" == masked_text(captured(Capture.SOCKADDR, given), MASKS).data


@pytest.mark.parametrize(
    "text",
    [
        captured(Capture.SOCKADDR, struct.pack("<H", 2) + b"token=s3cret"),
        captured(Capture.BYTES, b"token=s3cret"),
        captured(Capture.STR, b"/etc/shadow"),
        captured(Capture.SOCKET, np.zeros(1, SOCKET).tobytes()),
        captured(Capture.TASK, b""),
    ],
)
def test_what_has_no_secret_is_itself(text):
    assert text is masked_text(text, MASKS)
