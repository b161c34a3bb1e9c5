"""Paths are normalised as text, as Falco does it."""

import pytest

from monitord.model.path import normalise


@pytest.mark.parametrize(
    ("normal", "path"),
    [
        ("/", "/"),
        ("/etc/shadow", "/etc/shadow"),
        ("/etc/shadow", "//etc//shadow"),
        ("/etc/shadow", "/etc/./shadow"),
        ("/etc/shadow", "/usr/../etc/x/../shadow"),
        ("/etc/shadow", "/../../etc/shadow"),
        ("/etc", "/etc/"),
        ("/...", "/.../"),
        ("/\udcff", "/./\udcff"),
    ],
)
def test_path_is_collapsed(normal, path):
    assert normal == normalise(path)
