import pytest

from monitord.model.value import Missing
from monitord.rules.lexer import ConditionError
from monitord.rules.output import parse_output, render
from tests.support.rules import FakeContext, make_event, make_process

CONTEXT = FakeContext([make_process("cat\n", argv=("cat", "a\tb")), make_process("bash"), make_process("sshd")])
EVENT = make_event("openat", comm="cat\n", ret=-13)


def text(template):
    return render(parse_output(template), EVENT, CONTEXT)[0]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("nothing to fill in", "nothing to fill in"),
        ("a=%proc.name.", "a=cat\n."),
        ("%proc.aname[2]|%proc.args[0]", "sshd|a\tb"),
        ("*%proc.exepath", "<NA>"),
        (" %evt.failed %evt.rawres\n", "true -13"),
        ("<%6proc.pname><%2proc.pname>", "<bash  ><ba>"),
        ("%toupper(proc.pname) %len(proc.pname)", "BASH 4"),
        ("%proc.aname", "(bash,sshd)"),
        ("x%container.info y", "x y"),
        ("%evt.arg.dirfd", "0"),
    ],
)
def test_fields_are_filled_in(template, expected):
    assert expected.lstrip() == text(template)


def test_values_are_known_by_the_name_in_the_template():
    _, values = render(parse_output("%6proc.pname %proc.aname[2] %proc.exepath"), EVENT, CONTEXT)

    assert {"proc.pname": "bash", "proc.aname[2]": "sshd", "proc.exepath": Missing.LATE} == dict(values)


@pytest.mark.parametrize(("template", "at"), [("100%", 3), ("50 % x", 3), ("a %b", 3)])
def test_a_percent_sign_without_a_field_is_a_mistake(template, at):
    with pytest.raises(ConditionError) as caught:
        parse_output(template)

    assert at == caught.value.at
