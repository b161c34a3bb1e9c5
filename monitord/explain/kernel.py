"""What a rule asks the kernel for, and whether an event gets through."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from monitord.abi.arch import Abi
from monitord.model.clause import Clause
from monitord.model.event import Event
from monitord.model.facts import MAX_ERRNO, Key, Source
from monitord.model.interest import Call, Interest
from monitord.model.limit import Limit, Names, Numbers, Paths
from monitord.rules.opens import FLAGS_ARG, O_ACCMODE
from monitord.tables.arguments import bits_told, names_in_text, text_of_argument
from monitord.tables.canonical import canonical
from monitord.tables.constants import errno_name
from monitord.tables.syscalls import Syscall, SyscallTable

_SHOWN = 8
"""Names, paths and numbers of one limit; of more, how many there are."""

_WAYS = {((1, 2),): "opens for writing", ((0, 0), (2, 2)): "opens for reading", ((0, 1),): "opens for one of both"}


def describe(interest: Interest, table: SyscallTable) -> list[str]:
    """
    The events that an interest asks for in the table's ABIs, a line for each group of calls: ``open, openat: success``.

    Of a group with alternatives each has a line of its own, the further ones begin with ``or``. Names are those of
    ``evt.type``; where not all ABIs that have the call are meant, those that are follow in brackets.
    """
    groups: defaultdict[tuple[str, ...], list[Call]] = defaultdict(list)
    known = {syscall.abi for syscall in table}
    for call in interest.calls:
        if call[0] not in known:
            continue
        syscall = table.find(*call)
        texts = tuple(dict.fromkeys(_clause_text(clause, syscall) for clause in interest.wanted(call)))
        groups[texts].append(call)
    lines = []
    for texts, calls in groups.items():
        lines.append(f"{_call_names(calls, table)}: {texts[0]}")
        lines += [f"    or {text}" for text in texts[1:]]
    return lines


def refusal(interest: Interest, event: Event, syscall: Syscall | None) -> str | None:
    """Why the kernel would have kept an event back, if the rule were the only one; None when it lets it through."""
    if interest.admits(event):
        return None
    texts = dict.fromkeys(_clause_text(clause, syscall) for clause in interest.of(event))
    if not texts:
        return "the rule can never be true for this call"
    return f"the rule wants of this call: {', or '.join(texts)}"


def _call_names(calls: Iterable[Call], table: SyscallTable) -> str:
    abis: defaultdict[str, set[Abi]] = defaultdict(set)
    for abi, nr in calls:
        syscall = table.find(abi, nr)
        abis["numbers outside the table" if syscall is None else canonical(syscall.name)].add(abi)
    everywhere: defaultdict[str, set[Abi]] = defaultdict(set)
    for syscall in table:
        everywhere[canonical(syscall.name)].add(syscall.abi)
    by_abis: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, some in sorted(abis.items()):
        by_abis[() if some >= everywhere[name] else tuple(abi.label for abi in sorted(some))].append(name)
    return ", ".join(_list(names) + (f" ({', '.join(labels)})" if labels else "") for labels, names in by_abis.items())


def _clause_text(clause: Clause, syscall: Syscall | None) -> str:
    result = "any result"
    texts = []
    for key, limit in clause.limits:
        if key.source == Source.RESULT and isinstance(limit, Numbers):
            result = _result(limit)
        else:
            texts.append(_limit_text(key, limit, syscall))
    return "; ".join([result, *texts])


def _limit_text(key: Key, limit: Limit, syscall: Syscall | None) -> str:
    if isinstance(limit, Names):
        texts = [name.decode("utf-8", "surrogateescape") for name in sorted(limit.members)]
        what = "process name" if key.source == Source.COMM else "name of the opened file"
        return f"{what} {'' if limit.listed else 'not '}in ({_list(texts)})"
    if isinstance(limit, Paths):
        return _paths(limit)
    if key.source == Source.UID:
        return _numbers("uid", limit, str)
    if key.source == Source.FOREIGN:
        return "made by 64-bit code" if 1 in limit else "made by code of that ABI"
    if syscall is None:
        return _numbers(f"argument {key.source} & {key.mask:#x}", limit, str)
    return _argument(key, limit, syscall)


def _argument(key: Key, limit: Numbers, syscall: Syscall) -> str:
    index, mask = key.source, key.mask
    if FLAGS_ARG.get(syscall.name) == index and mask == O_ACCMODE and limit.spans in _WAYS:
        return _WAYS[limit.spans]
    name = syscall.args[index].name
    named = {bits.value: bits.name for bits in names_in_text(syscall, index) or () if bits.mask == mask}
    if mask.bit_count() == 1 and mask in named:
        return f"{name} {'has' if mask in limit else 'lacks'} {named[mask]}"
    if mask == bits_told(syscall, index):
        return _numbers(name, limit, lambda number: text_of_argument(syscall, index, number))
    if limit.spans == ((1, mask),):
        return f"{name} has any of {_bits(syscall, index, mask)}"
    if limit.spans == ((0, 0),):
        return f"{name} has none of {_bits(syscall, index, mask)}"
    return _numbers(name, limit, lambda number: named.get(number) or text_of_argument(syscall, index, number))


def _bits(syscall: Syscall, index: int, mask: int) -> str:
    bits = [1 << position for position in range(mask.bit_length()) if mask >> position & 1]
    known = {one.value: one.name for one in names_in_text(syscall, index) or ()}
    return f"({_list([known.get(bit, f'{bit:#x}') for bit in bits])})"


def _numbers(what: str, limit: Numbers, text: Callable[[int], str]) -> str:
    inside, outside = limit.spans, (~limit).spans
    few = all(low == high for low, high in outside) and len(outside) < len(inside) + 1
    spans = outside if few and outside else inside
    texts = [text(low) if low == high else f"{text(low)} to {text(high)}" for low, high in spans]
    return f"{what} {'not in' if spans is outside else 'in'} ({_list(texts)})"


def _result(limit: Numbers) -> str:
    errors = Numbers.of(((max(low, 1), high) for low, high in limit.spans), MAX_ERRNO)
    failures = ~Numbers.among((0,), MAX_ERRNO)
    if not errors.spans:
        return "success"
    missing = failures & ~errors
    if sum(high - low + 1 for low, high in errors.spans) <= sum(high - low + 1 for low, high in missing.spans):
        found = _list([errno_name(errno) for low, high in errors.spans for errno in range(low, high + 1)])
        return f"success or {found}" if 0 in limit else found
    but = _list([errno_name(errno) for low, high in missing.spans for errno in range(low, high + 1)])
    return ("any result" if 0 in limit else "failure") + (f" but {but}" if but else "")


def _paths(limit: Paths) -> str:
    texts = []
    for mark, inside in limit.marks:
        text = mark.decode("utf-8", "surrogateescape")
        shown = text[:-1] if text.endswith("\0") else f"{text}*"
        texts.append(shown if inside is not limit.others else f"but not {shown}")
    if not texts and not limit.others:
        return "path relative, or with ../ or the like"
    return f"path {'none of' if limit.others else 'in'} ({_list(texts)})"


def _list(texts: Sequence[str]) -> str:
    more = len(texts) - _SHOWN
    return ", ".join(texts) if more <= 1 else ", ".join(texts[:_SHOWN]) + f" and {more} more"
