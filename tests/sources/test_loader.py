"""What an earlier start compiled does as what is compiled now; and the kernel has the last word."""

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from monitord.config.schema import BpfConfig, Scope, ScopeKind
from monitord.model.interest import Outcome
from monitord.sources.bpf import build, loader
from monitord.sources.bpf.cache import Cache
from monitord.sources.bpf.compiled import BYTES, Compiled
from monitord.sources.bpf.errors import LoadError, PassingError
from monitord.sources.bpf.recipe import recipe
from monitord.sources.bpf.scope import cgroup2_mount
from monitord.sources.bpf.settings import MAGIC, SCOPE_NUMBER, SELF_TGID, Settings
from monitord.sources.bpf.source import BpfSource
from tests.support.descriptors import no_descriptors
from tests.support.live import TABLE, Gated, compiled, events_of, interest, scope_of, watching

pytestmark = pytest.mark.bpf

UID = 61223
OPENS = 101
EARLIER = "compiled by an earlier start"
SCOPED = {"on_sys_enter", "on_sys_exit", "on_process_exit", "on_process_fork"}
"""Programs that ask of each scope whether a task is in it."""


@pytest.fixture
def directory(tmp_path, monkeypatch) -> Path:
    """Where programs are kept, and none is."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cgroup(tmp_path):
    made = cgroup2_mount() / f"monitord-test-{os.getpid()}-{tmp_path.name}"
    made.mkdir()
    yield made
    made.rmdir()


def settings_of(kind: ScopeKind, *, latency: bool = False) -> Settings:
    return Settings(kind, scope_number=32768, latency=latency, self_tgid=os.getpid())


def kept(settings: Settings) -> Compiled:
    """Compiled in this session."""
    made = build.Build(settings)
    return made.kept() or made.fresh()[0]


def changed(directory: Path, settings: Settings, change: Callable[[bytes], bytes]) -> None:
    """What is kept, with other instructions in the program for exits."""
    good = kept(settings)
    program = good.programs["on_sys_exit"]
    programs = {**good.programs, "on_sys_exit": replace(program, code=change(program.code))}
    Cache(directory).put(recipe(settings), replace(good, programs=programs))


def run(scope: str, cgroup: Path) -> tuple[str, object, object]:
    """
    Opens that fail in a scope, and some beside it.

    :return: when the programs were compiled; the counts of all calls and errors; the events.
    """
    argv = [compiled("flood"), "open", str(OPENS), "/no/such/file"]
    popen, gated = {}, None
    if scope == "pid":
        gated = Gated(argv)
        what = scope_of(gated)
    elif scope == "cgroup":
        what = Scope(ScopeKind.CGROUP, str(cgroup))
        popen["preexec_fn"] = lambda: (cgroup / "cgroup.procs").write_text(str(os.getpid()))
    else:
        what = Scope(ScopeKind.UID, str(UID))
        popen["user"] = UID
    with watching(what, interest("open", "openat", outcome=Outcome.FAILURE)) as source:
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        if gated:
            gated.run()
        else:
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, **popen)
        events = [(event.nr, event.ret, event.uid, [text.data for text in event.texts]) for event in events_of(source)]
        counts = {TABLE.find(*call).name: (count.calls, count.errors) for call, count in source.counts().items()}
        return source.origin, counts, events


@pytest.mark.parametrize("scope", ["pid", "cgroup", "uid"])
def test_a_start_with_kept_programs_counts_and_delivers_the_same(directory, cgroup, scope):
    fresh, kept = run(scope, cgroup), run(scope, cgroup)

    assert fresh[0].startswith("compiled in ")
    assert fresh[0].endswith(f", kept in {directory}")
    assert EARLIER == kept[0]
    assert OPENS == len(fresh[2])
    assert fresh[1:] == kept[1:]


@pytest.mark.parametrize("latency", [False, True])
def test_no_compiler_is_loaded_for_kept_programs(latency):
    """Nothing is attached: the scope is everything."""
    kept(settings_of(ScopeKind.ALL, latency=latency))
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from monitord.config.schema import BpfConfig, Scope, ScopeKind\n"
        "from monitord.sources.bpf.source import BpfSource\nfrom tests.support.live import TABLE\n"
        f"source = BpfSource(TABLE, Scope(ScopeKind.ALL), BpfConfig(latency={latency}))\n"
        "print(source.origin)\nprint('bcc' in sys.modules or 'LLVM' in Path('/proc/self/maps').read_text())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (0, "", [EARLIER, "False"]) == (done.returncode, done.stderr, done.stdout.splitlines())


def test_two_starts_at_once_both_compile_and_one_is_kept(directory):
    origins = []

    def start() -> None:
        source = BpfSource(TABLE, Scope(ScopeKind.UID, str(UID)), BpfConfig())
        origins.append(source.origin)
        source.close()

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    start()

    assert [True, True] == [origin.startswith("compiled in") for origin in origins[:2]]
    assert EARLIER == origins[2]
    assert 1 == len(list(directory.iterdir()))


class TestConstants:
    @pytest.mark.parametrize("kind", [ScopeKind.CGROUP, ScopeKind.UID, ScopeKind.PIDNS, ScopeKind.PID, ScopeKind.ALL])
    def test_they_stand_where_the_scope_is_asked_about_all_of_them(self, kind):
        programs = kept(settings_of(kind)).programs
        expected = {SELF_TGID} if kind in (ScopeKind.PID, ScopeKind.ALL) else {SELF_TGID, SCOPE_NUMBER}

        found = {name: set(program.constants.values()) for name, program in programs.items() if program.constants}

        assert SCOPED <= set(found)
        assert dict.fromkeys(found, expected) == found

    @pytest.mark.parametrize("kind", [ScopeKind.CGROUP, ScopeKind.UID, ScopeKind.PIDNS, ScopeKind.PID, ScopeKind.ALL])
    def test_nothing_is_left_of_what_stood_for_them(self, kind):
        settings = settings_of(kind)
        compiled = kept(settings)
        maps = {name: 4000 + number for number, name in enumerate(compiled.maps)}
        for program in compiled.programs.values():
            linked = program.linked(maps, settings.constants)

            assert len(program.code) == len(linked)
            assert not any(struct.pack("<I", magic >> 32) in linked for magic in MAGIC.values())
            for at, name in program.maps.items():
                assert maps[name] == struct.unpack_from("<I", linked, at * BYTES + 4)[0]

    def test_all_64_bits_are_put_in(self):
        settings = replace(settings_of(ScopeKind.CGROUP), scope_number=0x1234_5678_9ABC_DEF1)
        program = kept(settings).programs["on_sys_exit"]
        at = next(at for at, name in program.constants.items() if name == SCOPE_NUMBER)
        linked = program.linked(dict.fromkeys(program.maps.values(), 5), settings.constants)

        assert struct.pack("<I", 0x9ABCDEF1) == linked[at * BYTES + 4 : (at + 1) * BYTES]
        assert struct.pack("<I", 0x12345678) == linked[(at + 1) * BYTES + 4 : (at + 2) * BYTES]


def nonsense(code: bytes) -> bytes:
    """Instructions that no verifier takes: a register is read that nothing was written to."""
    return struct.pack("<BBhi", 0xBF, 0x90, 0, 0) + code[BYTES:]


class TestRefused:
    """By the kernel, of programs as the compiler did not make them."""

    def test_kept_programs_that_do_not_load_are_compiled_once_more(self, directory, caplog):
        caplog.set_level("INFO")
        settings = settings_of(ScopeKind.ALL)
        changed(directory, settings, nonsense)

        loaded = loader.load(settings)
        loaded.close()

        assert loaded.origin.startswith("compiled in")
        assert "what an earlier start compiled does not load: the kernel refused the program on_sys_exit" in caplog.text
        again = loader.load(settings)
        again.close()
        assert EARLIER == again.origin

    def test_what_was_compiled_now_and_does_not_load_is_the_machines_limit(self, directory, monkeypatch):
        settings = settings_of(ScopeKind.ALL)
        changed(directory, settings, nonsense)
        bad = build.Build(settings).kept()
        compilations = []
        monkeypatch.setattr(build, "_compile", lambda asked: compilations.append(asked) or bad)
        descriptors = len(os.listdir("/proc/self/fd"))

        with pytest.raises(LoadError, match=r"refused the program on_sys_exit .*the verifier said: R9 !read_ok"):
            loader.load(settings)
        assert [settings] == compilations
        assert descriptors == len(os.listdir("/proc/self/fd"))

    def test_a_map_that_cannot_be_made_is_named(self, directory, monkeypatch):
        settings = settings_of(ScopeKind.ALL)
        good = kept(settings)
        maps = {**good.maps, "plans": replace(good.maps["plans"], key_size=3)}
        monkeypatch.setattr(build, "_compile", lambda asked: replace(good, maps=maps))
        Cache(directory).put(recipe(settings), replace(good, maps=maps))

        with pytest.raises(LoadError, match=r"the kernel refused the map plans \(Invalid argument\)"):
            loader.load(settings)

    def test_want_of_descriptors_to_attach_them_may_pass(self):
        loaded = loader.load(settings_of(ScopeKind.PID))
        try:
            with no_descriptors(), pytest.raises(PassingError, match=r"attaching .*: Too many open files"):
                loader.attach(loaded.programs)
        finally:
            loaded.close()


class TestTheHelper:
    def test_one_that_is_killed_is_a_passing_error(self, directory, monkeypatch, tmp_path):
        killed = tmp_path / "python"
        killed.write_text("#!/bin/sh\necho out of memory >&2\nkill -9 $$\n")
        killed.chmod(0o700)
        monkeypatch.setattr(build.sys, "executable", str(killed))

        with pytest.raises(PassingError, match=r"ended with signal 9: .*it printed: out of memory"):
            loader.load(settings_of(ScopeKind.ALL))

    def test_one_without_bcc_says_what_to_install(self, directory, monkeypatch, tmp_path):
        python = tmp_path / "python"
        code = (
            "import sys; sys.modules['bcc'] = None\n"
            "from monitord.sources.bpf.compiler import main; main(int(sys.argv[4]))"
        )
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
        python.chmod(0o700)
        monkeypatch.setattr(build.sys, "executable", str(python))

        with pytest.raises(LoadError, match="install python3-bpfcc"):
            loader.load(settings_of(ScopeKind.ALL))
