import pytest

from monitord.rules.reader import MAX_DEPTH, read, rule_files


@pytest.fixture
def read_text(tmp_path):
    def read_it(text):
        path = tmp_path / "rules.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read(path)

    return read_it


def value(documents):
    return documents[0].items[0].entries[0][1]


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("- k: one two", "two", (1, 10)),
        ("- k: 'it''s two'", "two", (1, 13)),
        ('- k: "\\tone\\n two"', "two", (1, 15)),
        ("- k: >\n    one\n\n    two", "two", (4, 5)),
        ("- k: |-\n    one\n      two", "two", (3, 7)),
        ("- k: one\n    two", "two", (2, 5)),
        ("# é\n- k: é two", "two", (2, 8)),
        ("- k: one two", "", (1, 6)),
    ],
)
def test_a_word_in_a_value_knows_its_line_and_column(read_text, text, word, expected):
    documents, _ = read_text(text)
    scalar = value(documents)

    place = scalar.place(scalar.text.index(word))

    assert expected == (place.line, place.column)


def test_every_document_of_a_file_is_read(read_text):
    documents, problems = read_text("- a: 1\n---\n- b: 2\n---\n# nothing\n")

    assert (2, []) == (len(documents), problems)


def test_documents_before_a_mistake_are_kept(read_text):
    documents, problems = read_text("- a: 1\n---\n- b: [\n")

    assert 1 == len(documents)
    assert ["R002"] == [problem.code for problem in problems]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- a: [1\n- b: 2\n", 2),
        ("- a: 1\n\t- b: 2\n", 2),
        ("- a: 'x\n", 2),
        ("a: b: c\n", 1),
        ("- *nowhere\n", 1),
        ("- a\n- \x07\n", 2),
        (b"- a\n- \xff\n", 2),
        ("- ? [x]\n  : y\n", 1),
    ],
)
def test_what_is_not_yaml_is_one_problem_with_its_line(read_text, text, line):
    _, problems = read_text(text)

    assert [("R002", line)] == [(problem.code, problem.line) for problem in problems]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "- " * 5_000 + "x", "- &a [*a]", "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2)]
)
def test_endless_nesting_is_a_problem_and_not_a_crash(read_text, text):
    _, problems = read_text(text)

    assert ["R002"] == [problem.code for problem in problems]


def test_anchors_that_multiply_are_read_once_each(read_text):
    lines = ["- &a0 [x]"] + [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 15)]

    documents, problems = read_text("\n".join(lines))

    assert (1, []) == (len(documents), problems)


def test_a_file_that_is_not_there_is_a_problem(tmp_path):
    _, problems = read(tmp_path / "none.yaml")

    assert ["R001"] == [problem.code for problem in problems]


def test_a_directory_stands_for_its_yaml_files_in_order(tmp_path):
    for name in ("b.yml", "c.yaml", "a.yaml", "d.txt"):
        (tmp_path / name).touch()

    assert ([tmp_path / "a.yaml", tmp_path / "b.yml", tmp_path / "c.yaml"], []) == rule_files((tmp_path,))
