import json

import pytest

from monitord.cli.main import main
from monitord.rules.fields import CATALOGUE


def shown(capsys, *words):
    code = main(["fields", *words])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


def test_all_fields_are_listed(capsys):
    code, lines, _ = shown(capsys)

    assert 0 == code
    assert list(CATALOGUE) == [line.split()[0].partition("[")[0].rstrip("(") for line in lines[1:]]


def test_a_pattern_is_a_whole_name(capsys):
    _, lines, _ = shown(capsys, "PROC.AN?ME")

    assert ["proc.aname([n])"] == [line.split()[0] for line in lines[1:]]


def test_a_word_is_part_of_a_name_or_meaning(capsys):
    _, lines, _ = shown(capsys, "ancestor")

    assert {"proc.aname([n])", "proc.apid([n])"} < {line.split()[0] for line in lines[1:]}


@pytest.mark.parametrize(("name", "here"), [("evt.type", "yes"), ("container.liveness_probe", "no")])
def test_what_has_no_source_is_marked(capsys, name, here):
    _, lines, _ = shown(capsys, name)

    assert here == lines[1].split()[2]


def test_what_matches_nothing_is_an_error(capsys):
    code, lines, err = shown(capsys, "proc.*.x")

    assert (1, []) == (code, lines)
    assert "no field has 'proc.*.x'" in err


def test_json_says_all_of_a_field(capsys):
    _, lines, _ = shown(capsys, "--json", "fd.snet")

    [field] = json.loads("".join(lines))
    assert {"name", "type", "argument", "meaning", "source", "missing", "supplied"} == set(field)
    assert ("fd.snet", "net", True) == (field["name"], field["type"], field["supplied"])
