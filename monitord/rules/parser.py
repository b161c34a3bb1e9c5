"""Falco's condition grammar, by recursive descent: one method per rule of the grammar."""

from monitord.rules import lexer
from monitord.rules.ast import And, Check, FieldRef, Macro, Node, Not, Op, Operand, Or, Quantifier, Transformed
from monitord.rules.lexer import ConditionError, Scanner

MAX_DEPTH = 100
"""
Nesting of parentheses. Falco stops at 1000, Python's own stack before that; what people write has five.
"""

_FREE_TAILS = ("evt.arg.", "evt.rawarg.")


def parse_condition(text: str) -> Node:
    """
    The tree of a condition. Lists are already put in; macros stay as `Macro` nodes.

    :raises ConditionError: the text is not a condition; time is linear in the text either way.
    """
    parser = Parser(text)
    node = parser.expression()
    parser.scanner.skip_blanks()
    if parser.scanner.at < len(text):
        raise ConditionError(f"expected 'and', 'or' or the end, found {parser.scanner.peek()}", parser.scanner.at)
    return node


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


class Parser:
    """One text being parsed."""

    def __init__(self, text: str) -> None:
        self.scanner = Scanner(text)
        self.depth = 0

    def expression(self) -> Node:
        """``And ('or' And)*``"""
        children = [self.conjunction()]
        while self.scanner.take(lexer.OR):
            children.append(self.conjunction())
        return children[0] if len(children) == 1 else Or(tuple(children))

    def conjunction(self) -> Node:
        """``Not ('and' Not)*``"""
        children = [self.negation()]
        while self.scanner.take(lexer.AND):
            children.append(self.negation())
        return children[0] if len(children) == 1 else And(tuple(children))

    def negation(self) -> Node:
        """``('not ')* Check``; two negations cancel each other."""
        negated = False
        while self.scanner.take(lexer.NOT):
            negated = not negated
        node = self.check()
        if not negated:
            return node
        return node.child if isinstance(node, Not) else Not(node)

    def check(self) -> Node:
        """``'(' Expr ')' | (Field|Transformer) Cond | Identifier``"""
        scanner = self.scanner
        scanner.skip_blanks()
        at = scanner.at
        if scanner.take_char("("):
            self.deeper(at)
            node = self.expression()
            scanner.expect_char(")", "to close the parenthesis")
            self.depth -= 1
            return node
        operand = self.operand()
        if operand is not None:
            return self.comparison(operand, at)
        name = scanner.take(lexer.IDENTIFIER)
        if name is None or name in ("and", "or", "not"):
            scanner.at = at
            raise ConditionError(f"expected a field, a macro or '(', found {scanner.peek()}", at)
        return Macro(name, at)

    def deeper(self, at: int) -> None:
        """Count one more level of nesting."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ConditionError(f"parentheses are nested more than {MAX_DEPTH} deep; move a part to a macro", at)

    def operand(self) -> Operand | None:
        """``Field | Transformer``, or None when neither stands here."""
        function = self.scanner.take(lexer.TRANSFORMER)
        if function is not None:
            return self.transformer(function)
        name = self.scanner.take(lexer.FIELD)
        return None if name is None else self.field(name)

    def field(self, name: str) -> FieldRef:
        """``name('.'name)+ ['[' quoted|bare ']']``, the name being taken."""
        for stem in _FREE_TAILS:
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
        self.deeper(scanner.at)
        args = [self.transformer_argument()]
        while scanner.take_char(","):
            args.append(self.transformer_argument())
        scanner.expect_char(")", f"to close '{function}('")
        self.depth -= 1
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
        if scanner.take(lexer.EXISTS):
            return Check(operand, Op.EXISTS, at=at)
        if operator := scanner.take(lexer.NUMBER_OPERATOR):
            other = self.right_operand()
            values = () if other else (self.number(),)
            return Check(operand, Op(operator), values, other, at=at)
        if operator := scanner.take(lexer.TEXT_OPERATOR):
            op = Op.EQ if operator == "==" else Op(operator)
            if modifier := scanner.take(lexer.MODIFIER):
                return Check(operand, op, self.values(), quantifier=Quantifier(modifier), at=at)
            other = self.right_operand()
            return Check(operand, op, () if other else (self.text(),), other, at=at)
        if operator := scanner.take(lexer.LIST_OPERATOR):
            other = self.right_operand()
            return Check(operand, Op(operator), () if other else self.values(), other, at=at)
        raise ConditionError(
            f"expected an operator ({' '.join(Op)}) behind '{operand}', found {scanner.peek()}", scanner.at
        )

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
        at = scanner.at
        number = scanner.take(lexer.NUMBER)
        if number is None or lexer.BARE.match(scanner.text, scanner.at):
            scanner.at = at
            raise ConditionError(f"expected a number, found {scanner.peek()}", at)
        return number

    def text(self) -> str:
        """A quoted or bare text."""
        scanner = self.scanner
        text = scanner.take_quoted()
        if text is None:
            text = scanner.take(lexer.BARE)
        if text is None:
            raise ConditionError(f"expected a value, found {scanner.peek()}; quote it if it is one", scanner.at)
        return text

    def values(self) -> tuple[str, ...]:
        """``'(' [Str {',' Str}] ')' | Identifier``"""
        scanner = self.scanner
        if not scanner.take_char("("):
            name = scanner.take(lexer.IDENTIFIER)
            if name is None:
                raise ConditionError(f"expected a list in parentheses, found {scanner.peek()}", scanner.at)
            return (name,)
        if scanner.take_char(")"):
            return ()
        values = [self.text()]
        while scanner.take_char(","):
            values.append(self.text())
        scanner.expect_char(")", "or ',' in the list")
        return tuple(values)
