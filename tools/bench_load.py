"""
What loading rules takes.

`make bench` measures the shipped rules, several times over under other names; FALCO_RULES names another file for it.
"""

import os
import re
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from monitord.model.problem import errors
from monitord.rules.ruleset import load
from monitord.shipped import shipped
from monitord.tables.syscalls import SyscallTable

RULES = 100
"""At least so many."""


def loading(work: Path, table: SyscallTable, rounds: int = 7) -> tuple[int, float]:
    """
    How many rules were loaded, and the seconds it took.

    :param work: a directory to write in.
    """
    named = os.environ.get("FALCO_RULES")
    files = [Path(named)] if named else sorted((shipped("config") / "rules").glob("*.yaml"))
    names = [rule.name for rule in load(tuple(files), table)[0].rules]
    # Correlations name other rules, and so all names are changed wherever they stand.
    any_name = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
    copies = []
    for copy in range(-(-RULES // len(names))):
        for file in files:
            text = any_name.sub(rf"\g<0> {copy}", file.read_text("utf-8"))
            copies.append(work / f"{copy}-{file.name}")
            copies[-1].write_text(text, "utf-8")
    times = []
    for _ in range(rounds):
        begin_s = time.perf_counter()
        rules, problems = load(tuple(copies), table)
        times.append(time.perf_counter() - begin_s)
    if errors(problems):
        raise SystemExit(f"the rules have mistakes: {errors(problems)[0]}")
    return len(rules.rules), statistics.median(times)
