"""The shipped correlations against what they are about, done by real programs, and against what everybody does."""

import email
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.watched import Watched, python
from tests.support.daemon import SHIPPED, running, shell
from tests.support.live import compiled

pytestmark = pytest.mark.bpf

AS_NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"

CORRELATIONS = {
    *("Port scan", "Secrets tried one by one", "Downloaded and executed", "Fork bomb"),
    *("Files renamed or overwritten in a storm", "Process limit hit again and again"),
}


@pytest.fixture
def watched(tmp_path):
    """A daemon of its own for each test: all that is done here is one process tree."""
    with shell() as opened, running(tmp_path, opened.scope) as daemon:
        yield Watched(opened, daemon)


def correlated(watched, command):
    """The alerts of correlations that a command causes."""
    return [alert for alert in watched.alerts_of(command) if alert["rule"] in CORRELATIONS]


def only(rule, alerts):
    assert [rule] == [alert["rule"] for alert in alerts]
    return alerts[0]


class TestPortScan:
    SCAN = (
        "import socket\n"
        "for port in range({first}, {first} + {count}):\n"
        "    with socket.socket() as one:\n"
        "        one.connect_ex(('{address}', port))\n"
    )

    def test_says_how_many_ports_of_which_address(self, watched):
        command = python(self.SCAN.format(first=7000, count=31, address="127.0.0.2"))
        alert = only("Port scan", correlated(watched, command))

        assert (30, "127.0.0.2", 30) == (
            alert["output_fields"]["corr.count"],
            alert["output_fields"]["fd.rip"],
            alert["tally"]["count"],
        )
        assert [str(port) for port in range(7020, 7030)] == alert["tally"]["values"]

    def test_by_a_process_for_each_port(self, watched):
        probe = "bash -c ': < /dev/tcp/127.0.0.2/'$port 2>/dev/null"
        command = f"port=7100; while [ $port -lt 7140 ]; do {probe}; port=$((port + 1)); done; :"

        assert only("Port scan", correlated(watched, command))

    def test_many_connections_to_one_port_are_none(self, watched):
        with socket.create_server(("127.0.0.2", 0), backlog=256) as server:
            port = server.getsockname()[1]
            command = python(
                f"import socket\nall = [socket.create_connection(('127.0.0.2', {port})) for _ in range(200)]"
            )

            assert [] == correlated(watched, command)

    def test_tests_with_servers_of_their_own_are_none(self, watched):
        assert [] == correlated(watched, python(self.SCAN.format(first=7000, count=100, address="127.0.0.1")))


class TestSecretsTriedOneByOne:
    def test_names_the_files(self, watched):
        tried = " ".join(f"/root/.ssh/id_{number}" for number in range(12))
        alert = only("Secrets tried one by one", correlated(watched, f"! {AS_NOBODY} cat {tried} 2>&1"))

        assert 10 == alert["output_fields"]["corr.count"]
        assert "/root/.ssh/id_9" in alert["tally"]["values"]

    def test_looking_through_everything_is_not_that(self, watched):
        """`find` is refused directories, not secrets."""
        assert [] == correlated(watched, f"{AS_NOBODY} find /etc /usr/share /var -maxdepth 4 >/dev/null 2>&1; :")


class TestDownloadedAndExecuted:
    @pytest.fixture
    def served(self, place):
        """The URL of a script."""
        (place / "served").mkdir()
        (place / "served/payload").write_text("#!/bin/sh\nexit 0\n")
        return f"file://{place}/served/payload"

    def test_names_the_file(self, watched, place, served):
        file = place / "payload"
        alert = only(
            "Downloaded and executed",
            correlated(watched, f"curl -s -o {file} {served} && chmod +x {file} && {file}"),
        )

        assert str(file) == alert["output_fields"]["fd.name"]
        assert ["File written by a downloader", "File executed"] == alert["tally"]["values"]

    def test_by_relative_paths(self, watched, place, served):
        command = f"cd {place} && curl -s -o payload {served} && chmod +x payload && ./payload"

        assert only("Downloaded and executed", correlated(watched, command))

    def test_what_is_only_read_is_fine(self, watched, place, served):
        assert [] == correlated(watched, f"curl -s -o {place}/payload {served} && cat {place}/payload && true")

    def test_what_was_executed_before_is_fine(self, watched, place, served):
        shutil.copy(place / "served/payload", place / "payload")
        (place / "payload").chmod(0o755)

        assert [] == correlated(watched, f"{place}/payload && curl -s -o {place}/payload {served}")


