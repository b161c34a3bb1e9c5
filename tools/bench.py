"""
`make bench`: what monitord costs, and what others cost beside it, measured in one run and printed as one table.

Everything watched here is a process that this program started. Times are medians of several rounds; in a round each
candidate has its turn, so that a machine that slows down slows all of them. Compare ratios within one run only.
"""

import argparse
import contextlib
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from monitord.abi.arch import machine_abis  # noqa: E402 (the path comes first)
from monitord.config.schema import BpfConfig, Scope, ScopeKind  # noqa: E402
from monitord.decode.decoder import Decoder  # noqa: E402
from monitord.detect.detector import RuleDetector  # noqa: E402
from monitord.model.interest import Along, Interest  # noqa: E402
from monitord.rules.interest import InterestFinder  # noqa: E402
from monitord.rules.parser import parse_condition  # noqa: E402
from monitord.rules.ruleset import load as load_rules  # noqa: E402
from monitord.shipped import shipped  # noqa: E402
from monitord.sources.bpf.source import BpfSource  # noqa: E402
from monitord.telemetry import Telemetry  # noqa: E402
from tests.support.detect import FixedContext  # noqa: E402
from tests.support.live import TABLE, compiled, interest  # noqa: E402
from tools.bench_detect import mixture, ns_per_event, opens  # noqa: E402
from tools.bench_enrich import enrich_rows  # noqa: E402
from tools.bench_load import loading  # noqa: E402
from tools.bench_table import churn, observing_ns  # noqa: E402

USER = 61789
"""A user that nobody is: the scope of everything that is watched here."""

NEVER = """\
- rule: Never
  desc: Asks for calls that the load does not make.
  condition: evt.type in (ptrace, init_module, mount, unlinkat) and proc.name = nobody-is-called-this
  output: "%proc.name"
  priority: DEBUG
"""

MATCHES = 60_000
"""Opens that each make an alert: all of them fit into the ring."""

OPENS = """\
- rule: Opens
  desc: Asks for every open, looks at its path, and never fires.
  condition: evt.type in (open, openat) and evt.is_open_read = true and fd.name endswith .no-such-ending
  output: "%fd.name"
  priority: DEBUG
"""

WATCH = """\
- rule: Marker
  desc: Fires when the marker is opened.
  condition: evt.type = openat and fd.name = {marker}
  output: "%fd.name"
  priority: DEBUG
"""

SCRIPT = r"""
for turn in $(seq "$1"); do
    cat /etc/hostname > out
    (cd /usr/bin; ls . | head -n 1; id -u) > /dev/null
    mv out kept
done
"""
"""Each turn starts six processes, five of which execute a program."""

TURNS = 500


def as_user() -> dict[str, int]:
    return {"user": USER, "group": USER}


def flood(*arguments: str, prefix: tuple[str, ...] = (), **popen: object) -> float:
    """Nanoseconds per turn of tests/programs/flood.c."""
    done = subprocess.run(
        [*prefix, compiled("flood"), *arguments],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        **(as_user() | popen),
    )
    return float(done.stdout.split()[0])


class Daemon:
    """The real daemon in a process of its own, ready."""

    def __init__(self, work: Path, rules: str, latency: bool) -> None:
        self.log = work / f"alerts-{time.monotonic_ns()}.jsonl"
        config = work / "monitord.yaml"
        (work / "rules.yaml").write_text(rules)
        config.write_text(
            f"bpf: {{latency: {str(latency).lower()}, ring_pages: 2048}}\nrules: {{paths: [rules.yaml]}}\n"
            f"outputs: {{console: false, alert_log: {{path: {self.log}}}}}\nmetrics: {{address: '127.0.0.1:0'}}\n"
        )
        # As installed: modules are compiled once.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPYCACHEPREFIX": str(work / "bytecode"), "CACHE_DIRECTORY": str(work / "cache")}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            address = str(work / "notify")
            Path(address).unlink(missing_ok=True)
            notify.bind(address)
            begin_s = time.monotonic()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "monitord.cli.main", "run", "-c", str(config), "--scope", f"uid:{USER}"],
                cwd=ROOT,
                env=environment | {"NOTIFY_SOCKET": address},
                stderr=subprocess.DEVNULL,
            )
            notify.settimeout(60)
            while b"READY=1" not in notify.recv(4096):
                pass
            self.ready_s = time.monotonic() - begin_s
            self.ready_cpu_s = self.cpu_s()

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


