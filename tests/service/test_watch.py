import os
import time

import pytest

from monitord.service.watch import LOOK_S, FileWatch


class Stand:
    """A watch of some paths, whose clock is moved by hand."""

    def __init__(self, *paths, since_ns=None):
        self.paths = list(paths)
        self.now_s = 0.0
        self.watch = FileWatch(lambda: self.paths, since_ns or time.time_ns() + 10**9, lambda: self.now_s)

    def look(self):
        """The next look: the names of the files that are to be loaded again."""
        self.now_s += LOOK_S
        return [path.name for path in self.watch.changed()]

    def looks(self):
        """Two looks."""
        return self.look(), self.look()

    def load(self):
        self.watch.begin()
        self.watch.end()


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules"
    path.mkdir()
    (path / "a.yaml").write_text("a")
    time.sleep(0.02)  # two writes within a tick of the kernel's clock look like one
    return path


def test_nothing_is_seen_while_nothing_changes(rules):
    assert ([], []) == Stand(rules).looks()


def test_a_change_is_taken_when_it_stays(rules):
    stand = Stand(rules)
    (rules / "a.yaml").write_text("other")

    assert ([], ["a.yaml"]) == stand.looks()


def test_a_change_back_to_the_same_text_is_one(rules):
    stand = Stand(rules / "a.yaml")
    (rules / "a.yaml").write_text("a")

    assert ([], ["a.yaml"]) == stand.looks()


@pytest.mark.parametrize(("name", "seen"), [("b.yaml", ["b.yaml"]), ("b.yml", ["b.yml"]), ("b.txt", [])])
def test_a_file_of_rules_that_is_new_in_a_directory(rules, name, seen):
    stand = Stand(rules)
    (rules / name).write_text("b")

    assert ([], seen) == stand.looks()


def test_what_is_still_being_written_is_waited_for(rules):
    stand = Stand(rules)
    for size in range(2, 5):
        (rules / "a.yaml").write_text("x" * size)
        assert [] == stand.look()

    assert ["a.yaml"] == stand.look()


def test_looks_are_a_second_apart(rules):
    stand = Stand(rules)
    (rules / "a.yaml").write_text("other")
    stand.look()
    stand.now_s += LOOK_S / 2

    assert [] == stand.watch.changed()


def test_after_a_load_it_is_no_change_any_more(rules):
    stand = Stand(rules)
    (rules / "a.yaml").write_text("other")
    stand.looks()
    stand.load()

    assert ([], []) == stand.looks()


def test_a_change_during_a_load_is_one(rules):
    stand = Stand(rules)
    stand.watch.begin()
    (rules / "a.yaml").write_text("other")
    stand.watch.end()

    assert ([], ["a.yaml"]) == stand.looks()


def test_what_is_newer_than_the_first_load_is_a_change(rules):
    assert ([], ["a.yaml"]) == Stand(rules, since_ns=os.stat(rules / "a.yaml").st_mtime_ns).looks()


def test_a_file_that_an_editor_puts_in_the_place_of_another(rules):
    stand = Stand(rules / "a.yaml")
    status = os.stat(rules / "a.yaml")
    (rules / "a.yaml.tmp").write_text("b")
    os.utime(rules / "a.yaml.tmp", ns=(status.st_atime_ns, status.st_mtime_ns))
    (rules / "a.yaml.tmp").rename(rules / "a.yaml")

    assert ([], ["a.yaml"]) == stand.looks()


def test_a_link_that_is_pointed_elsewhere(tmp_path, rules):
    """As Kubernetes does it: the files are links through a link to a directory, which alone is replaced."""
    for version in "12":
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(version)
    (tmp_path / "..data").symlink_to("1")
    (rules / "a.yaml").unlink()
    (rules / "a.yaml").symlink_to("../..data/a.yaml")
    stand = Stand(rules)
    (tmp_path / "..data_tmp").symlink_to("2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    assert ([], ["a.yaml"]) == stand.looks()


def test_files_come_and_go_in_a_directory(rules):
    stand = Stand(rules)
    (rules / "b.yaml").write_text("b")
    (rules / "a.yaml").unlink()

    assert ([], ["a.yaml", "b.yaml"]) == stand.looks()


def test_files_that_are_no_rules_are_none_of_its_business(rules):
    stand = Stand(rules)
    (rules / "a.yaml.swp").write_text("x")

    assert ([], []) == stand.looks()


def test_a_file_that_is_gone_and_comes_back(rules):
    stand = Stand(rules / "a.yaml")
    (rules / "a.yaml").unlink()
    assert ([], ["a.yaml"]) == stand.looks()
    stand.load()
    (rules / "a.yaml").write_text("a")

    assert ([], ["a.yaml"]) == stand.looks()


def test_paths_that_a_load_brings_are_loaded(tmp_path, rules):
    (tmp_path / "other.yaml").write_text("x")
    old_s = time.time() - 100
    os.utime(tmp_path / "other.yaml", (old_s, old_s))
    stand = Stand(rules)
    time.sleep(0.05)
    stand.watch.begin()
    stand.paths.append(tmp_path / "other.yaml")
    stand.watch.end()

    assert ([], []) == stand.looks()


def test_nothing_is_looked_at_unless_asked(rules):
    stand = Stand()
    (rules / "a.yaml").write_text("other")

    assert ([], []) == stand.looks()
