"""What is kept of compiled programs, what is believed of it, and what it depends on."""

import os
import shutil
import stat
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from monitord.config.schema import ScopeKind
from monitord.sources.bpf import recipe as recipes
from monitord.sources.bpf.cache import KEPT, STALE_S, Cache, _header, cache_directory
from monitord.sources.bpf.compiled import Compiled, MapDefinition, Program
from monitord.sources.bpf.recipe import recipe
from monitord.sources.bpf.settings import Settings

RECIPE = "a7" * 32
COMPILED = Compiled(
    {"calls": MapDefinition(6, 4, 2560, 3, 0)},
    {"on_sys_exit": Program(bytes(range(48)), 1237, {0: "calls"}, {3: "SELF_TGID"})},
)
SETTINGS = Settings(ScopeKind.CGROUP, scope_number=7919, latency=False, self_tgid=4093)
NOBODY = 65534


@pytest.fixture
def directory(tmp_path) -> Path:
    return tmp_path / "var" / "cache"


@pytest.fixture
def entry(directory) -> Path:
    """The file of an entry that is there."""
    Cache(directory).put(RECIPE, COMPILED)
    return directory / f"{RECIPE}.bpf"


def in_a_small_file_system(directory: Path, options: str, code: str) -> None:
    """Run it with `cache`, `directory`, `RECIPE` and `COMPILED`, in a mount namespace of its own."""
    directory.mkdir(parents=True)
    before = (
        "import subprocess, sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from monitord.sources.bpf.cache import Cache\nfrom monitord.sources.bpf.compiled import Program\n"
        "from tests.sources.test_cache import COMPILED, RECIPE\n"
        "directory = Path(sys.argv[1])\ncache = Cache(directory)\n"
    )
    mount = f'mount -t tmpfs -o {options} none {directory} && exec {sys.executable} -c "$0" {directory}'
    subprocess.run(["unshare", "--mount", "sh", "-c", mount, before + textwrap.dedent(code)], check=True)


def is_refused(directory: Path, caplog) -> str:
    """That there is nothing to be had for the recipe; what the log says of it."""
    caplog.set_level("INFO")
    assert Cache(directory).get(RECIPE) is None
    return caplog.text


class TestKeeping:
    def test_what_was_kept_is_there(self, directory):
        assert f"kept in {directory}" == Cache(directory).put(RECIPE, COMPILED)
        assert COMPILED == Cache(directory).get(RECIPE)

    def test_another_recipe_has_nothing(self, entry, caplog):
        caplog.set_level("INFO")

        assert Cache(entry.parent).get("b" * 64) is None
        assert "" == caplog.text

    def test_a_directory_that_is_not_there_has_nothing_and_is_made(self, directory, caplog):
        assert "" == is_refused(directory, caplog)

        Cache(directory).put(RECIPE, COMPILED)

        assert 0o700 == stat.S_IMODE(directory.stat().st_mode)

    def test_only_the_owner_may_read_an_entry(self, entry):
        assert 0o600 == stat.S_IMODE(entry.stat().st_mode)
        assert [entry] == list(entry.parent.iterdir())

    def test_the_entries_that_were_not_used_for_longest_go(self, directory):
        cache = Cache(directory)
        names = [f"{number:064x}" for number in range(KEPT + 2)]
        for age, name in enumerate(names[:KEPT]):
            cache.put(name, COMPILED)
            os.utime(directory / f"{name}.bpf", (1000 + age, 1000 + age))
        cache.get(names[0])  # used: the others are older now

        for name in names[KEPT:]:
            cache.put(name, COMPILED)

        assert {f"{name}.bpf" for name in (names[0], *names[3:])} == {path.name for path in directory.iterdir()}

    def test_what_was_never_finished_goes_once_nobody_can_be_at_it(self, entry):
        left, fresh = entry.parent / "killed.new", entry.parent / "at-work.new"
        left.write_bytes(b"half")
        fresh.write_bytes(b"half")
        os.utime(left, (entry.stat().st_mtime - STALE_S - 1,) * 2)

        Cache(entry.parent).put(RECIPE, COMPILED)

        assert {entry, fresh} == set(entry.parent.iterdir())

    def test_two_writers_at_once_leave_one_whole_entry(self, directory):
        """Both have compiled; whichever is last is there, and readers in between find one or the other."""
        code = (
            "import sys\nfrom pathlib import Path\nfrom monitord.sources.bpf.cache import Cache\n"
            "from tests.sources.test_cache import COMPILED, RECIPE\n"
            "cache = Cache(Path(sys.argv[1]))\n"
            "for _ in range(50):\n    assert cache.put(RECIPE, COMPILED).startswith('kept')\n"
            "    assert cache.get(RECIPE) == COMPILED\n"
        )
        argv = [sys.executable, "-c", code, directory]
        writers = [subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) for _ in range(3)]

        assert [(None, "")] * 3 == [writer.communicate() for writer in writers]
        assert [directory / f"{RECIPE}.bpf"] == list(directory.iterdir())


