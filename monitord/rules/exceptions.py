"""Exceptions of a rule: combinations of values that it shall not fire on, written out as a condition."""

from collections.abc import Iterator
from dataclasses import replace

from monitord.dataclass import dataclass
from monitord.rules.ast import Op
from monitord.rules.code import Code
from monitord.rules.items import Item, Problems, nearest
from monitord.rules.lists import MAX_CHARS, written
from monitord.rules.reader import Map, Scalar, Sequence, Yaml
from monitord.rules.text import Text, joined

_LIST_OPERATORS = frozenset((Op.IN, Op.INTERSECTS, Op.PMATCH))
_OPERATORS = frozenset(Op) | {"=="}
_KEYS = ("name", "fields", "comps", "values")
_MODIFIERS = ("oneof", "anyof", "allof")


@dataclass(frozen=True, slots=True)
class RuleException:
    """
    One exception of a rule.

    :ivar fields: field names, one per value of a tuple.
    :ivar comparisons: the operator for each field.
    :ivar values: tuples of values.
    :ivar single: `fields` was one text, so the values are not tuples.
    """

    name: Scalar
    fields: tuple[Scalar, ...]
    comparisons: tuple[str, ...]
    values: tuple[Yaml, ...]
    single: bool


def exceptions_in(item: Item, problems: Problems) -> tuple[RuleException, ...]:
    """The exceptions that an item of a rules file brings, for `merged` and `without`."""
    value = item.values.get("exceptions")
    if value is None or (isinstance(value, Scalar) and value.is_null):
        return ()
    if not isinstance(value, Sequence):
        problems.error(value.start, Code.EXCEPTION, "'exceptions' is a list of maps with name, fields, comps, values")
        return ()
    made: dict[str, RuleException] = {}
    for entry in value.items:
        exception = _exception_of(entry, problems)
        if exception is None:
            continue
        name = exception.name
        if made.setdefault(name.text, exception) is not exception:
            problems.error(name.start, Code.DUPLICATE, f"the exception '{name.text}' is here twice; put them together")
    return tuple(made.values())


def _exception_of(entry: Yaml, problems: Problems) -> RuleException | None:
    keys = {key.text: value for key, value in entry.entries} if isinstance(entry, Map) else {}
    for key, _ in entry.entries if isinstance(entry, Map) else ():
        if key.text not in _KEYS:
            hint = nearest(key.text, _KEYS) or f"; an exception has {', '.join(_KEYS)}"
            problems.warn(key.start, Code.UNKNOWN_KEY, f"unknown key '{key.text}' is ignored{hint}")
    name = keys.get("name")
    if not isinstance(name, Scalar):
        problems.error(entry.start, Code.EXCEPTION, "an exception needs a name: '- name: NAME'")
        return None
    values = keys.get("values")
    if values is not None and not isinstance(values, Sequence):
        problems.error(values.start, Code.EXCEPTION, "'values' is a list")
        return None
    fields = keys.get("fields")
    comparisons = keys.get("comps")
    tuples = values.items if values else ()
    if isinstance(fields, Scalar):
        comparison = comparisons.text if isinstance(comparisons, Scalar) else "in"
        return _checked(RuleException(name, (fields,), (comparison,), tuples, True), problems)
    names = _texts(fields)
    operators = tuple(text.text for text in _texts(comparisons)) or ("=",) * len(names)
    return _checked(RuleException(name, names, operators, tuples, False), problems)


def _texts(value: Yaml | None) -> tuple[Scalar, ...]:
    return tuple(text for text in value.items if isinstance(text, Scalar)) if isinstance(value, Sequence) else ()


def _checked(exception: RuleException, problems: Problems) -> RuleException | None:
    label = f"exception '{exception.name.text}'"
    before = len(problems.found)
    if len(exception.fields) != len(exception.comparisons):
        message = f"{label} has {len(exception.fields)} fields and {len(exception.comparisons)} comps; one for each"
        problems.error(exception.name.start, Code.EXCEPTION, message)
    for comparison in exception.comparisons:
        words = comparison.split()
        if not words or words[0] not in _OPERATORS or words[1:] not in ([], *([word] for word in _MODIFIERS)):
            problems.error(
                exception.name.start,
                Code.EXCEPTION,
                f"{label}: unknown operator '{comparison}'{nearest(comparison, _OPERATORS)}",
            )
    return exception if len(problems.found) == before else None


