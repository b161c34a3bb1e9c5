"""Whether a parsed condition means something: fields that exist, operators and literals that fit their types."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

from monitord.dataclass import dataclass
from monitord.model.amount import amount
from monitord.rules.ast import Check, FieldRef, Node, Op, Operand, Transformed, checks_in
from monitord.rules.automaton import RegexError
from monitord.rules.code import Code
from monitord.rules.compare import read_literal
from monitord.rules.field import Argument, Field, FieldType
from monitord.rules.fields.correlation import CLASS as CORRELATED
from monitord.rules.items import nearest
from monitord.rules.operand import fields_of, type_of
from monitord.rules.regex import Regex

_SETS = frozenset((Op.IN, Op.INTERSECTS, Op.EXISTS))
_EQUAL = _SETS | {Op.EQ, Op.NE}
_ORDER = frozenset((Op.LT, Op.LE, Op.GT, Op.GE))
_ANY_BYTES = frozenset((Op.CONTAINS, Op.STARTSWITH, Op.ENDSWITH, Op.BCONTAINS, Op.BSTARTSWITH))
_OPERATORS: Mapping[FieldType, frozenset[Op]] = {
    FieldType.NUMBER: _EQUAL | _ORDER,
    FieldType.DURATION: _EQUAL | _ORDER,
    FieldType.PORT: _EQUAL | _ORDER,
    FieldType.BOOL: _EQUAL,
    FieldType.TEXT: frozenset(Op) - _ORDER,
    FieldType.BYTES: _EQUAL | _ANY_BYTES,
    FieldType.ADDRESS: _EQUAL,
    FieldType.NET: _EQUAL,
    FieldType.LIST: _SETS,
}
_WANTED: Mapping[FieldType, str] = {
    FieldType.NUMBER: "a number",
    FieldType.DURATION: "a number of nanoseconds",
    FieldType.PORT: "a port: a number from 0 to 65535, or a service that /etc/services of this machine names",
    FieldType.BOOL: "true or false",
    FieldType.ADDRESS: "an IP address; networks are compared with fd.net, fd.snet and the like",
    FieldType.NET: "a network such as 10.0.0.0/8 or fd00::/8",
}
"""What the literals of a type have to be, for those that not every text is."""
_ARGUMENTS: Mapping[str, tuple[tuple[FieldType, ...], ...]] = {
    "tolower": ((FieldType.TEXT,),),
    "toupper": ((FieldType.TEXT,),),
    "b64": ((FieldType.TEXT, FieldType.BYTES),),
    "basename": ((FieldType.TEXT,),),
    "len": ((FieldType.TEXT, FieldType.BYTES, FieldType.LIST),),
    "join": ((FieldType.TEXT,), (FieldType.LIST, FieldType.TEXT)),
    "getopt": ((FieldType.TEXT, FieldType.LIST), (FieldType.TEXT,)),
}
"""Transformer -> the types that each of its arguments takes; `concat` takes any number of texts."""


MAX_MISTAKES = 20
"""Mistakes of one condition or output that are said at once; to find the place and the nearest name takes its time."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake at an offset of a condition."""

    at: int
    code: Code
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """
    The names that a condition can use.

    :ivar syscalls: the values of ``evt.type``.
    :ivar arguments: the names behind ``evt.arg.``.
    """

    fields: Mapping[str, Field]
    syscalls: Set[str]
    arguments: Set[str]


def first_of(mistakes: Iterator[Mistake]) -> Iterator[Mistake]:
    """The first `MAX_MISTAKES`; the last of them says that there are more, if so."""
    for number, mistake in enumerate(mistakes, 1):
        if number == MAX_MISTAKES and next(mistakes, None):
            yield replace(mistake, message=f"{mistake.message}; there are more mistakes behind this one")
            return
        yield mistake


def mistakes_in(node: Node, vocabulary: Vocabulary) -> Iterator[Mistake]:
    """The mistakes of a parsed condition, left to right; macros in it are passed over."""
    for check in checks_in(node):
        yield from _check_mistakes(check, vocabulary)


def operand_mistakes(operand: Operand, at: int, vocabulary: Vocabulary) -> Iterator[Mistake]:
    """The mistakes of a field or transformer that stands at an offset."""
    if isinstance(operand, Transformed):
        yield from _transformer_mistakes(operand, at, vocabulary)
        return
    name, arg = operand.name, operand.arg
    field = vocabulary.fields.get(name)
    if field is None and name.startswith(CORRELATED):
        yield Mistake(at, Code.FIELD, f"'{name}' is only in the output of a rule that has a 'correlation'")
    elif field is None:
        hint = nearest(name, vocabulary.fields) or _alike(name, vocabulary)
        yield Mistake(at, Code.FIELD, f"there is no field '{name}'{hint}")
    elif arg is None:
        if field.argument is Argument.REQUIRED:
            yield Mistake(at, Code.ARGUMENT, f"'{name}' needs an argument: {name}[...]; it is {field.meaning}")
    elif field.argument is Argument.NONE:
        yield Mistake(at, Code.ARGUMENT, f"'{name}' takes no argument; remove '[{arg}]'")
    elif field.numbered and not (arg.isascii() and arg.isdigit() and len(arg) < 10):
        yield Mistake(at, Code.ARGUMENT, f"the argument of '{name}' is a number such as [1], not '{arg}'")
    elif name in ("evt.arg", "evt.rawarg") and not arg.isdigit() and arg not in vocabulary.arguments:
        hint = nearest(arg, vocabulary.arguments) or "; 'monitord syscalls' lists the arguments of each call"
        yield Mistake(at, Code.ARGUMENT, f"no syscall has an argument '{arg}'{hint}")


