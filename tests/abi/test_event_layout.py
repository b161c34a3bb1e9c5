"""bpf/event.h and monitord/abi/event.py describe the same bytes."""

import re
import subprocess
from pathlib import Path

import pytest

from monitord.abi import event
from monitord.abi.arch import Abi
from monitord.abi.event import EVENT, FILE, MORE, PERF_PREFIX_BYTES, PROGRAM, SOCKET, TASK, TEXT
from monitord.model import facts
from monitord.shipped import shipped
from monitord.sources.bpf import filter_table, filters
from monitord.sources.bpf.counts import STATS
from monitord.sources.bpf.filters import FILTER
from monitord.sources.bpf.plan import PLAN
from monitord.sources.bpf.spare import PAGES

HEADER = shipped("bpf") / "event.h"
FACTS = {"file_facts": FILE, "socket_facts": SOCKET, "program_facts": PROGRAM, "task_facts": TASK}
PERF_FIELDS = {"perf_type", "perf_misc", "perf_size", "raw_size"}


@pytest.fixture(scope="module")
def c_values(tmp_path_factory) -> dict[str, int]:
    """Offsets, sizes and constants as a C compiler sees them."""
    work = tmp_path_factory.mktemp("layout")
    asked = {
        "sizeof(struct event)": "event",
        "sizeof(struct more)": "more",
        "sizeof(struct text)": "text",
        "HEAD_DATA": "HEAD_DATA",
        "MORE_DATA": "MORE_DATA",
        "TEXTS": "TEXTS",
        "ARG_TEXTS": "ARG_TEXTS",
        "DESCRIPTOR_TEXT": "DESCRIPTOR_SLOT",
        "TASK_TEXT": "TASK_SLOT",
        "NO_ARGUMENT": "NO_ARGUMENT",
        "TEXT_CAP": "TEXT_CAP",
    }
    fields = {"event": set(EVENT.names) - {"data"}, "more": set(MORE.names) - {"data", "_pad"}, "text": set(TEXT.names)}
    fields |= {struct: set(dtype.names) for struct, dtype in FACTS.items()}
    asked |= {f"sizeof(struct {struct})": struct for struct in FACTS}
    for struct, names in fields.items():
        for name in names - PERF_FIELDS:
            asked[f"__builtin_offsetof(struct {struct}, {name})"] = f"{struct}.{name}"
    for name in re.findall(r"\b(?:KIND|ABI|FLAG|CAPTURE|TEXT|SOCKET|INODE)_[A-Z0-9_]+(?= *[,=} ])", HEADER.read_text()):
        asked[name] = name
    prints = "".join(f'printf("{label} %ld\\n", (long)({value}));' for value, label in asked.items())
    types = shipped("bpf") / "kernel" / "include" / "linux" / "types.h"
    program = (
        f'#include "{types}"\n#include "{HEADER}"\nint printf(const char *, ...);\nint main(void) {{ {prints} }}\n'
    )
    (work / "layout.c").write_text(program)
    subprocess.run(["gcc", "-w", "-o", work / "layout", work / "layout.c"], check=True)
    lines = subprocess.run([work / "layout"], check=True, capture_output=True, text=True).stdout.splitlines()
    return {label: int(value) for label, value in (line.split() for line in lines)}


@pytest.mark.parametrize("name", sorted(set(EVENT.names) - PERF_FIELDS - {"data"}))
def test_event_fields_are_where_the_kernel_writes_them(c_values, name):
    assert c_values[f"event.{name}"] == EVENT.fields[name][1] - PERF_PREFIX_BYTES


@pytest.mark.parametrize("name", sorted(set(MORE.names) - PERF_FIELDS - {"data", "_pad"}))
def test_continuation_fields_are_where_the_kernel_writes_them(c_values, name):
    assert c_values[f"more.{name}"] == MORE.fields[name][1] - PERF_PREFIX_BYTES


@pytest.mark.parametrize("name", TEXT.names)
def test_text_fields_are_where_the_kernel_writes_them(c_values, name):
    assert c_values[f"text.{name}"] == TEXT.fields[name][1]


