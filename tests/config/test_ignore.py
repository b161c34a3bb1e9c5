"""`ignore`: names and paths whose events the kernel drops."""

import pytest

from monitord.config.load import load
from monitord.config.schema import IGNORED_MAX, Ignore


def read(tmp_path, text):
    path = tmp_path / "monitord.yaml"
    path.write_text(text)
    return load(path)


def test_names_and_paths_are_read(tmp_path):
    config, problems = read(tmp_path, "ignore: {comm: [node, '15-bytes-long-x'], paths: [/var/cache, /srv/build/]}")

    assert [] == problems
    assert Ignore(("node", "15-bytes-long-x"), ("/var/cache", "/srv/build/")) == config.ignore


def test_a_path_stands_for_itself_and_all_below(tmp_path):
    config, _ = read(tmp_path, "ignore: {paths: [/var/cache]}")

    assert {b"/var/cache\0", b"/var/cache/"} == config.ignore.places


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("comm", "sixteen-bytes-xy"),
        ("comm", ""),
        ("paths", "var/cache"),
        ("paths", "/"),
        ("paths", "/var//cache"),
        ("paths", "/var/../etc"),
        ("paths", "/var/."),
        ("paths", "/" + "d" * 58),
    ],
)
def test_what_the_kernel_cannot_ignore_is_a_mistake(tmp_path, key, value):
    config, [problem] = read(tmp_path, f"ignore:\n  {key}: ['{value}']\n")

    assert ("C036", 2) == (problem.code, problem.line)
    assert Ignore() == config.ignore


@pytest.mark.parametrize(("key", "name"), [("comm", "n%d"), ("paths", "/n%d")])
def test_more_than_the_kernel_has_room_for_are_a_mistake(tmp_path, key, name):
    most = "\n".join(f"   - {name % number}" for number in range(IGNORED_MAX))
    config, fits = read(tmp_path, f"ignore:\n  {key}:\n{most}\n")
    _, [problem] = read(tmp_path, f"ignore:\n  {key}:\n{most}\n   - /one/more\n")

    assert (IGNORED_MAX, []) == (len(getattr(config.ignore, key)), fits)
    assert ("C036", f"ignore.{key}: 2049 are more than 2048, for which the kernel has room") == (
        problem.code,
        problem.message,
    )