class TestDamage:
    @pytest.mark.parametrize("length", [0, 1, 40, 79, 80, 200])
    def test_a_cut_entry_is_not_used_and_replaced(self, entry, caplog, length):
        entry.write_bytes(entry.read_bytes()[:length])

        assert f"{entry} is not used: damaged" in is_refused(entry.parent, caplog)
        Cache(entry.parent).put(RECIPE, COMPILED)
        assert COMPILED == Cache(entry.parent).get(RECIPE)

    def test_each_byte_counts(self, entry, caplog):
        whole = entry.read_bytes()
        for at in range(0, len(whole), 7):
            entry.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert Cache(entry.parent).get(RECIPE) is None

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"maps": {"calls": [1]}, "programs": {}}'])
    def test_what_is_whole_and_something_else_is_not_used(self, entry, caplog, body):
        entry.write_bytes(_header(body) + b"\n" + body)

        assert "is not used" in is_refused(entry.parent, caplog)


class TestTrust:
    """Instructions from here are loaded with CAP_BPF."""

    @pytest.mark.skipif(os.geteuid() != 0, reason="gives files away")
    def test_an_entry_of_another_user_is_not_used(self, entry, caplog):
        os.chown(entry, NOBODY, -1)

        assert f"belongs to uid {NOBODY}" in is_refused(entry.parent, caplog)

    @pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
    def test_an_entry_that_others_may_write_is_not_used(self, entry, caplog, mode):
        entry.chmod(mode)

        assert f"others may write to it (mode {mode:04o})" in is_refused(entry.parent, caplog)

    def test_a_link_is_not_followed(self, entry, tmp_path, caplog):
        entry.rename(tmp_path / "elsewhere")
        entry.symlink_to(tmp_path / "elsewhere")

        assert "Too many levels of symbolic links" in is_refused(entry.parent, caplog)

    def test_a_pipe_is_not_waited_for(self, entry, caplog):
        entry.unlink()
        os.mkfifo(entry)

        assert "neither a file nor a directory" in is_refused(entry.parent, caplog)

    @pytest.mark.skipif(os.geteuid() != 0, reason="gives directories away")
    def test_nothing_is_read_from_or_written_to_a_directory_of_another_user(self, entry):
        os.chown(entry.parent, NOBODY, -1)
        before = entry.read_bytes()

        assert Cache(entry.parent).get(RECIPE) is None
        assert f"belongs to uid {NOBODY}" in Cache(entry.parent).put("b" * 64, COMPILED)
        assert [before] == [path.read_bytes() for path in entry.parent.iterdir()]

    def test_nothing_is_read_from_or_written_to_a_directory_that_others_may_write(self, entry):
        entry.parent.chmod(0o777)

        assert Cache(entry.parent).get(RECIPE) is None
        assert "others may write to it (mode 0777)" in Cache(entry.parent).put("b" * 64, COMPILED)


