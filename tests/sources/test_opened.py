"""A rule on the file that was opened gets it whatever led there, and hardly any other."""

import pytest

from monitord.model.interest import Along
from monitord.rules.interest import InterestFinder
from monitord.rules.parser import parse_condition
from tests.support.live import TABLE, Gated, compiled, events_of, scope_of, watching

pytestmark = pytest.mark.bpf

FINDER = InterestFinder(TABLE)


def opened(script, test):
    """The paths that the opens of a script passed, of those that a rule on opened files gets."""
    gated = Gated(["/usr/bin/unshare", "-m", "/bin/sh", "-c", script])
    wanted = FINDER.interest_of(parse_condition(f"evt.type in (open, openat) and fd.realpath {test}"))
    wanted = wanted.carrying(dict.fromkeys(wanted.calls, Along.DESCRIPTOR))
    with watching(scope_of(gated), wanted) as source:
        assert 0 == gated.run()
        return [event.texts[0].data.decode() for event in events_of(source)]


@pytest.fixture
def place(tmp_path):
    for name in ("secret", "harmless", "other"):
        (tmp_path / name).write_text("x")
    return tmp_path


def of(place, *names):
    return "; ".join(f"{compiled('flood')} open 1 {place}/{name}" for name in names)


def test_a_link_leads_to_it(place):
    (place / "link").symlink_to("secret")

    assert [f"{place}/link", f"{place}/secret"] == opened(of(place, "link", "harmless", "secret"), f"={place}/secret")


def test_a_file_that_is_mounted_is_called_as_its_place(place):
    script = f"mount --bind {place}/harmless {place}/secret; {of(place, 'harmless', 'secret')}"

    assert [f"{place}/secret"] == opened(script, f"={place}/secret")


def test_a_file_that_is_mounted_elsewhere_is_not_called_as_before(place):
    script = f"mount --bind {place}/secret {place}/harmless; {of(place, 'harmless', 'secret')}"

    assert [f"{place}/secret"] == opened(script, f"={place}/secret")


def test_of_what_is_mounted_upon_a_mount_none_is_missed(place):
    mounts = "; ".join(f"mount --bind {place}/{name} {place}/secret" for name in ("harmless", "other"))
    script = f"{mounts}; {of(place, 'secret')}"

    assert [f"{place}/secret"] == opened(script, f"={place}/secret")


def test_a_file_in_a_mounted_directory(place):
    (place / "to").mkdir()
    script = f"mount --bind {place} {place}/to; {of(place, 'to/harmless', 'to/secret')}"

    assert [f"{place}/to/secret"] == opened(script, f"={place}/to/secret")


def test_a_file_that_is_deleted_meanwhile(place):
    script = f"exec 7<{place}/secret; rm {place}/secret; {compiled('flood')} open 1 /proc/self/fd/7"

    assert [f"{place}/secret", "/proc/self/fd/7"] == opened(script, f"={place}/secret")


def test_another_root_directory(place):
    flood = compiled("flood")
    script = f"cp {flood} {place}/flood; chroot {place} /flood open 1 /secret; chroot {place} /flood open 1 /harmless"

    assert ["/secret"] == [path for path in opened(script, f"={place}/secret") if "flood" not in path]


class TestBelowADirectory:
    TEST = "startswith /etc/"

    def test_a_linked_directory_leads_there(self, place):
        (place / "link").symlink_to("/etc")

        paths = opened(of(place, "link/hostname", "other"), self.TEST)

        assert [f"{place}/link/hostname"] == [path for path in paths if path.startswith(str(place))]

    def test_another_place_of_the_directory_is_not_it(self, place):
        """What is mounted is where it is mounted."""
        (place / "to").mkdir()
        script = f"mount --bind /etc {place}/to; {of(place, 'to/hostname')}"

        assert f"{place}/to/hostname" not in opened(script, self.TEST)

    def test_what_is_mounted_in_the_directory_is_in_it(self, place):
        script = f"mount --bind {place} /etc/default; {compiled('flood')} open 1 /etc/default/other"

        assert "/etc/default/other" in opened(script, self.TEST)

    def test_deeper_than_the_kernel_side_reads_none_is_missed(self, place):
        deep = place / "/".join("d" * 30)
        deep.mkdir(parents=True)
        (deep / "file").touch()

        assert f"{deep}/file" in opened(f"{compiled('flood')} open 1 {deep}/file", self.TEST)

    def test_the_root_directory_is_told_to_all(self, place):
        assert "/" in opened(f"{compiled('flood')} open 1 /", self.TEST)
