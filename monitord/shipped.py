"""Where the files that ship beside the Python code are: the BPF sources and the default configuration."""

from pathlib import Path


def shipped(name: str) -> Path:
    """
    The directory `name` (``bpf``, ``config``) that belongs to this code.

    An installed package has it inside itself as ``_bpf``, ``_config`` (pyproject.toml, package-dir); a checkout
    has it at the top.
    """
    package = Path(__file__).resolve().parent
    installed = package / f"_{name}"
    return installed if installed.is_dir() else package.parent / name
