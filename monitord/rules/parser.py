"""Falco's condition grammar."""

from dataclasses import field

from monitord.dataclass import dataclass
from monitord.rules import lexer
from monitord.rules.ast import (
    FREE_TAILS,
    MAX_DEPTH,
    And,
    Check,
    FieldRef,
    Macro,
    Node,
    Not,
    Op,
    Operand,
    Or,
    Quantifier,
    Transformed,
)
from monitord.rules.lexer import ConditionError, Scanner
from monitord.rules.slips import slip

MAX_PARENTHESES = 1000
"""Open at a time, as in Falco; what people write has five."""

MAX_TRANSFORMERS = 50
"""Transformers in transformers."""


def parse_condition(text: str) -> Node:
    """
    The tree of a condition. Lists are already put in; macros stay as `Macro` nodes.

    :raises ConditionError: the text is not a condition; time is linear in the text either way.
    """
    parser = Parser(text)
    node = parser.condition()
    parser.scanner.skip_blanks()
    if parser.scanner.at < len(text):
        found = parser.scanner.peek()
        hint = slip(found)
        if isinstance(_last(node), Macro) and lexer.COMPARED.match(text, parser.scanner.at):
            hint = "; a field has a dot in its name, as proc.name has"
        raise ConditionError(f"expected 'and', 'or' or the end, found {found}{hint}", parser.scanner.at)
    return node


def _last(node: Node) -> Node:
    """What stands last in a condition."""
    while not isinstance(node, (Check, Macro)):
        node = node.child if isinstance(node, Not) else node.children[-1]
    return node


def _shown(operand: Operand) -> str:
    return f"'{operand}'" if isinstance(operand, FieldRef) else f"'{operand.function}(...)'"


def parse_operand(text: str, at: int) -> tuple[Operand, int]:
    """
    The field or transformer that begins at an offset of a longer text, and the offset behind it.

    :raises ConditionError: there is none.
    """
    parser = Parser(text)
    parser.scanner.at = at
    operand = parser.operand()
    if operand is None:
        raise ConditionError(f"expected a field name, found {parser.scanner.peek()}", at)
    return operand, parser.scanner.at


@dataclass(slots=True)
class _Group:
    """
    The inside of a parenthesis, or the whole condition, as far as it is read.

    :ivar at: where it begins.
    :ivar negated: whether a ``not`` stands before it.
    :ivar alternatives: what stood before each ``or``.
    :ivar parts: what stood before each ``and`` since then.
    """

    at: int
    negated: bool
    alternatives: list[tuple[Node, int]] = field(default_factory=list)
    parts: list[tuple[Node, int]] = field(default_factory=list)

    def end_alternative(self) -> None:
        """An ``or`` or the end is met."""
        self.alternatives.append(_together(And, self.parts))
        self.parts = []

    def end(self) -> tuple[Node, int]:
        """All of it, and its depth."""
        self.end_alternative()
        return _together(Or, self.alternatives)


def _together(kind: type[And | Or], parts: list[tuple[Node, int]]) -> tuple[Node, int]:
    """The parts as one node; an `And` in an `And` is the same as its parts in there, and so with `Or`."""
    if len(parts) == 1:
        return parts[0]
    children: list[Node] = []
    for node, _ in parts:
        children.extend(node.children if isinstance(node, kind) else (node,))
    depth = max(depth if isinstance(node, kind) else depth + 1 for node, depth in parts)
    return kind(tuple(children)), depth


def _negated(node: Node, depth: int) -> tuple[Node, int]:
    return (node.child, depth - 1) if isinstance(node, Not) else (Not(node), depth + 1)


