"""Paths as Falco shows them: absolute, lexically normalised, no symlink followed."""

import posixpath

from monitord.model.value import Missing, Value


def normalise(path: str) -> str:
    """
    Collapse ``//``, ``/./``, ``/../`` and drop a trailing slash; ``..`` at the root stays there.

    As `sinsp_utils::concatenate_paths` of falcosecurity/libs does, by its own unit tests.

    :param path: absolute.
    """
    # POSIX lets exactly two leading slashes mean something else, and normpath keeps them; Linux does not.
    return "/" + posixpath.normpath(path).lstrip("/")


def below(base: Value, text: str) -> Value:
    """
    A path, relative to another.

    :param base: an absolute path, what a descriptor refers to if it has no path, or why it is not known.
    """
    if text.startswith("/"):
        return normalise(text)
    if not text or not isinstance(base, str):
        return base
    return normalise(f"{base}/{text}") if base.startswith("/") else Missing.NOT_APPLICABLE