def _alike(name: str, vocabulary: Vocabulary) -> str:
    """The fields of the same class as an unknown one."""
    class_ = name.partition(".")[0] + "."
    alike = [known for known in vocabulary.fields if known.startswith(class_)]
    return f"; there are {', '.join(alike)}" if alike else f"; there are no fields {class_}*"


def _transformer_mistakes(operand: Transformed, at: int, vocabulary: Vocabulary) -> Iterator[Mistake]:
    function, args = operand.function, operand.args
    broken = False
    for arg in args:
        if isinstance(arg, (FieldRef, Transformed)):
            for mistake in operand_mistakes(arg, at, vocabulary):
                broken = True
                yield mistake
    if broken:
        return
    expected = _ARGUMENTS.get(function, ((FieldType.TEXT, FieldType.NUMBER),) * max(len(args), 2))
    if len(args) != len(expected):
        yield Mistake(at, Code.ARGUMENT, f"'{function}' takes {amount(len(expected), 'argument')}, not {len(args)}")
        return
    for number, (arg, types) in enumerate(zip(args, expected, strict=True), 1):
        found = _argument_type(arg, vocabulary)
        if found not in types:
            wanted = " or ".join(type_.value for type_ in types)
            message = f"argument {number} of '{function}' has to be a {wanted}, and this is a {found.value}"
            yield Mistake(at, Code.ARGUMENT, message)
    if operand.arg is not None and function != "getopt":
        yield Mistake(at, Code.ARGUMENT, f"'{function}' takes no index; remove '[{operand.arg}]'")


def _argument_type(arg: Operand | str | tuple[str, ...], vocabulary: Vocabulary) -> FieldType:
    if isinstance(arg, str):
        return FieldType.TEXT
    return FieldType.LIST if isinstance(arg, tuple) else type_of(arg, vocabulary.fields)


def _check_mistakes(check: Check, vocabulary: Vocabulary) -> Iterator[Mistake]:
    at = check.at
    broken = list(operand_mistakes(check.operand, at, vocabulary))
    if check.other is not None:
        broken += operand_mistakes(check.other, at, vocabulary)
    yield from broken
    if broken:
        return
    type_ = type_of(check.operand, vocabulary.fields)
    if check.op not in _OPERATORS[type_]:
        fitting = " ".join(op for op in Op if op in _OPERATORS[type_])
        message = f"'{check.op}' does not fit '{_shown(check.operand)}', which is a {type_.value}; it takes {fitting}"
        yield Mistake(at, Code.OPERATOR, message)
    elif check.other is not None:
        yield from _other_mistakes(check, check.other, type_, vocabulary)
    else:
        yield from _literal_mistakes(check, type_)
        yield from _syscall_mistakes(check, vocabulary)


def _other_mistakes(check: Check, other: Operand, type_: FieldType, vocabulary: Vocabulary) -> Iterator[Mistake]:
    right = type_of(other, vocabulary.fields)
    if check.op in (Op.REGEX, Op.PMATCH):
        yield Mistake(check.at, Code.OPERATOR, f"'{check.op}' takes no field on its right side, only texts")
    elif type_ is FieldType.NET:
        yield Mistake(check.at, Code.OPERATOR, f"'{_shown(check.operand)}' is compared with networks, not with fields")
    elif any(vocabulary.fields[field.name].left_only for field in fields_of(other)):
        message = f"'{_shown(other)}' cannot stand on the right side; put it on the left one"
        yield Mistake(check.at, Code.OPERATOR, message)
    elif check.op in (Op.IN, Op.INTERSECTS):
        if right is not FieldType.LIST or type_ not in (FieldType.TEXT, FieldType.LIST):
            yield Mistake(check.at, Code.OPERATOR, f"'{check.op}' needs a list of texts on its right side")
    elif right is not type_:
        message = f"'{_shown(check.operand)}' is a {type_.value} and '{_shown(other)}' a {right.value}"
        yield Mistake(check.at, Code.OPERATOR, f"{message}; only equal types can be compared")


def _literals(check: Check) -> Iterator[tuple[str, int]]:
    """The literals of a test, and where they stand; those of a test that was made and not parsed, where it does."""
    return zip(check.values, check.places or [check.at] * len(check.values), strict=True)


def _literal_mistakes(check: Check, type_: FieldType) -> Iterator[Mistake]:
    for text, at in _literals(check):
        if read_literal(text, check.op, type_) is None:
            wanted = "a hex string such as 7f454c46" if check.op in (Op.BCONTAINS, Op.BSTARTSWITH) else None
            wanted = wanted or _WANTED[type_]
            yield Mistake(at, Code.LITERAL, f"'{text}' is not {wanted}, which '{check.op}' needs here")
        elif check.op is Op.REGEX:
            try:
                Regex(text)
            except RegexError as err:
                message = f"the pattern does not read at character {err.at + 1}: {err}"
                yield Mistake(at, Code.LITERAL, message)


def _syscall_mistakes(check: Check, vocabulary: Vocabulary) -> Iterator[Mistake]:
    if check.operand == FieldRef("evt.dir") and check.op in (Op.EQ, Op.IN) and ">" in check.values:
        message = "'evt.dir = >' never holds: an event is a whole call; without it the rule sees calls as they return"
        yield Mistake(check.at, Code.DEPRECATED, message, warning=True)
    if check.operand != FieldRef("evt.type") or check.op not in (Op.EQ, Op.NE, Op.IN):
        return
    for name, at in _literals(check):
        if name not in vocabulary.syscalls:
            hint = nearest(name, vocabulary.syscalls) or "; 'monitord syscalls' lists them"
            yield Mistake(at, Code.SYSCALL, f"there is no syscall '{name}'{hint}", warning=True)


def _shown(operand: Operand) -> str:
    return str(operand) if isinstance(operand, FieldRef) else f"{operand.function}(...)"