@pytest.mark.parametrize("struct", FACTS)
def test_facts_are_where_the_kernel_writes_them(c_values, struct):
    dtype = FACTS[struct]

    assert c_values[struct] == dtype.itemsize
    assert {name: c_values[f"{struct}.{name}"] for name in dtype.names} == {
        name: dtype.fields[name][1] for name in dtype.names
    }


def test_string_data_follows_the_head(c_values):
    assert c_values["event"] == EVENT.fields["data"][1] - PERF_PREFIX_BYTES
    assert c_values["more"] == MORE.fields["data"][1] - PERF_PREFIX_BYTES
    assert c_values["text"] == TEXT.itemsize


def test_sizes_are_the_same(c_values):
    assert c_values["HEAD_DATA"] == event.DATA_BYTES
    assert c_values["MORE_DATA"] == event.MORE_BYTES
    assert c_values["TEXTS"] == event.TEXTS
    assert c_values["ARG_TEXTS"] == event.ARG_TEXTS
    assert c_values["DESCRIPTOR_SLOT"] == event.DESCRIPTOR_TEXT
    assert c_values["TASK_SLOT"] == event.TASK_TEXT
    assert c_values["NO_ARGUMENT"] == event.NO_ARGUMENT
    assert c_values["TEXT_CAP"] == event.TEXT_CAP_BYTES


@pytest.mark.parametrize(
    ("prefix", "members"),
    [
        ("KIND", event.Kind),
        ("ABI", Abi),
        ("FLAG", event.Flag),
        ("CAPTURE", event.Capture),
        ("TEXT", event.TextFlag),
        ("SOCKET", event.SocketBit),
        ("INODE", event.InodeBit),
    ],
)
def test_constants_are_the_same(c_values, prefix, members):
    in_c = {name.removeprefix(f"{prefix}_"): v for name, v in c_values.items() if name.startswith(f"{prefix}_")}
    in_c.pop("CAP", None)

    assert in_c == {name: int(member) for name, member in members.__members__.items()}


def struct_fields(header: str, struct: str) -> list[str]:
    body = re.search(rf"^struct {struct} {{\n(.*?)^}};", (shipped("bpf") / header).read_text(), re.M | re.S)[1]
    return re.findall(r"^\s*u\d+ (\w+)", body, re.M)


def test_plan_fields_are_in_the_same_order():
    assert struct_fields("plan.h", "plan") == list(PLAN.names)


def test_filter_fields_are_in_the_same_order():
    numbers = [name for name in FILTER.names if not name.endswith("test")]

    assert struct_fields("filter.h", "filter") == numbers
    assert struct_fields("filter.h", "test") == list(FILTER["test"].base.names)


@pytest.mark.parametrize(
    ("header", "name", "value"),
    [
        ("filter.h", "TESTS", filters.TESTS),
        ("filter.h", "RESULT_TESTS", filters.RESULT_TESTS),
        ("filter.h", "FILTERS", filter_table.SLOTS),
        ("filter.h", "SOURCE_UID", int(facts.Source.UID)),
        ("places.h", "PLAIN_CAP", facts.PLAIN_BYTES),
        ("places.h", "PLACE_BYTES", filters.PLACE_BYTES),
        ("leaf.h", "LEAF_ROOM", facts.LEAF_BYTES + 1),
    ],
)
def test_sizes_of_filters_are_the_same(header, name, value):
    text = (shipped("bpf") / header).read_text()

    assert [str(value)] == re.findall(rf"^#define {name} (\d+)", text, re.M)


def test_stats_fields_are_in_the_same_order():
    assert struct_fields("counters.h", "stats") == list(STATS)


def test_shipped_directory_holds_the_programs():
    assert (shipped("bpf") / "monitord.bpf.c").is_file()
    assert isinstance(shipped("config"), Path)


def test_both_sides_know_the_size_of_the_spare_ring():
    (pages,) = re.findall(r"^#define SPARE_PAGES (\d+)$", (shipped("bpf") / "emit.h").read_text(), re.MULTILINE)

    assert PAGES == int(pages)