def merged(
    old: tuple[RuleException, ...], new: tuple[RuleException, ...], problems: Problems
) -> tuple[RuleException, ...]:
    """The exceptions of a rule after others are appended: to those it has only values can be added."""
    names = {exception.name.text: exception for exception in old}
    for exception in new:
        known = names.get(exception.name.text)
        if known is None:
            names[exception.name.text] = exception
            continue
        if exception.fields and tuple(text.text for text in exception.fields) != tuple(
            text.text for text in known.fields
        ):
            message = f"exception '{known.name.text}' exists: only values can be appended to it"
            problems.error(exception.name.start, Code.EXCEPTION, message)
            continue
        names[exception.name.text] = replace(known, values=(*known.values, *exception.values))
    return tuple(names.values())


def without(condition: Text, exceptions: tuple[RuleException, ...], problems: Problems) -> Text:
    """``(condition) and not ((f1 = v1 and f2 = v2) or ...)``, or the condition itself when there are no values."""
    cases: list[str] = []
    names: list[Scalar] = []
    size = 0
    for exception in exceptions:
        for case in _cases(exception, problems):
            size += len(case)
            if size > MAX_CHARS:
                message = f"exception '{exception.name.text}' is too long once its values are written out"
                problems.error(exception.name.start, Code.TOO_LARGE, message)
                return condition
            cases.append(case)
            names.append(exception.name)
    if not cases:
        return condition
    parts = [Text.standing_for("(", names[0]), condition, Text.standing_for(") and not (", names[0])]
    for number, (case, name) in enumerate(zip(cases, names, strict=True)):
        parts.append(Text.standing_for(f" or ({case})" if number else f"({case})", name))
    return joined([*parts, Text.standing_for(")", names[-1])])


def _cases(exception: RuleException, problems: Problems) -> Iterator[str]:
    """One condition for each tuple of values."""
    if exception.values and not exception.fields:
        message = f"exception '{exception.name.text}' has values and no fields; name the fields they are for"
        problems.error(exception.name.start, Code.EXCEPTION, message)
        return
    if exception.single and _takes_list(exception.comparisons[0]):
        if exception.values:
            yield f"{exception.fields[0].text} {exception.comparisons[0]} ({_listed(exception.values, problems)})"
        return
    for value in exception.values:
        elements = (value,) if exception.single else value.items if isinstance(value, Sequence) else ()
        if len(elements) != len(exception.fields):
            fields = ", ".join(field.text for field in exception.fields)
            message = f"exception '{exception.name.text}' needs one value for each of its fields: [{fields}]"
            problems.error(value.start, Code.EXCEPTION, message)
            continue
        tests = []
        for field, comparison, element in zip(exception.fields, exception.comparisons, elements, strict=True):
            inside = element.items if isinstance(element, Sequence) and _takes_list(comparison) else (element,)
            right = _listed(inside, problems)
            tests.append(f"{field.text} {comparison} {f'({right})' if _takes_list(comparison) else right}")
        yield " and ".join(tests)


def _takes_list(comparison: str) -> bool:
    words = comparison.split()
    return words[0] in _LIST_OPERATORS or len(words) > 1


def _listed(values: tuple[Yaml, ...], problems: Problems) -> str:
    """The values as the inside of a list; Falco's parentheses around the name of a list are dropped."""
    texts = []
    for value in values:
        if not isinstance(value, Scalar):
            problems.error(value.start, Code.EXCEPTION, "this value of an exception is a text for this operator")
            continue
        bare = value.text.startswith("(") and value.text.endswith(")")
        texts.append(value.text[1:-1].strip() if bare else written(value.text))
    return ", ".join(texts)
