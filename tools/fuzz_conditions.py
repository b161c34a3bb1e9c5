"""
Fuzz the rule language, guided by coverage: any text is a tree, a template, rules or a message, and soon so.

    python3 -m venv --system-site-packages /tmp/fuzz && /tmp/fuzz/bin/pip install atheris
    PYTHONPATH=. nice /tmp/fuzz/bin/python tools/fuzz_conditions.py /tmp/fuzz/corpus -max_total_time=3600

Options are libFuzzer's. The first byte of an input says what it is: a condition, an output template, lists and a
condition that names them, or a rules file. An exception that is not documented, a place outside the text, or more
than `LIMIT_S` of CPU time ends the run, and the input is left in a file ``crash-*``.
"""

import functools
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found]  # not needed by anything else: see above

with atheris.instrument_imports(include=["monitord.rules"]):
    from monitord.rules import ruleset
    from monitord.rules.ast import Op, Quantifier
    from monitord.rules.fields import CATALOGUE
    from monitord.rules.items import KEYS
    from monitord.rules.lexer import ConditionError
    from monitord.rules.lists import TooLargeError, flattened, put_in_lists
    from monitord.rules.output import parse_output
    from monitord.rules.parser import parse_condition
    from monitord.rules.reader import Scalar, SourceFile
    from monitord.rules.text import Text
    from monitord.rules.transform import RESULT_TYPES

from monitord.abi.arch import Abi
from monitord.shipped import shipped
from monitord.tables.syscalls import SyscallTable

MAX_BYTES = 64 << 10
LIMIT_S = 1.0
"""Of CPU time, instrumented: what is measured without is a third of it."""

_CONNECTIVES = ("and", "or", "not", "(", ")", ",", "val(", "append", "replace", "true", "false", "%")


def parsed(parse: Callable[[str], object]) -> Callable[[bytes], None]:
    """A condition or an output template."""

    def check(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        try:
            parse(text)
        except ConditionError as err:
            _expect(0 <= err.at <= len(text), f"{err} at {err.at}")

    return check


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def lists(data: bytes) -> None:
    """Lines of a list each, the first word its name, and a last line with a condition that may name them."""
    text = data.decode("utf-8", "surrogateescape")
    *lines, last = text.split("\n")
    source = SourceFile("fuzz.yaml", text)
    words = [line.split(" ") for line in lines]
    scalars = {name: tuple(Scalar(item, source, 0) for item in items) for name, *items in words}
    flat, _ = flattened(scalars, set())
    try:
        filled = put_in_lists(Text.of(Scalar(last, source, len(text) - len(last))), flat, set())
        parse_condition(filled.text)
    except TooLargeError:
        pass
    except ConditionError as err:
        filled.place(err.at)


class RulesFile:
    """A rules file, written and loaded."""

    def __init__(self, directory: str) -> None:
        self._path = Path(directory) / "fuzz.yaml"
        self._table = SyscallTable.load((Abi.X86_64,))
        # Nine tenths of the time of a short file, and the same for all of them.
        vars(ruleset)["InterestFinder"] = functools.cache(ruleset.InterestFinder)

    def __call__(self, data: bytes) -> None:
        self._path.write_bytes(data)
        _, problems = ruleset.load((self._path,), self._table)
        lines = data.count(b"\n") + data.count(b"\r") + 2
        for problem in problems:
            _expect(0 <= problem.line <= lines and problem.message != "", str(problem))


def seeds() -> list[bytes]:
    """The items of the shipped rules, and each condition and output in them."""
    found = []
    for path in sorted((shipped("config") / "rules").glob("*.yaml")):
        for item in path.read_bytes().split(b"\n- ")[1:]:
            found.append(b"\3- " + item)
            for kind, key in ((b"\0", b"condition:"), (b"\1", b"output:"), (b"\2a b c\nd a e\n", b"condition:")):
                _, here, behind = item.partition(key)
                if here:
                    found.append(kind + behind.partition(b"\n  ")[0].strip(b" >\n"))
    return found


def main() -> None:
    """Run libFuzzer, which ends the process."""
    directory = tempfile.mkdtemp(prefix="fuzz-rules-", dir="/dev/shm")
    corpus = Path(next((word for word in sys.argv[1:] if not word.startswith("-")), directory))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (corpus / f"seed-{number}").write_bytes(seed)
    dictionary = Path(directory) / "words"
    keys = {f"{key}:" for kind, others in KEYS.items() for key in (kind, *others)}
    words = {*_CONNECTIVES, *Op, *Quantifier, *(f"{name}(" for name in RESULT_TYPES), *CATALOGUE, *keys}
    dictionary.write_text("".join(f'"{word}"\n' for word in sorted(words)))
    targets = (parsed(parse_condition), parsed(parse_output), lists, RulesFile(directory))

    def one(data: bytes) -> None:
        if not data:
            return
        begin_s = time.process_time()
        targets[data[0] % len(targets)](data[1:])
        _expect(time.process_time() - begin_s < LIMIT_S, "too slow")

    atheris.Setup([*sys.argv, f"-dict={dictionary}", f"-max_len={MAX_BYTES}"], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
