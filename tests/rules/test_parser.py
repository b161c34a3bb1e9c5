import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.rules.ast import MAX_DEPTH, And, Check, FieldRef, Macro, Not, Op, Or, Quantifier, Transformed
from monitord.rules.lexer import ConditionError
from monitord.rules.parser import MAX_PARENTHESES, parse_condition
from tests.support.conditions import parsed_trees, written

A, B, C = Macro("a"), Macro("b"), Macro("c")
NAME = FieldRef("proc.name")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", A),
        ("a and b or c", Or((And((A, B)), C))),
        ("a or b and c", Or((A, And((B, C))))),
        ("a and b and c", And((A, B, C))),
        ("(a or b) and(c)", And((Or((A, B)), C))),
        ("not a", Not(A)),
        ("not(a)", Not(A)),
        ("not not a", A),
        ("not (not a)", A),
        ("not a and b", And((Not(A), B))),
        ("android", Macro("android")),
        ("a\n  and\tb", And((A, B))),
    ],
)
def test_not_binds_tighter_than_and_than_or(text, expected):
    assert expected == parse_condition(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proc.name exists", Check(NAME, Op.EXISTS)),
        ("proc.name=cat", Check(NAME, Op.EQ, ("cat",))),
        ("proc.name == cat", Check(NAME, Op.EQ, ("cat",))),
        ("proc.name!= 'a b'", Check(NAME, Op.NE, ("a b",))),
        ("proc.name startswith /usr/[a]*:x-1", Check(NAME, Op.STARTSWITH, ("/usr/[a]*:x-1",))),
        ("proc.name in(a, 'b c',d)", Check(NAME, Op.IN, ("a", "b c", "d"))),
        ("proc.name in ()", Check(NAME, Op.IN, ())),
        ("proc.name pmatch (/etc)", Check(NAME, Op.PMATCH, ("/etc",))),
        ("proc.name intersects lists", Check(NAME, Op.INTERSECTS, ("lists",))),
        ("proc.name <= -17", Check(NAME, Op.LE, ("-17",))),
        ("proc.name>0x1F", Check(NAME, Op.GT, ("0x1F",))),
        ("proc.name = anyof", Check(NAME, Op.EQ, ("anyof",))),
        ("proc.name glob anyof (a*, b*)", Check(NAME, Op.GLOB, ("a*", "b*"), quantifier=Quantifier.ANYOF)),
        ("proc.name = val(proc.pname)", Check(NAME, Op.EQ, other=FieldRef("proc.pname"))),
        ("proc.name in val(proc.pname)", Check(NAME, Op.IN, other=FieldRef("proc.pname"))),
        ("proc.name < val(proc.pname)", Check(NAME, Op.LT, other=FieldRef("proc.pname"))),
        (
            "proc.name = tolower(proc.pname)",
            Check(NAME, Op.EQ, other=Transformed("tolower", (FieldRef("proc.pname"),))),
        ),
        ("proc.aname[2]=x", Check(FieldRef("proc.aname", "2"), Op.EQ, ("x",))),
        ("proc.env['A B']=x", Check(FieldRef("proc.env", "A B"), Op.EQ, ("x",))),
        ("evt.arg.flags contains O_CREAT", Check(FieldRef("evt.arg", "flags"), Op.CONTAINS, ("O_CREAT",))),
        ("evt.arg[1] = 7", Check(FieldRef("evt.arg", "1"), Op.EQ, ("7",))),
        (
            "concat(proc.name, '-', 5, toupper(proc.exe)) = x",
            Check(
                Transformed("concat", (NAME, "-", "5", Transformed("toupper", (FieldRef("proc.exe"),)))),
                Op.EQ,
                ("x",),
            ),
        ),
        (
            "join(',', (a, b)) = 'a,b'",
            Check(Transformed("join", (",", ("a", "b"))), Op.EQ, ("a,b",)),
        ),
        (
            "getopt(proc.args, 'l:e')[l] exists",
            Check(Transformed("getopt", (FieldRef("proc.args"), "l:e"), "l"), Op.EXISTS),
        ),
    ],
)
def test_tests_are_read_as_falco_reads_them(text, expected):
    assert expected == parse_condition(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'"a\tb\x41\\\/\""', 'a\tbA\\/"'),
        (r"'it\'s'", "it's"),
        (r'"\xc3\xa9\xff"', "é\udcff"),
        ('"a\\ b"', "a\\ b"),
        ("'a\"b'", 'a"b'),
    ],
)
def test_escapes_in_quotes(text, expected):
    assert Check(NAME, Op.EQ, (expected,)) == parse_condition(f"proc.name = {text}")


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("", "expected a field, a macro", 0),
        ("a and", "expected 'and', 'or' or the end, found 'and'", 2),
        ("a and ", "expected a field, a macro", 6),
        ("a b", "expected 'and', 'or' or the end, found 'b'", 2),
        ("(a", r"expected '\)' to close", 2),
        ("a)", "expected 'and', 'or' or the end", 1),
        ("proc.name", "expected an operator", 9),
        ("proc.name is x", "expected an operator behind 'proc.name', found 'is'; equal is =", 10),
        ("proc.name startswith'x'", "expected an operator", 10),
        ("proc.name = ", "expected a value, found the end", 12),
        ("proc.name = a b", "expected 'and', 'or' or the end", 14),
        ("proc.name < ten", "expected a number, found 'ten'", 12),
        ("proc.name < 10x", "expected a number, found '10x'", 12),
        ("proc.name in (a b)", r"expected '\)' or ','", 16),
        ("proc.name in (a,)", "expected a value", 16),
        ("proc.name in 'a'", "expected a list in parentheses", 13),
        ("proc.name = 'x", "this ' is not closed", 12),
        (r"proc.name = '\"'", "unknown escape", 13),
        (r"proc.name = '\q'", "unknown escape", 13),
        (r"proc.name = '\x00'", "NUL", 12),
        ("proc.aname[ = x", "expected '\\]' behind", 14),
        ("proc.name = val(x)", "expected a field in 'val\\('", 16),
        ("tolower(x) = y", "expected a field, a quoted text", 8),
        ("or a", "expected a field, a macro", 0),
    ],
)
def test_what_does_not_parse_says_what_was_expected_and_where(text, message, at):
    with pytest.raises(ConditionError, match=message) as caught:
        parse_condition(text)

    assert at == caught.value.at


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a && b", "write 'and'"),
        ("a || b", "write 'or'"),
        ("a AND b", "write it in lower case: and"),
        ("!a", "write 'not'"),
        ("a and ! b", "write 'not'"),
        ("proc.name <> a", "not equal is !="),
        ("proc.name not in (a)", "'not' stands before the test"),
        ("proc.name startwith a", "did you mean 'startswith'?"),
        ("proc.name starts with a", "did you mean 'startswith'?"),
        ("proc.name like a", "patterns are compared by glob"),
        ("proc.name in [a, b]", "a list is in parentheses"),
        ("proc.name contains (a, b)", "write 'anyof'"),
        ("name = cat", "a field has a dot in its name"),
        ("a and name in (cat)", "a field has a dot in its name"),
        ("proc.name = a # why", "a condition has no comments"),
        ("a and \N{LEFT DOUBLE QUOTATION MARK}b", "quotes are \" or '"),
        ("proc.name", "operators are exists"),
    ],
)
def test_slips_of_other_languages_are_told(text, hint):
    with pytest.raises(ConditionError) as caught:
        parse_condition(text)

    assert hint in str(caught.value)