class Parser:
    """One text being parsed."""

    def __init__(self, text: str) -> None:
        self.scanner = Scanner(text)
        self.transformers = 0
        self.places: list[int] = []  # of the literals behind the last operator

    def condition(self) -> Node:
        """
        ``Expr := And ('or' And)*``, ``And := Not ('and' Not)*``, ``Not := ('not ')* ('(' Expr ')' | Test)``.

        The parentheses that are open are on a list of ours, not on Python's stack, which is too short for them.
        """
        scanner = self.scanner
        groups = [_Group(0, False)]
        while True:
            negated = False
            while scanner.take(lexer.NOT):
                negated = not negated
            scanner.skip_blanks()
            at = scanner.at
            if scanner.take_char("("):
                if len(groups) > MAX_PARENTHESES:
                    raise ConditionError(
                        f"more than {MAX_PARENTHESES} parentheses are open; move a part to a macro", at
                    )
                groups.append(_Group(at, negated))
                continue
            read: tuple[Node, int] = self.test(at), 1
            while True:
                group = groups[-1]
                group.parts.append(_negated(*read) if negated else read)
                if scanner.take(lexer.AND):
                    break
                if scanner.take(lexer.OR):
                    group.end_alternative()
                    break
                read = group.end()
                if read[1] > MAX_DEPTH:
                    raise ConditionError(f"'and', 'or' and 'not' are nested more than {MAX_DEPTH} deep", group.at)
                if len(groups) == 1:
                    return read[0]
                scanner.expect_char(")", "to close the parenthesis")
                negated = groups.pop().negated

    def test(self, at: int) -> Node:
        """``(Field|Transformer) Cond | Identifier``, beginning here."""
        operand = self.operand()
        if operand is not None:
            return self.comparison(operand, at)
        scanner = self.scanner
        name = scanner.take(lexer.IDENTIFIER)
        if name is None or name in ("and", "or", "not"):
            scanner.at = at
            found = scanner.peek()
            raise ConditionError(f"expected a field, a macro or '(', found {found}{slip(found)}", at)
        return Macro(name, at)

    def operand(self) -> Operand | None:
        """``Field | Transformer``, or None when neither stands here."""
        function = self.scanner.take(lexer.TRANSFORMER)
        if function is not None:
            return self.transformer(function)
        name = self.scanner.take(lexer.FIELD)
        return None if name is None else self.field(name)

    def field(self, name: str) -> FieldRef:
        """``name('.'name)+ ['[' quoted|bare ']']``, the name being taken."""
        for stem in FREE_TAILS:
            if name.startswith(stem):
                return FieldRef(stem[:-1], name[len(stem) :])
        return FieldRef(name, self.argument())

    def argument(self) -> str | None:
        """What stands in brackets directly behind a field, or None."""
        scanner = self.scanner
        if not scanner.text.startswith("[", scanner.at):
            return None
        at = scanner.at
        scanner.at += 1
        argument = scanner.take_quoted()
        if argument is None:
            argument = scanner.take(lexer.BARE_ARGUMENT)
        if argument is None:
            raise ConditionError("expected an argument in the brackets", at)
        scanner.expect_char("]", "behind the field's argument")
        return argument

    def transformer(self, function: str) -> Transformed:
        """``name( args ) ['[' arg ']']``, the name and parenthesis being taken."""
        scanner = self.scanner
        self.transformers += 1
        if self.transformers > MAX_TRANSFORMERS:
            raise ConditionError(f"transformers are nested more than {MAX_TRANSFORMERS} deep", scanner.at)
        args = [self.transformer_argument()]
        while scanner.take_char(","):
            args.append(self.transformer_argument())
        scanner.expect_char(")", f"to close '{function}('")
        self.transformers -= 1
        return Transformed(function, tuple(args), self.argument())

    def transformer_argument(self) -> Operand | str | tuple[str, ...]:
        """``Field | Transformer | quoted | number | '(' list ')'``"""
        scanner = self.scanner
        operand = self.operand()
        if operand is not None:
            return operand
        scanner.skip_blanks()
        if scanner.text.startswith("(", scanner.at):
            return self.values()
        text = scanner.take_quoted()
        if text is None:
            text = scanner.take(lexer.NUMBER)
        if text is None:
            raise ConditionError(
                f"expected a field, a quoted text, a number or a list, found {scanner.peek()}", scanner.at
            )
        return text

    def comparison(self, operand: Operand, at: int) -> Check:
        """What stands behind the left side of a test."""
        scanner = self.scanner
        self.places = []
        if scanner.take(lexer.EXISTS):
            return Check(operand, Op.EXISTS, at=at)
        if operator := scanner.take(lexer.NUMBER_OPERATOR):
            other = self.right_operand()
            values: tuple[str, ...] = () if other else (self.number(),)
            return Check(operand, Op(operator), values, other, at=at, places=tuple(self.places))
        if operator := scanner.take(lexer.TEXT_OPERATOR):
            op = Op.EQ if operator == "==" else Op(operator)
            if modifier := scanner.take(lexer.MODIFIER):
                values = self.values()
                return Check(operand, op, values, quantifier=Quantifier(modifier), at=at, places=tuple(self.places))
            other = self.right_operand()
            values = () if other else (self.text(),)
            return Check(operand, op, values, other, at=at, places=tuple(self.places))
        if operator := scanner.take(lexer.LIST_OPERATOR):
            other = self.right_operand()
            values = () if other else self.values()
            return Check(operand, Op(operator), values, other, at=at, places=tuple(self.places))
        found = scanner.peek()
        hint = slip(found, operator=True) or f"; operators are {' '.join(Op)}"
        raise ConditionError(f"expected an operator behind {_shown(operand)}, found {found}{hint}", scanner.at)

    def right_operand(self) -> Operand | None:
        """``'val(' Field ')' | Transformer``, or None when neither stands here."""
        scanner = self.scanner
        if scanner.take(lexer.VAL):
            operand = self.operand()
            if operand is None:
                raise ConditionError(f"expected a field in 'val(', found {scanner.peek()}", scanner.at)
            scanner.expect_char(")", "to close 'val('")
            return operand
        function = scanner.take(lexer.TRANSFORMER)
        return None if function is None else self.transformer(function)

    def number(self) -> str:
        """A number, as after ``<``."""
        scanner = self.scanner
        scanner.skip_blanks()
        at = scanner.at
        number = scanner.take(lexer.NUMBER)
        if number is None or lexer.BARE.match(scanner.text, scanner.at):
            scanner.at = at
            found = scanner.peek()
            raise ConditionError(f"expected a number, found {found}{slip(found)}", at)
        self.places.append(at)
        return number

    def text(self) -> str:
        """A quoted or bare text."""
        scanner = self.scanner
        scanner.skip_blanks()
        self.places.append(scanner.at)
        text = scanner.take_quoted()
        if text is None:
            text = scanner.take(lexer.BARE)
        if text is None:
            found = scanner.peek()
            hint = (
                "for several values write 'anyof' before them, or use 'in'"
                if found == "'('"
                else "quote it if it is one"
            )
            raise ConditionError(f"expected a value, found {found}; {hint}", scanner.at)
        return text

    def values(self) -> tuple[str, ...]:
        """``'(' [Str {',' Str}] ')' | Identifier``"""
        scanner = self.scanner
        if not scanner.take_char("("):
            self.places.append(scanner.at)
            name = scanner.take(lexer.IDENTIFIER)
            if name is None:
                found = scanner.peek()
                raise ConditionError(f"expected a list in parentheses, found {found}{slip(found)}", scanner.at)
            return (name,)
        if scanner.take_char(")"):
            return ()
        values = [self.text()]
        while scanner.take_char(","):
            values.append(self.text())
        scanner.expect_char(")", "or ',' in the list")
        return tuple(values)
