"""Captures as they are written: whole, or not at all."""

import json
import subprocess
import sys

import pytest

from monitord.recording.capture import CaptureError, read_events
from monitord.recording.writer import CaptureWriter
from tests.detect.pools import TABLE, rows_of_all_calls
from tests.support.batches import batch_of
from tests.support.detect import FixedContext

CONTEXT = FixedContext(TABLE)


def test_what_is_written_is_read(tmp_path):
    batch = batch_of(*rows_of_all_calls(each=1))
    events = [batch.event(row) for row in range(len(batch))]
    writer = CaptureWriter(tmp_path / "x")
    writer.begin({"hostname": "box"})
    for event in events:
        writer.add(event, CONTEXT)
    writer.finish({"lost": {"ring": 3}})

    assert events == [recorded.event for recorded in read_events(tmp_path / "x")]
    first, *_, last = (tmp_path / "x").read_text().splitlines()
    assert {"capture": 1, "hostname": "box"} == json.loads(first)
    assert {"end": {"events": len(events), "lost": {"ring": 3}}} == json.loads(last)


def test_it_is_for_its_owner_alone(tmp_path):
    CaptureWriter(tmp_path / "x").begin({})

    assert 0o600 == (tmp_path / "x").stat().st_mode & 0o777


def test_what_is_there_is_kept_unless_forced(tmp_path):
    path = tmp_path / "x"
    path.write_text("mine\n" * 100)

    with pytest.raises(CaptureError, match=f"{path}: E002 this file is there already; give another name, or --force"):
        CaptureWriter(path)
    assert path.read_text().startswith("mine")

    path.chmod(0o644)
    writer = CaptureWriter(path, force=True)
    assert path.read_text().startswith("mine")
    writer.begin({})
    writer.finish({})
    assert 2 == len(path.read_text().splitlines())
    assert 0o600 == path.stat().st_mode & 0o777


@pytest.mark.parametrize("path", ["absent/x", "."])
def test_a_place_where_nothing_can_be_written(tmp_path, path):
    with pytest.raises(CaptureError, match=r"E00[12]"):
        CaptureWriter(tmp_path / path)


_FILL = """
import sys
from pathlib import Path
from monitord.recording.capture import CaptureError, read_events
from monitord.recording.writer import CaptureWriter
from tests.detect.pools import TABLE
from tests.support.batches import batch_of, open_of
from tests.support.detect import FixedContext
path = Path(sys.argv[1])
writer = CaptureWriter(path)
writer.begin({})
event = batch_of(open_of(b"/etc/shadow")).event(0)
try:
    while True:
        writer.add(event, FixedContext(TABLE))
        writer.flush()
except CaptureError as error:
    message = f"E008 cannot write on: No space left on device; {writer.events} events in the file, make room"
    assert f"{path}: {message}" == str(error)
assert 10 < writer.events == len(list(read_events(path)))
"""


def test_a_full_disk_leaves_whole_lines(tmp_path):
    """A tmpfs of four pages, in a mount namespace of its own."""
    mount = f'mount -t tmpfs -o size=16k none {tmp_path} && exec {sys.executable} -c "$0" {tmp_path}/x'

    done = subprocess.run(["unshare", "-m", "sh", "-c", mount, _FILL], capture_output=True, text=True)

    assert (0, "") == (done.returncode, done.stderr)
