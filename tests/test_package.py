"""What is installed is whole: a wheel made from this checkout, or from its source archive, runs without it."""

import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_every_package_is_listed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    here = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "monitord").rglob("__init__.py")}

    assert here | {"monitord._bpf", "monitord._config"} == set(listed)


def wheel_of(source: Path, work: Path) -> Path:
    """The wheel that pip makes of a directory or an archive."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", work, source], check=True, cwd=work)
    (wheel,) = work.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """A copy of this one: setuptools also packs what an earlier build left beside the code."""
    copy = tmp_path_factory.mktemp("checkout") / "monitord"
    left = (".git", ".venv", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")
    return Path(shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*left)))


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory) -> Path:
    return wheel_of(checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def archive(checkout, tmp_path_factory) -> Path:
    work = tmp_path_factory.mktemp("archive")
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(work)!r})"
    subprocess.run([sys.executable, "-c", build], check=True, capture_output=True, cwd=checkout)
    (archive,) = work.glob("*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The bin directory of an environment that has nothing but the wheel."""
    work = tmp_path_factory.mktemp("package")
    venv.create(work / "venv", system_site_packages=True, with_pip=True)
    subprocess.run(
        [work / "venv/bin/python", "-m", "pip", "--quiet", "install", "--no-deps", wheel], check=True, cwd=work
    )
    return work / "venv/bin"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout: nothing says which files are the project's")
def test_the_source_archive_has_every_file_of_the_project(archive):
    tracked = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True, cwd=ROOT).stdout.split()
    with tarfile.open(archive) as files:
        held = {name.partition("/")[2] for name in files.getnames()}

    assert {".ci/run", ".gitignore"} == set(tracked) - held


def test_the_source_archive_makes_the_same_wheel(archive, wheel, tmp_path):
    with zipfile.ZipFile(wheel_of(archive, tmp_path)) as ours, zipfile.ZipFile(wheel) as theirs:
        assert sorted(theirs.namelist()) == sorted(ours.namelist())
        assert [] == [name for name in theirs.namelist() if theirs.read(name) != ours.read(name)]


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