@pytest.mark.parametrize("inside", ["a", "not a and b"])
def test_parentheses_may_be_open_to_the_limit_and_not_beyond(inside):
    assert parse_condition(inside) == parse_condition("(" * MAX_PARENTHESES + inside + ")" * MAX_PARENTHESES)

    with pytest.raises(ConditionError, match="parentheses are open"):
        parse_condition("(" * 100_000 + "a")


def test_parentheses_that_change_nothing_are_gone():
    assert And((A, B, Not(C), Or((A, B, C)))) == parse_condition("(a and (b)) and (not (c) and (a or ((b or c))))")


def test_what_nests_nevertheless_is_limited():
    levels = MAX_DEPTH // 2 - 1  # of two each
    parse_condition("a and (b or (" * levels + "a" + "))" * levels)

    with pytest.raises(ConditionError, match="nested more than"):
        parse_condition("not (a and " * 600 + "b" + ")" * 600)


def test_nested_transformers_are_limited_too():
    with pytest.raises(ConditionError, match="nested more than"):
        parse_condition("tolower(" * 100_000)


def test_a_check_knows_where_it_stands():
    tree = parse_condition("a and proc.name = b")

    assert 6 == tree.children[1].at


@given(parsed_trees)
def test_a_tree_written_down_parses_to_the_same_tree(tree):
    assert tree == parse_condition(written(tree))


_connectives = st.sampled_from(["and", "or", "not", "(", ")", ",", "'", '"', "\\", "[1]"])
_operators = st.sampled_from(["=", "!=", "<", "in", "pmatch", "exists", "val(", "tolower(", "anyof"])
_words = _connectives | _operators | st.sampled_from(["proc.name", "a", "10"])


@given(st.lists(_words | st.text(max_size=3), max_size=30).map(" ".join) | st.text())
def test_any_text_is_a_tree_or_a_mistake_within_it(text):
    at = 0
    try:
        parse_condition(text)
    except ConditionError as err:
        at = err.at

    assert 0 <= at <= len(text)


@pytest.mark.parametrize(
    "text", ["evt.arg.flags", "evt.arg[1]", "evt.rawarg.uid", "container.label[app/x]", "proc.aname[2]", "proc.name"]
)
def test_a_field_is_shown_as_it_is_written(text):
    assert text == str(parse_condition(f"{text}=1").operand)
