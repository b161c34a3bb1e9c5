"""What is installed is whole: a wheel made from this checkout runs without it."""

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    here = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "monitord").rglob("__init__.py")}

    assert here | {"monitord._bpf", "monitord._config"} == set(listed)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The bin directory of an environment that has nothing but the wheel."""
    work = tmp_path_factory.mktemp("package")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", work, ROOT], check=True, cwd=work)
    (wheel,) = work.glob("*.whl")
    venv.create(work / "venv", system_site_packages=True, with_pip=True)
    subprocess.run(
        [work / "venv/bin/python", "-m", "pip", "--quiet", "install", "--no-deps", wheel], check=True, cwd=work
    )
    return work / "venv/bin"


def test_the_installed_command_finds_what_ships_with_it(installed, tmp_path):
    code = "from monitord.shipped import shipped; print(shipped('bpf'), shipped('config'))"
    done = subprocess.run([installed / "python", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    bpf, config = map(Path, done.stdout.split())

    assert ROOT not in bpf.parents
    assert {path.name for path in (ROOT / "bpf").glob("*.[ch]")} == {path.name for path in bpf.glob("*.[ch]")}
    assert (bpf / "kernel/include/linux/types.h").is_file()
    assert (config / "rules/monitord.yaml").is_file()


def test_the_installed_command_checks_the_shipped_rules(installed, tmp_path):
    done = subprocess.run([installed / "monitord", "check"], check=False, capture_output=True, text=True, cwd=tmp_path)

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.bpf
def test_the_installed_programs_load(installed, tmp_path):
    code = (
        "from monitord.sources.bpf.source import *; from monitord.abi.arch import machine_abis;"
        "BpfSource(SyscallTable.load(machine_abis()), Scope(ScopeKind.UID, '61234'), BpfConfig()).close(); print('ok')"
    )
    done = subprocess.run([installed / "python", "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)

    assert "ok" == done.stdout.strip()
