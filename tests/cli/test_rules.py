import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from monitord.cli.main import main

RULES = """
- rule: Shell started
  desc: d
  condition: evt.type in (execve, execveat)
  output: o
  priority: NOTICE
  tags: [shell]
- rule: Net
  desc: d
  condition: evt.type=connect
  output: o
  priority: ERROR
  tags: [network]
- rule: Any call
  desc: d
  condition: proc.name=cat
  output: o
  priority: DEBUG
  warn_evttypes: false
"""

METRICS = """\
monitord_rule_evaluation_seconds_total{rule="Net"} 0.5
monitord_rule_evaluation_seconds_total{rule="Shell started"} 1.5
monitord_rule_matches_total{rule="Net",priority="Error"} 0.0
monitord_rule_matches_total{rule="Shell started",priority="Notice"} 3.0
"""


@pytest.fixture
def rules(tmp_path, capsys):
    """Runs the command with a configuration of three rules; its code, the lines that it wrote, and its errors."""
    (tmp_path / "rules.yaml").write_text(RULES)

    def run(*words, config="{}"):
        path = tmp_path / "monitord.yaml"
        path.write_text(config.replace("{}", "rules: {paths: [rules.yaml], priority: informational}"))
        code = main(["rules", "-c", str(path), *words])
        captured = capsys.readouterr()
        return code, captured.out.splitlines(), captured.err

    return run


@pytest.fixture
def serve():
    """Answers GET with a text; returns where, as ADDRESS:PORT."""
    servers = []

    def start(text, status=200):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def cells(line):
    return re.split("  +", line)


class TestList:
    def test_each_rule_has_a_line(self, rules, tmp_path):
        code, lines, errors = rules()

        assert (0, "") == (code, errors)
        file = f"{tmp_path}/rules.yaml"
        assert ["RULE", "PRIORITY", "STATE", "CALLS", "PLACE", "TAGS"] == lines[0].split()
        assert ["Shell started", "Notice", "on", "execve execveat", f"{file}:2", "shell"] == cells(lines[1])
        assert ["Net", "Error", "on", "connect", f"{file}:8", "network"] == cells(lines[2])
        assert ["Any call", "Debug", "off: rules.priority"] == cells(lines[3])[:3]

    @pytest.mark.parametrize(("pattern", "expected"), [("SHELL", ["Shell started"]), ("network", ["Net"])])
    def test_a_pattern_is_part_of_a_name_or_a_tag(self, rules, pattern, expected):
        _, lines, _ = rules(pattern)

        assert expected == [line.split("  ")[0] for line in lines[1:]]

    def test_a_rule_for_many_calls_has_them_counted(self, rules):
        _, lines, _ = rules("Any")

        assert " more  " in lines[1]

    def test_a_rule_that_leans_on_a_field_without_a_source_says_what_becomes_of_it(self, rules, tmp_path):
        path = tmp_path / "rules.yaml"
        path.write_text(RULES.replace("evt.type=connect", "evt.type=connect and k8s.ns.name=x"))

        _, lines, _ = rules("Net")
        _, objects, _ = rules("Net", "--json")

        assert "on; can never fire" == cells(lines[1])[2]
        assert {"can never fire": ["k8s.ns.name"]} == json.loads("".join(objects))[0]["consequences"]

    def test_nothing_found_is_said(self, rules):
        assert (1, [], "monitord rules: no rule has 'x9' in its name or as a tag\n") == rules("x9")

    def test_mistakes_are_said_shortly(self, rules, tmp_path):
        (tmp_path / "rules.yaml").write_text("- rule: x\n")

        code, lines, errors = rules()

        assert (2, []) == (code, lines)
        assert errors.startswith(f"monitord rules: {tmp_path}/rules.yaml:1:9: R")

    def test_json(self, rules, tmp_path):
        _, lines, _ = rules("Any", "--json")

        (one,) = json.loads("\n".join(lines))
        assert ("Any call", False, "rules.priority", f"{tmp_path}/rules.yaml", 14) == (
            one["rule"],
            one["enabled"],
            one["off_by"],
            one["file"],
            one["line"],
        )
        assert {"openat", "execve"} <= set(one["calls"])


class TestCost:
    def test_the_dearest_rule_is_first(self, rules, serve):
        code, lines, _ = rules("--cost", "--metrics", serve(METRICS))

        assert 0 == code
        assert [
            ["RULE", "SECONDS", "SHARE", "MATCHES", "ms/MATCH"],
            ["Shell started", "1.500000", "75.0 %", "3", "500.000"],
            ["Net", "0.500000", "25.0 %", "0"],
            ["Any call", "off: rules.priority"],
        ] == [cells(line) for line in lines]

    def test_the_share_is_of_all_rules(self, rules, serve):
        _, lines, _ = rules("--cost", "--metrics", serve(METRICS), "Net")

        assert "25.0 %" in lines[1]

    def test_json(self, rules, serve):
        _, lines, _ = rules("--cost", "--json", "--metrics", serve(METRICS))

        assert [(1.5, 3), (0.5, 0), (None, None)] == [
            (one["seconds"], one["matches"]) for one in json.loads("\n".join(lines))
        ]

    def test_nobody_there_is_one_line(self, rules):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = "{}:{}".format(*free.getsockname())
            code, lines, errors = rules("--cost", "--metrics", address)

        assert (1, []) == (code, lines)
        assert f"no monitord answers at http://{address}/metrics: [Errno 111] Connection refused" in errors
        assert 1 == errors.count("\n")

    @pytest.mark.parametrize(("text", "status"), [("up 1\n", 200), ("<html>", 200), (METRICS, 404), ("", 200)])
    def test_something_else_there_is_one_line(self, rules, serve, text, status):
        code, lines, errors = rules("--cost", "--metrics", serve(text, status))

        assert (1, []) == (code, lines)
        assert "is not monitord" in errors
        assert 1 == errors.count("\n")

    @pytest.mark.parametrize("metrics", ["enabled: false", "address: '127.0.0.1:0'"])
    def test_no_address_to_ask_is_one_line(self, rules, metrics):
        code, _, errors = rules("--cost", config=f"{{}}\nmetrics: {{{metrics}}}\n")

        assert (1, 1) == (code, errors.count("\n"))
        assert "--metrics" in errors