@contextlib.contextmanager
def daemon(work: Path, rules: str, latency: bool) -> Iterator[Daemon]:
    running = Daemon(work, rules, latency)
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def empty_pair() -> Iterator[None]:
    """A pair of raw tracepoint programs that do nothing, loaded by BCC: what it costs to be called at all."""
    import bcc

    text = "int enter(void *ctx) { return 0; }\nint leave(void *ctx) { return 0; }"
    bpf = bcc.BPF(text=text)
    for tracepoint, name in (("sys_enter", "enter"), ("sys_exit", "leave")):
        bpf.load_func(name.encode(), bcc.BPF.RAW_TRACEPOINT)
        bpf.attach_raw_tracepoint(tp=tracepoint.encode(), fn_name=name.encode())
    try:
        yield
    finally:
        bpf.cleanup()


@contextlib.contextmanager
def counting(latency: bool) -> Iterator[BpfSource]:
    source = BpfSource(TABLE, Scope(ScopeKind.UID, str(USER)), BpfConfig(latency=latency))
    try:
        source.install(Interest())
        source.start()
        yield source
    finally:
        source.close()


@contextlib.contextmanager
def bpftrace(action: str) -> Iterator[None]:
    program = f"tracepoint:raw_syscalls:sys_enter /uid == {USER}/ {{ {action} }}"
    process = subprocess.Popen(["bpftrace", "-e", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert process.stdout
        said = b""
        while b"Attaching" not in (line := process.stdout.readline()):
            said += line
            if not line:
                raise RuntimeError(f"bpftrace: {said.decode().strip()}")
        time.sleep(2)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def measure_getppid(work: Path, rounds: int) -> tuple[dict[str, float], dict[str, str]]:
    """Nanoseconds per getppid() by candidate, medians, and why some are not there."""
    turns = 300_000
    times: dict[str, list[float]] = defaultdict(list)
    absent: dict[str, str] = {}
    plain = ("untraced", contextlib.nullcontext)
    candidates: list[tuple[str, Callable[[], contextlib.AbstractContextManager[object]]]] = [
        plain,
        ("empty raw tracepoint pair", empty_pair),
        ("monitord, counting", lambda: daemon(work, "[]", latency=False)),
        ("monitord, counting, rules that never fire", lambda: daemon(work, NEVER, latency=False)),
        ("monitord, counting and latency", lambda: daemon(work, "[]", latency=True)),
        ("monitord, getppid delivered as event", lambda: delivering(interest("getppid"))),
    ]
    for _ in range(rounds):
        for name, context in candidates:
            with context():
                times[name].append(flood("getppid", str(turns)))
        try:
            with bpftrace("@[args->id] = count();"):
                times["bpftrace, counting"].append(flood("getppid", str(turns)))
        except (OSError, RuntimeError) as error:
            absent["bpftrace, counting"] = str(error).splitlines()[0][:60]
    for _ in range(min(rounds, 3)):
        strace = ("strace", "-c", "-f", "-o", "/dev/null")
        times["strace -c -f"].append(flood("getppid", "20000", prefix=strace, user=None, group=None))
        perf = ("perf", "trace", "-s", "-o", "/dev/null")
        try:
            times["perf trace -s"].append(flood("getppid", str(turns // 3), prefix=perf, user=None, group=None))
        except (OSError, subprocess.CalledProcessError, IndexError) as error:
            absent["perf trace -s"] = type(error).__name__
    return {name: statistics.median(values) for name, values in times.items()}, absent


@contextlib.contextmanager
def delivering(wanted: Interest) -> Iterator[None]:
    """A source whose events are read and decoded by a thread of this process."""
    with counting(latency=False) as source:
        source.install(wanted)
        stop = threading.Event()
        decoder = Decoder()

        def read() -> None:
            while not stop.is_set():
                decoder.decode(source.drain(0.02))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            stop.set()
            reader.join()


def check_exact() -> str:
    """The count of a flood while nothing else of the user runs."""
    turns = 1_000_003
    nr = TABLE.named(machine_abis()[0], "getppid").nr
    wrong = []
    for latency in (False, True):
        with counting(latency) as source:
            flood("getppid", str(turns))
            found = source.counts()[machine_abis()[0], nr].calls
            if found != turns:
                wrong.append(f"{found} of {turns}")
    return ", ".join(wrong) or f"exact ({turns:,} of {turns:,}, both ways)"


def measure_opens(work: Path, rounds: int) -> dict[str, float]:
    """An open/close loop: ns per turn without and with monitord, and CPU seconds of the daemon per million turns."""
    path = "/usr/share/common-licenses/GPL-2"
    turns = 300_000
    plain, counted, judged, cpu = [], [], [], []
    for _ in range(rounds):
        plain.append(flood("open", str(turns), path))
        with daemon(work, "[]", latency=False):
            counted.append(flood("open", str(turns), path))
        with daemon(work, OPENS, latency=False) as running:
            before_s = running.cpu_s()
            judged.append(flood("open", str(turns), path))
            time.sleep(0.5)
            cpu.append((running.cpu_s() - before_s) / turns * 1e6)
    return {
        "plain": statistics.median(plain),
        "counted": statistics.median(counted),
        "judged": statistics.median(judged),
        "cpu": statistics.median(cpu),
    }


WRITES = "evt.type in (open, openat, openat2, creat) and evt.is_open_write=true and fd.name startswith /etc"

BELOW = f"{WRITES.rpartition(' and ')[0]} and (fd.name startswith /etc/ or fd.realpath startswith /etc/)"


def measure_filter(rules: Path, rounds: int) -> dict[str, str]:
    """What the kernel's filter costs, and what it spares, with a set of rules; nothing that is called here matches."""
    turns, path = 200_000, "/usr/share/common-licenses/GPL-2"
    wanted = load_rules((rules,), TABLE)[0].interest
    below = InterestFinder(TABLE).interest_of(parse_condition(BELOW))
    below = below.carrying(dict.fromkeys(below.calls, Along.DESCRIPTOR))
    writes = InterestFinder(TABLE).interest_of(parse_condition(WRITES))
    candidates = {
        "counted": ("open", Interest()),
        "delivered": ("open", Interest(wanted.calls)),
        "path": ("open", wanted),
        "register": ("open", writes),
        "write, counted": ("write", Interest()),
        "write": ("write", below),
        "quiet, counted": ("quiet", Interest()),
        "quiet, rules": ("quiet", wanted),
    }
    times: dict[str, list[float]] = defaultdict(list)
    seen: dict[str, int] = {}
    with counting(latency=False) as source:
        for _ in range(rounds):
            for name, (load, interest_) in candidates.items():
                source.install(interest_)
                before = source.seen()
                times[name].append(flood(load, str(turns), "/dev/null" if load == "write" else path))
                seen[name] = source.seen() - before
    ns = {name: statistics.median(values) for name, values in times.items()}
    return {
        f"{turns:,} opens that no rule of {rules.name} matches": f"{seen['path']:,} delivered; by outcome alone "
        f"{seen['delivered']:,}",
        "... an open that its path rejects": f"{ns['path'] - ns['counted']:,.0f} ns more than counting",
        "... the same delivered, and lost for want of a reader": f"{ns['delivered'] - ns['counted']:,.0f} ns more",
        "... one that its flags reject, rules on opens for writing": f"{ns['register'] - ns['counted']:,.0f} ns more",
        "... one for writing, of a file that lies in another directory than a rule's": ""
        f"{ns['write'] - ns['write, counted']:,.0f} ns more; {seen['write']:,} delivered",
        "getppid, read and write, counted": f"{ns['quiet, counted'] / 3:,.0f} ns per call",
        f"... with the rules of {rules.name}": f"{ns['quiet, rules'] / 3:,.0f} ns per call, "
        f"{seen['quiet, rules']:,} events",
    }


def measure_reader(rounds: int) -> dict[str, float]:
    """
    CPU ns of this process per event of reading and decoding while a flood runs, here and by BCC's callback.

    Both see records of the same size from the same flood.
    """
    return {"ours": measure_ours(rounds), "bcc": measure_bcc(rounds)}


FLOOD = 300_000


def while_flooding(begin_reading: Callable[[subprocess.Popen[bytes]], None]) -> float:
    """CPU ns of this process for each of `FLOOD` events."""
    process = subprocess.Popen([compiled("flood"), "getppid", str(FLOOD)], stdout=subprocess.DEVNULL, **as_user())
    begin = time.process_time_ns()
    begin_reading(process)
    return (time.process_time_ns() - begin) / FLOOD


def measure_ours(rounds: int) -> float:
    config = BpfConfig(latency=False, ring_pages=4096)
    times: list[float] = []
    interrupted = 0
    while len(times) < rounds:
        source = BpfSource(TABLE, Scope(ScopeKind.UID, str(USER)), config)
        decoder = Decoder()

        def read(process: subprocess.Popen[bytes], source: BpfSource = source, decoder: Decoder = decoder) -> None:
            while process.poll() is None:
                decoder.decode(source.drain(0.02))
            decoder.decode(source.drain(0))

        try:
            source.install(interest("getppid"))
            source.start()
            ns = while_flooding(read)
            if not decoder.missed and decoder.events == FLOOD:
                times.append(ns)
                continue
            interrupted += 1  # a machine that stops this process for a tenth of a second fills a ring meanwhile
            if interrupted > rounds:
                raise SystemExit(f"the reader lost {decoder.missed} of {FLOOD} events, again and again")
        finally:
            source.close()
    return statistics.median(times)


BCC_PROGRAM = """
struct cell { u64 ts_ns; s64 ret; u64 args[6]; u32 pid; u32 tid; char data[172]; };
BPF_PERF_OUTPUT(events);
BPF_PERCPU_ARRAY(slot, struct cell, 1);
int leave(struct bpf_raw_tracepoint_args *ctx) {
    int zero = 0;
    u64 orig = 0;
    if ((u32)bpf_get_current_uid_gid() != USER)
        return 0;
    bpf_probe_read_kernel(&orig, 8, (void *)(ctx->args[0] + 120));
    if (orig != NR)
        return 0;
    struct cell *cell = slot.lookup(&zero);
    if (cell)
        events.perf_submit(ctx, cell, sizeof(*cell));
    return 0;
}
"""


def measure_bcc(rounds: int) -> float:
    """BCC's own way, as its documentation has it: a callback makes each event an object. Losses count as read."""
    import bcc

    nr = TABLE.named(machine_abis()[0], "getppid").nr
    bpf = bcc.BPF(text=BCC_PROGRAM, cflags=[f"-DUSER={USER}", f"-DNR={nr}"])
    bpf.load_func(b"leave", bcc.BPF.RAW_TRACEPOINT)
    bpf.attach_raw_tracepoint(tp=b"sys_exit", fn_name=b"leave")
    table = bpf[b"events"]
    pids = [0, 0]

    def callback(_cpu: int, data: object, _size: int) -> None:
        pids[0] += 1
        pids[1] = table.event(data).pid

    def lost(count: int) -> None:
        pids[0] += count

    table.open_perf_buffer(callback, page_cnt=4096, lost_cb=lost)

    def read(process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None or pids[0] < FLOOD:
            bpf.perf_buffer_poll(20)

    times = []
    for _ in range(rounds):
        pids[0] = 0
        times.append(while_flooding(read))
    for cpu in list(table._open_key_fds):  # its destructor would do so when the map has gone
        del table[cpu]
    bpf.cleanup()
    return statistics.median(times)


def measure_idle(work: Path) -> float:
    """CPU seconds per second of a daemon whose scope is idle, over half a minute."""
    with daemon(work, (shipped("config") / "rules" / "monitord.yaml").read_text(), latency=True) as running:
        time.sleep(2)
        begin_s, before_s = time.monotonic(), running.cpu_s()
        time.sleep(30)
        return (running.cpu_s() - before_s) / (time.monotonic() - begin_s)


def measure_script(work: Path) -> str:
    """CPU of the daemon, with all shipped rules, while a shell script runs."""
    rules = "".join(path.read_text() for path in sorted((shipped("config") / "rules").glob("*.yaml")))
    place = work / "script"
    place.mkdir()
    os.chown(place, USER, USER)
    with daemon(work, rules, latency=True) as running:
        before_s, begin_s = running.cpu_s(), time.monotonic()
        subprocess.run(["bash", "-c", SCRIPT, "bench", str(TURNS)], cwd=place, check=True, **as_user())
        took_s = time.monotonic() - begin_s
        time.sleep(0.2)  # what the last turn did is judged
        cpu_s, started = running.cpu_s() - before_s, 6 * TURNS
    return f"{cpu_s / started * 1e6:.0f} µs for each process, at {started / took_s:.0f} processes a second"


def measure_alerts(work: Path) -> dict[str, float]:
    """Milliseconds from the return of an open to its alert in the log, medians, idle and under a flood of opens."""
    marker = work / "marker"
    marker.touch()
    script = "import os,sys,time\nos.close(os.open(sys.argv[1], os.O_RDONLY)); print(time.time_ns())"
    results = {}
    with daemon(work, WATCH.format(marker=marker) + OPENS, latency=True) as running:
        for name, load in (("idle", False), ("load", True)):
            stop = threading.Event()

            def keep_busy(stop: threading.Event = stop) -> None:
                while not stop.is_set():
                    flood("open", "200000", "/usr/share/common-licenses/GPL-2")

            busy = threading.Thread(target=keep_busy)
            if load:
                busy.start()
            delays = []
            for _ in range(21):
                lines = len(read_lines(running.log))
                done = subprocess.run(
                    [sys.executable, "-S", "-c", script, str(marker)], check=True, capture_output=True, **as_user()
                )
                while len(read_lines(running.log)) == lines:
                    time.sleep(0.0005)
                delays.append((running.log.stat().st_mtime_ns - int(done.stdout)) / 1e6)
                time.sleep(0.037)
            stop.set()
            if load:
                busy.join()
            results[name] = statistics.median(delays)
    return results


def measure_alert_flood(work: Path) -> tuple[float, int]:
    """Microseconds of the daemon's CPU per match of a rule that each open of a flood matches; how many were written."""
    marker = work / "marker"
    marker.touch()
    with daemon(work, WATCH.format(marker=marker), latency=True) as running:
        before_s = running.cpu_s()
        flood("open", str(MATCHES), str(marker))
        lines = -1
        while lines != (lines := len(read_lines(running.log))):
            time.sleep(1)
        return (running.cpu_s() - before_s) / MATCHES * 1e6, lines


def measure_rules(path: Path) -> dict[str, float]:
    """ns per event of judging and dropping, every event admitted."""
    rules, _ = load_rules((path,), TABLE)

    def detector() -> RuleDetector:
        return RuleDetector(rules, TABLE, FixedContext(TABLE), Telemetry(), "host")

    return {
        f"{path.name}, opens of 100 paths, in batches of 4,000": ns_per_event(
            detector, opens(40_000, 100), 4000, fresh=False
        ),
        f"{path.name}, opens, execs and connects, in batches of 4,000": ns_per_event(
            detector, mixture(40_000, 100), 4000, fresh=False
        ),
        "the same in batches of 10": ns_per_event(detector, mixture(4_000, 100), 10, fresh=False),
    }


def table_rows() -> dict[str, str]:
    """What the process table costs, and its memory over a day's worth of processes, 50 starts a second."""
    per_process_us, seen = churn(24.0)
    unasked_us, _ = churn(1.0, asked=False)
    level = ", ".join(f"{kib / 1024:.1f}" for _, kib, _ in seen)
    return {
        "process table, a process from fork to exit": f"{per_process_us:.1f} µs, decoding and what it is included",
        "... one that nobody asks about": f"{unasked_us:.1f} µs",
        "process table, any other event, in batches of 4,000": f"{observing_ns():.0f} ns per event",
        "resident memory over 24 hours of 50 starts/s, every 3 hours": f"{level} MiB",
    }


def read_lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each candidate (default 7)")
    parser.add_argument(
        "--rules",
        type=Path,
        default=os.environ.get("FALCO_RULES") or shipped("config") / "rules" / "monitord.yaml",
        help="rules for the kernel's filter (default $FALCO_RULES, or those that ship)",
    )
    args = parser.parse_args()
    rounds = args.rounds
    os.environ["BCC_KERNEL_SOURCE"] = str(shipped("bpf") / "kernel")
    with tempfile.TemporaryDirectory(prefix="monitord-bench-") as directory:
        work = Path(directory)
        work.chmod(0o755)
        table = table_rows()  # first: what LLVM takes would be counted, too
        ours = shipped("config") / "rules"
        table |= enrich_rows([ours] if Path(args.rules).parent == ours else [ours, Path(args.rules)])
        getppid, absent = measure_getppid(work, rounds)
        loop = measure_opens(work, rounds)
        filters = measure_filter(Path(args.rules), rounds)
        reader = measure_reader(rounds)
        alerts = measure_alerts(work)
        alert_us, written = measure_alert_flood(work)
        alerts |= {"us": alert_us, "written": written}
        cold, starts, starts_cpu, resident = [], [], [], []
        for _ in range(3):
            shutil.rmtree(work / "cache")
            with daemon(work, WATCH.format(marker=work), latency=True) as running:
                cold.append(running.ready_s)
        for _ in range(rounds):
            with daemon(work, (shipped("config") / "rules" / "monitord.yaml").read_text(), latency=True) as running:
                starts.append(running.ready_s)
                starts_cpu.append(running.ready_cpu_s)
                time.sleep(0.5)
                resident.append(running.resident_mb())
        idle = measure_idle(work)
        script = measure_script(work)
        rules = measure_rules(Path(args.rules))
        loaded = loading(work, TABLE, rounds)
    memory_mb = statistics.median(resident)
    start = {"cold": statistics.median(cold), "kept": statistics.median(starts), "cpu": statistics.median(starts_cpu)}
    print_table(getppid, absent, loop, reader, alerts, start, memory_mb, idle, script, rules, loaded, filters, table)
    return 0


def print_table(
    getppid: dict[str, float],
    absent: dict[str, str],
    loop: dict[str, float],
    reader: dict[str, float],
    alerts: dict[str, float],
    start_s: dict[str, float],
    resident_mb: float,
    idle: float,
    script: str,
    rules: dict[str, float],
    loaded: tuple[int, float],
    filters: dict[str, str],
    table: dict[str, str],
) -> None:
    plain, pair = getppid["untraced"], getppid["empty raw tracepoint pair"] - getppid["untraced"]
    print(f"Linux {platform.release()}, {os.cpu_count()} CPUs, Python {platform.python_version()}\n")
    print("| a `getppid()` | ns | added, ns | added, relative to the empty pair |")
    print("|---|---|---|---|")
    for name, ns in getppid.items():
        added = ns - plain
        print(f"| {name} | {ns:,.0f} | {added:,.0f} | {added / pair:.2f} |")
    for name, why in absent.items():
        print(f"| {name} | not measured: {why} | | |")
    print("\n| what | measured |")
    print("|---|---|")
    rows = {
        "counts of a flood": check_exact(),
        "open/close loop, untraced": f"{loop['plain']:,.0f} ns per turn",
        "... counted": f"{loop['counted']:,.0f} ns per turn",
        "... each open delivered with its path, judged and dropped": f"{loop['judged']:,.0f} ns per turn, "
        f"{loop['judged'] - loop['plain']:,.0f} added",
        "... CPU of the daemon": f"{loop['cpu']:.2f} s per million turns",
        **filters,
        "reader and decoder": f"{reader['ours']:.0f} ns per event, {1e3 / reader['ours']:.1f} million events/s",
        "BCC's Python callback on the same records": f"{reader['bcc']:,.0f} ns per event, "
        f"{reader['bcc'] / reader['ours']:.0f} times as much",
        **{f"rule stage, {name}": f"{ns:,.0f} ns per event" for name, ns in rules.items()},
        **table,
        f"loading {loaded[0]} rules": f"{loaded[1] * 1e3:.0f} ms",
        "from a call to its alert line, idle": f"{alerts['idle']:.0f} ms",
        "from a call to its alert line, under a flood of opens": f"{max(0.0, alerts['load']):.0f} ms",
        f"{MATCHES:,} matches within half a second": f"{alerts['written']:,.0f} alerts written, the rest counted as "
        f"dropped; {alerts['us']:.0f} µs of CPU per match",
        "start to READY, the BPF programs compiled first": f"{start_s['cold']:.2f} s",
        "start to READY, compiled by an earlier start": f"{start_s['kept']:.2f} s",
        "... CPU of it, the kernel's verifier included": f"{start_s['cpu']:.2f} s",
        "resident memory of the daemon, shipped rules": f"{resident_mb:.0f} MB",
        "CPU of the daemon, shipped rules, nothing to do": f"{idle:.2%} of a core",
        "... while a shell script starts programs": script,
    }
    for name, text in rows.items():
        print(f"| {name} | {text} |")


if __name__ == "__main__":
    sys.exit(main())
