"""Paths as Falco shows them: absolute, lexically normalised, no symlink followed."""

import posixpath


def normalise(path: str) -> str:
    """
    Collapse ``//``, ``/./``, ``/../`` and drop a trailing slash; ``..`` at the root stays there.

    As `sinsp_utils::concatenate_paths` of falcosecurity/libs does, by its own unit tests.

    :param path: absolute.
    """
    # POSIX lets exactly two leading slashes mean something else, and normpath keeps them; Linux does not.
    return "/" + posixpath.normpath(path).lstrip("/")
