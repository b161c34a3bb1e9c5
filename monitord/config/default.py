"""Which configuration counts when none is given."""

from pathlib import Path

from monitord.shipped import shipped

INSTALLED = Path("/etc/monitord/monitord.yaml")


def config_path(given: Path | None) -> Path:
    """The one that was given; else the installed one; else the one that ships with this code."""
    if given is not None:
        return given
    return INSTALLED if INSTALLED.exists() else shipped("config") / "monitord.yaml"
