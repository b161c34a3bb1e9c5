"""The layers of CONTRIBUTING.md: imports go down, and each third-party library has one home."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent / "monitord"

LAYERS = {
    "abi": 0,
    "tables": 0,
    "model": 1,
    "stages": 1,
    "config": 1,
    "telemetry": 1,
    "recording": 2,
    "rules": 2,
    "privacy": 3,
    "sources": 4,
    "decode": 4,
    "enrich": 4,
    "detect": 4,
    "sinks": 4,
    "explain": 5,
    "pipeline": 5,
    "ruletest": 6,
    "service": 6,
    "cli": 7,
}

# The tables are indexed by ABI, so abi is below them; what finds shipped files, and what makes dataclasses, imports
# nothing and may be used by all.
BELOW_ALL = {"abi", "shipped", "dataclass", "__init__"}

HOMES = {
    "bcc": ("sources/bpf/",),
    "h2": ("enrich/runtimes/grpc.py",),
    "systemd": ("sinks/journald.py", "service/notify.py", "cli/machine_checks.py"),
    "prometheus_client": ("sinks/",),
    "yaml": ("config/", "rules/"),
}

FILES = sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "monitord":
                yield from (f"monitord.{alias.name}" for alias in node.names)
            else:
                yield node.module


def package(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_package_has_a_layer():
    assert set(LAYERS) | BELOW_ALL == {package(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path: Path):
    """A module imports its own package and lower layers; packages of one layer do not know each other."""
    mine = package(path)
    for name in imports(path):
        if name.startswith("monitord."):
            other = name.split(".")[1]
            below = other in BELOW_ALL or other == "__version__"
            same_contract = LAYERS.get(mine) == LAYERS.get(other) == 1
            assert below or other == mine or same_contract or LAYERS[other] < LAYERS[mine], f"{mine} imports {name}"


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_library_has_one_home(library: str):
    for path in FILES:
        if library in {name.split(".")[0] for name in imports(path)}:
            assert str(path.relative_to(ROOT)).startswith(HOMES[library]), f"{path} imports {library}"


def test_dataclasses_have_one_maker():
    """The standard library's takes three times as long."""
    makers = [
        path.name
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "dataclasses"
            and "dataclass" in {a.name for a in node.names}
        )
        or (isinstance(node, ast.Attribute) and ast.unparse(node) == "dataclasses.dataclass")
    ]

    assert makers
    assert {"dataclass.py"} == set(makers)