class TestStormOfFiles:
    @pytest.fixture
    def papers(self, place):
        """150 documents."""
        directory = place / "papers"
        directory.mkdir()
        for number in range(150):
            (directory / f"{number}.odt").write_text("text")
        return directory

    def test_names_that_grow(self, watched, papers):
        alert = only(
            "Files renamed or overwritten in a storm",
            correlated(watched, f"cd {papers} && for file in *; do mv $file $file.locked; done"),
        )

        assert (100, "mv") == (alert["output_fields"]["corr.count"], alert["output_fields"]["proc.name"])

    def test_documents_overwritten_in_place(self, watched, papers):
        code = (
            "import os, pathlib\n"
            f"for path in pathlib.Path('{papers}').iterdir():\n"
            "    with open(path, 'r+b') as file:\n"
            "        file.write(os.urandom(4))\n"
        )

        assert only("Files renamed or overwritten in a storm", correlated(watched, python(code)))

    def test_processes_that_have_left_their_parents_are_of_the_same_tree(self, watched, papers):
        """Each rename by a process of its own session, whose parent has ended."""
        rename = "setsid sh -c 'mv $0 $0.locked' $file &"
        command = f"cd {papers} && for file in *; do ( {rename} ); done; while ls | grep -q 'odt$'; do sleep 0.1; done"

        assert only("Files renamed or overwritten in a storm", correlated(watched, command))

    def test_packages_rename_the_other_way_round(self, watched, papers):
        assert [] == correlated(watched, f"cd {papers} && for file in *; do mv $file ${{file%.odt}}; done")

    def test_removing_a_directory_is_fine(self, watched, papers):
        assert [] == correlated(watched, f"rm -rf {papers}")


class TestForkBomb:
    def test_is_told_by_the_processes_that_fork(self, watched):
        alert = only("Fork bomb", correlated(watched, f"{compiled('forks')} 12"))

        assert 2000 == alert["output_fields"]["corr.count"]

    def test_one_program_with_many_children_is_none(self, watched):
        code = "import os\nfor _ in range(2500):\n    os.fork() or os._exit(0)\n    os.wait()\n"

        assert [] == correlated(watched, python(code))

    def test_threads_are_no_processes(self, watched):
        code = (
            "import threading\nfor _ in range(2500):\n"
            "    thread = threading.Thread(target=int); thread.start(); thread.join()\n"
        )

        assert [] == correlated(watched, python(code))

    @pytest.mark.skipif(os.geteuid() != 0, reason="a limit for another user")
    def test_a_limit_of_processes_that_holds_it_is_told(self, watched):
        fail = "import os\nfor _ in range(60):\n    try: os.fork() or os._exit(0)\n    except BlockingIOError: pass\n"
        command = f"{AS_NOBODY} prlimit --nproc=1 {python(fail)}"

        assert only("Process limit hit again and again", correlated(watched, command))


def test_every_shipped_correlation_is_tried_here():
    text = (SHIPPED.parent / "rules/correlations.yaml").read_text()
    rules = [item.partition("\n")[0] for item in text.split("- rule: ")[1:] if "\n  correlation:" in item]

    assert CORRELATIONS == set(rules)


class TestWhatEverybodyDoes:
    """A machine that is worked on."""

    def test_compiling_two_hundred_files(self, watched, place):
        for number in range(200):
            (place / f"f{number}.c").write_text(f"int f{number}(void) {{ return {number}; }}\n")
        (place / "Makefile").write_text(
            "all: $(patsubst %.c,%.o,$(wildcard *.c))\n\tar rcs lib.a $^\n%.o: %.c\n\tgcc -O0 -c -o $@ $<\n"
        )

        assert [] == correlated(watched, f"make -s -j8 -C {place} && make -s -j8 -C {place} && rm -f {place}/*.o")

    def test_a_repository_that_is_made_cloned_and_switched(self, watched, place):
        git = "git -c user.name=a -c user.email=a@b.c"
        command = (
            f"cd {place} && git init -q one && cd one && for n in $(seq 300); do echo $n > $n.txt; done && "
            f"git add . && {git} commit -qm one && git checkout -qb other && rm -f *.txt && {git} commit -qam two && "
            f"git checkout -q - && git clone -q {place}/one {place}/two && cd ../two && git gc -q"
        )

        assert [] == correlated(watched, command)

    def test_an_archive_that_is_made_and_unpacked(self, watched, place):
        command = (
            f"cd {place} && mkdir in out && for n in $(seq 400); do echo $n > in/$n.pdf; done && "
            "tar cf all.tar in && tar xf all.tar -C out && tar xf all.tar -C out && cp -r in copy && rm -rf out in"
        )

        assert [] == correlated(watched, command)

    def test_a_look_at_all_files(self, watched):
        assert [] == correlated(watched, "find /usr /etc -xdev >/dev/null 2>&1; :")

    def test_python_packages_that_are_compiled(self, watched, place):
        shutil.copytree(Path(email.__path__[0]), place / "package")

        assert [] == correlated(watched, f"{sys.executable} -m compileall -q -f {place}/package")

    def test_a_package_that_is_taken_out_of_its_archive(self, watched, place):
        """dpkg writes each file under a temporary name and renames it to its own."""
        (place / "deb/DEBIAN").mkdir(parents=True)
        (place / "deb/opt/zz").mkdir(parents=True)
        for number in range(150):
            (place / f"deb/opt/zz/{number}.txt").write_text("x")
        (place / "deb/DEBIAN/control").write_text(
            "Package: zz-monitord-test\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: test\n"
        )
        subprocess.run(["dpkg-deb", "-b", place / "deb", place / "zz.deb"], check=True, stdout=subprocess.DEVNULL)
        root = place / "root"
        (root / "var/lib/dpkg/updates").mkdir(parents=True)
        (root / "var/lib/dpkg/info").mkdir()
        (root / "var/lib/dpkg/status").touch()
        install = f"dpkg --root={root} --force-not-root --force-script-chrootless -i {place}/zz.deb >/dev/null 2>&1"

        assert [] == correlated(watched, f"{install} && {install}")
        assert (root / "opt/zz/149.txt").exists()
