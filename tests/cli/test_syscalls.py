"""`monitord syscalls`, as a user runs it."""

import json
import subprocess
import sys

import pytest

from monitord.abi.arch import machine_abis


def monitord(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "monitord.cli.main", *words], capture_output=True, text=True, timeout=60
    )


def found(*words: str) -> list[dict]:
    return json.loads(monitord("syscalls", *words, "--json").stdout)


class TestSearch:
    def test_by_number_is_exact(self):
        assert [(59, "execve")] == [(call["nr"], call["name"]) for call in found("59", "--abi", "x86_64")]

    def test_by_name_takes_a_part(self):
        assert ["openat", "openat2"] == [call["name"] for call in found("openat", "--abi", "arm64")]

    def test_by_name_takes_any_case(self):
        assert found("openat") == found("OpenAt")

    def test_by_group(self):
        assert {"network"} == {call["group"] for call in found("network", "--abi", "x86_64")}

    def test_by_argument(self):
        assert ["clone"] == [call["name"] for call in found("parent_tidptr", "--abi", "i386")]

    def test_without_a_pattern_lists_everything(self):
        assert {abi.label for abi in machine_abis()} == {call["abi"] for call in found()}
        assert len(found("--abi", "x86_64")) > 380

    def test_of_several_abis(self):
        assert ["i386", "arm"] == [call["abi"] for call in found("setuid32", "--abi", "i386", "--abi", "arm")]

    def test_without_a_match_says_so_and_fails(self):
        done = monitord("syscalls", "no_such_call", "--abi", "x86_64")

        assert (1, "") == (done.returncode, done.stdout)
        assert "no call of x86_64 has 'no_such_call'" in done.stderr


class TestOutput:
    def test_json_has_number_abi_name_entry_arguments_and_group(self):
        assert [
            {
                "abi": "x86_64",
                "nr": 231,
                "name": "exit_group",
                "entry": "sys_exit_group",
                "args": [{"name": "error_code", "type": "int"}],
                "group": "processes",
            }
        ] == found("231", "--abi", "x86_64")

    def test_json_of_a_reserved_number_has_no_entry(self):
        assert [(None, [])] == [(call["entry"], call["args"]) for call in found("tuxcall", "--abi", "x86_64")]

    def test_table_is_aligned_and_names_the_arguments(self):
        assert ("ABI    NR NAME  GROUP ARGUMENTS\nx86_64  3 close files fd\n") == monitord(
            "syscalls", "3", "--abi", "x86_64"
        ).stdout

    def test_a_reader_that_stops_early_is_no_error(self):
        command = f"{sys.executable} -m monitord.cli.main syscalls"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{command} | head -1"], capture_output=True, text=True, timeout=60
        )

        assert (0, "") == (done.returncode, done.stderr)
        assert done.stdout.startswith("ABI")


class TestMain:
    def test_version(self):
        assert "monitord 0.1.0\n" == monitord("--version").stdout

    def test_help_lists_every_command(self):
        text = monitord("--help").stdout

        assert [] == [name for name in ("run", "check", "doctor", "syscalls") if f"\n    {name} " not in text]

    @pytest.mark.parametrize("words", [(), ("nonsense",), ("syscalls", "--abi", "mips"), ("syscalls", "a", "b")])
    def test_a_wrong_command_line_is_the_users_to_put_right(self, words):
        done = monitord(*words)

        assert 2 == done.returncode
        assert "usage: monitord" in done.stderr
