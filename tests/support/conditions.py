"""Conditions for property tests: trees, and their text."""

from hypothesis import strategies as st

from monitord.rules.ast import And, Check, FieldRef, Macro, Not, Op, Or, Quantifier, Transformed

_OTHER_OPS = (Op.LT, Op.LE, Op.GT, Op.GE, Op.IN, Op.INTERSECTS, Op.PMATCH, Op.EXISTS)
_TEXT_OPS = [op for op in Op if op not in _OTHER_OPS]


def written(node):
    """A tree as the text that parses to it."""
    if isinstance(node, Macro):
        return node.name
    if isinstance(node, Not):
        return f"not ({written(node.child)})"
    if isinstance(node, And):
        return " and ".join(f"({written(child)})" for child in node.children)
    if isinstance(node, Or):
        return " or ".join(f"({written(child)})" for child in node.children)
    left = _operand(node.operand)
    if node.op is Op.EXISTS:
        return f"{left} exists"
    if node.other is not None:
        return f"{left} {node.op} val({_operand(node.other)})"
    if node.quantifier or node.op in (Op.IN, Op.INTERSECTS, Op.PMATCH):
        return f"{left} {node.op} {node.quantifier or ''} ({', '.join(map(quoted, node.values))})"
    return f"{left} {node.op} {node.values[0] if node.op in ('<', '<=', '>', '>=') else quoted(node.values[0])}"


def quoted(text):
    """A text as a quoted literal."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(letter, letter) for letter in text) + '"'


def _operand(operand):
    if isinstance(operand, Transformed):
        return f"{operand.function}({', '.join(map(_operand, operand.args))})"
    return str(operand)


_names = st.from_regex(r"[a-z][a-z0-9_]{0,4}", fullmatch=True)
_fields = st.builds(FieldRef, st.builds("{}.{}".format, _names, _names), st.none() | _names)
_operands = _fields | st.builds(
    Transformed, st.sampled_from(["tolower", "len", "concat"]), st.lists(_fields, min_size=1, max_size=2).map(tuple)
)
_texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=6)
_macros = _names.filter(lambda name: name not in ("and", "or", "not", "val")).map(Macro)
_checks = st.one_of(
    st.builds(Check, _operands, st.just(Op.EXISTS)),
    st.builds(Check, _operands, st.sampled_from(_TEXT_OPS), st.tuples(_texts)),
    st.builds(Check, _operands, st.sampled_from([Op.LT, Op.LE, Op.GT, Op.GE]), st.tuples(st.integers().map(str))),
    st.builds(
        Check, _operands, st.sampled_from([Op.IN, Op.INTERSECTS, Op.PMATCH]), st.lists(_texts, max_size=3).map(tuple)
    ),
    st.builds(
        Check,
        _operands,
        st.sampled_from(_TEXT_OPS),
        st.lists(_texts, max_size=3).map(tuple),
        quantifier=st.sampled_from(Quantifier),
    ),
    st.builds(Check, _operands, st.sampled_from(Op).filter(lambda op: op is not Op.EXISTS), other=_operands),
)


def _grown(children):
    several = st.lists(children, min_size=2, max_size=3).map(tuple)
    negatable = children.filter(lambda child: not isinstance(child, Not))
    return several.map(_joined(And)) | several.map(_joined(Or)) | st.builds(Not, negatable)


def _joined(kind):
    """A node of these children, where those of its own kind are replaced by theirs."""
    return lambda parts: kind(
        tuple(child for part in parts for child in (part.children if isinstance(part, kind) else (part,)))
    )


parsed_trees = st.recursive(_checks | _macros, _grown, max_leaves=8)
"""Trees that the parser can make."""