class TestNowhereToKeep:
    """Not an error: the programs are compiled."""

    def test_a_file_is_in_the_place_of_the_directory(self, directory):
        directory.parent.mkdir()
        directory.write_text("")

        assert f"not kept: {directory}: File exists" == Cache(directory).put(RECIPE, COMPILED)
        assert Cache(directory).get(RECIPE) is None

    @pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
    def test_a_full_disk_is_left_without_half_an_entry(self, directory):
        in_a_small_file_system(
            directory,
            "size=8k,mode=700",
            """
            big = replace(COMPILED, programs={"big": Program(bytes(80000), 1, {}, {})})
            assert f"not kept: {directory}: No space left on device" == cache.put(RECIPE, big)
            assert [] == list(directory.iterdir())
            assert f"kept in {directory}" == cache.put(RECIPE, COMPILED)
            """,
        )

    @pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
    def test_a_read_only_directory_is_still_read(self, directory):
        in_a_small_file_system(
            directory,
            "size=1m,mode=700",
            """
            cache.put(RECIPE, COMPILED)
            subprocess.run(["mount", "-o", "remount,ro", directory], check=True)

            assert COMPILED == cache.get(RECIPE)
            assert f"not kept: {directory}: Read-only file system" == cache.put("b" * 64, COMPILED)
            """,
        )


def test_a_service_keeps_where_systemd_says_and_others_in_the_same_place():
    assert Path("/var/cache/monitord") == cache_directory({})
    assert Path("/var/cache/monitord") == cache_directory({"CACHE_DIRECTORY": ""})
    assert Path("/run/x") == cache_directory({"CACHE_DIRECTORY": "/run/x"})
    assert Path("/run/x") == cache_directory({"CACHE_DIRECTORY": "/run/x:/run/y"})


class TestRecipe:
    def test_it_is_the_same_for_each_start(self):
        other = replace(SETTINGS, self_tgid=4099, scope_number=7927)

        assert recipe(SETTINGS) == recipe(other) == recipe(replace(other, scope=ScopeKind.UNIT))

    def test_what_is_compiled_in_makes_another(self):
        several = [replace(SETTINGS, scope=kind) for kind in ScopeKind if kind is not ScopeKind.UNIT]
        several += [replace(one, latency=True) for one in several]
        several.append(replace(SETTINGS, scope=ScopeKind.PID, scope_number=7919 * 2))

        assert len(several) == len({recipe(one) for one in several})

    @pytest.mark.parametrize("name", ["monitord.bpf.c", "scope.h", "kernel/include/linux/types.h"])
    def test_so_does_each_line_of_the_source(self, monkeypatch, tmp_path, name):
        before = recipe(SETTINGS)
        shutil.copytree(recipes.shipped("bpf"), tmp_path / "bpf")
        monkeypatch.setattr(recipes, "shipped", lambda name: tmp_path / name)
        assert before == recipe(SETTINGS)

        with (tmp_path / "bpf" / name).open("a") as source:
            source.write("\n")

        assert before != recipe(SETTINGS)

    @pytest.mark.parametrize("field", ["machine", "release", "version"])
    def test_so_does_another_kernel(self, monkeypatch, field):
        before, uname = recipe(SETTINGS), recipes.platform.uname()
        monkeypatch.setattr(recipes.platform, "uname", lambda: uname._replace(**{field: "other"}))

        assert before != recipe(SETTINGS)

    def test_so_does_another_compiler(self, monkeypatch):
        before = recipe(SETTINGS)
        found = list(recipes._compiler())
        assert any(b"libbcc.so" in one for one in found)
        assert any(b"libLLVM" in one for one in found)
        assert any(b"__version__" in one for one in found)

        monkeypatch.setattr(recipes, "_compiler", lambda: found[:-1])

        assert before != recipe(SETTINGS)

    def test_a_kernel_without_a_build_id_is_told_by_its_btf(self, tmp_path):
        (tmp_path / "btf").mkdir()
        (tmp_path / "btf/vmlinux").write_bytes(b"structs")
        assert b"structs" == recipes._kernel(tmp_path)

        (tmp_path / "notes").write_bytes(b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0" + bytes(20))
        assert b"GNU" in recipes._kernel(tmp_path)

        (tmp_path / "notes").write_bytes(b"\6\0\0\0\4\0\0\0\1\1\0\0Linux\0\0\0")
        assert b"structs" == recipes._kernel(tmp_path)
