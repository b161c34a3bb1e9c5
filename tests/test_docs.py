"""The documentation says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitord.abi.arch import Abi
from monitord.cli.main import COMMANDS
from monitord.model.counts import BUCKET_BOUNDS_NS, Latency, SyscallCount
from monitord.model.heartbeat import Heartbeat
from monitord.model.loss import Degraded, Stage
from monitord.model.priority import Priority
from monitord.rules.ast import Op, Quantifier
from monitord.rules.ruleset import load
from monitord.rules.transform import RESULT_TYPES
from monitord.sinks.format import alert_object
from monitord.sinks.journald import journal_fields
from monitord.sinks.metrics.collector import renderer
from monitord.sinks.metrics.readings import Readings
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import ProgramStats, Telemetry
from tests.support.alerts import make_alert

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))
}


def rows(page: str) -> list[list[str]]:
    """The cells of all table rows of a page, back quotes off."""
    lines = (line for line in PAGES[page].splitlines() if line.startswith("|"))
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def scraped() -> dict[str, tuple[str, str]]:
    """Metric -> its type and its labels, of a scrape that has a sample of each."""
    telemetry = Telemetry()
    telemetry.register_rules({"Some rule": Priority.NOTICE})
    telemetry.register_correlations(["Some rule"])
    telemetry.register_throttles(["Some rule"])
    telemetry.show_origins(1)
    telemetry.register_sink("console")
    telemetry.register_queue("console", 1, int)
    telemetry.container_lookups = lambda: {"described": 0}
    telemetry.heartbeats = (Heartbeat("reader"),)
    latency = Latency(1, (0,) * (len(BUCKET_BOUNDS_NS) + 1))
    readings = Readings(
        counts=lambda: {(Abi.X86_64, 0): SyscallCount(1, {2: 1}, latency)},
        admitted=int,
        losses=dict,
        ignored=lambda: {"comm": 0, "path": 0},
        degraded=lambda: dict.fromkeys(Degraded, 0),
        programs=lambda: {"on_sys_enter": ProgramStats(1, 1)},
        syscall_name=lambda abi, nr: "read",
        errno_name=lambda number: "ENOENT",
    )
    text = renderer(telemetry, readings)("")[1].decode()
    metrics = {}
    for name, type_ in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        sample = re.search(rf"^{name}(?:_bucket)?(?:\{{(.*?)\}})? \S+$", text, re.MULTILINE)
        labels = re.findall(r'(\w+)="', sample[1] or "")
        metrics[name] = (type_, ", ".join(sorted(set(labels) - {"le"})))
    return metrics


class TestMetrics:
    def test_every_metric_is_described_with_its_type_and_labels(self):
        described = {
            row[0]: (row[1], ", ".join(sorted(filter(None, row[2].split(", ")))))
            for row in rows("docs/metrics.md")
            if row[0].startswith(("monitord_", "process_"))
        }

        assert scraped() == described

    @pytest.mark.parametrize("page", ["docs/metrics.md", "docs/operating.md", "docs/outputs.md"])
    def test_metrics_that_are_named_are_there(self, page):
        asked = set(re.findall(r"\b(?:monitord|process)_\w+\b", PAGES[page])) - {"monitord_NEW"}
        exported = {f"{name}{end}" for name in scraped() for end in ("", "_bucket")}

        assert set() == {name for name in asked if not name.endswith("_")} - exported

    @pytest.mark.parametrize("page", ["docs/metrics.md", "docs/operating.md"])
    def test_every_alerting_rule_is_described(self, page):
        document = yaml.safe_load((ROOT / "config/prometheus/monitord.rules.yml").read_text("utf-8"))
        alerts = [rule["alert"] for group in document["groups"] for rule in group["rules"]]

        assert alerts == [row[0] for row in rows(page) if row[0].startswith("Monitord")]

    @pytest.mark.parametrize("page", ["docs/architecture.md", "docs/operating.md"])
    def test_every_stage_of_a_loss_is_described(self, page):
        assert set(Stage) <= {row[0] for row in rows(page)}


class TestCommands:
    @pytest.fixture(scope="class")
    def helps(self) -> dict[str, str]:
        return {
            command: subprocess.run(
                [sys.executable, "-m", "monitord.cli.main", command, "--help"],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for command in COMMANDS
        }

    def test_the_readme_shows_every_command(self):
        assert [] == [command for command in COMMANDS if f"monitord {command}" not in PAGES["README.md"]]

    @pytest.mark.parametrize("page", PAGES)
    def test_commands_and_options_are_there(self, page, helps):
        told = re.findall(r"^    (?:\$ )?monitord (\w+)(.*?)(?: +#.*)?$", PAGES[page], re.MULTILINE)
        told += re.findall(r"`monitord ([a-z]+)(.*?)`", PAGES[page])
        options = [(command, option) for command, rest in told for option in re.findall(r"(?<!\S)--?[\w-]+", rest)]

        assert [] == [command for command, _ in told if command not in helps]
        assert [] == [(command, option) for command, option in options if option not in helps[command]]

    @pytest.mark.parametrize("page", PAGES)
    def test_make_has_the_targets(self, page):
        targets = re.findall(r"^(\w+):(?!=)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        told = re.findall(r"(?:^    |`)make (\w+)", PAGES[page], re.MULTILINE)

        assert [] == [target for target in told if target not in targets]


class TestConfiguration:
    def test_every_key_is_described_with_its_default(self):
        shipped = yaml.safe_load((ROOT / "config" / "monitord.yaml").read_text("utf-8"))
        defaults = {}
        for section, value in shipped.items():
            keys = (
                {f"{section}.{key}": inner for key, inner in value.items()}
                if isinstance(value, dict)
                else {section: value}
            )
            defaults |= {
                key: yaml.safe_dump(inner, default_flow_style=True).split("\n")[0] for key, inner in keys.items()
            }
        described = {row[0]: row[1] for row in rows("docs/configuration.md")[2:]}

        assert defaults.keys() == described.keys()
        assert [] == [key for key, default in defaults.items() if default not in described[key]]

    @pytest.mark.parametrize("page", ["docs/operating.md", "docs/metrics.md", "docs/rules.md", "docs/outputs.md"])
    def test_keys_that_are_named_are_there(self, page):
        keys = {row[0] for row in rows("docs/configuration.md") if "." in row[0]}
        sections = "|".join(sorted({key.partition(".")[0] for key in keys}))
        named = re.findall(rf"`((?:{sections})\.\w+)[:.`]", PAGES[page])

        assert set() == set(named) - keys


class TestCodes:
    def test_every_code_is_explained_and_no_other(self):
        sources = "".join(path.read_text("utf-8") for path in (ROOT / "monitord").rglob("*.py"))
        explained = [row[0] for row in rows("docs/errors.md") if re.fullmatch(r"[A-Z]\d+", row[0])]

        assert sorted(set(re.findall(r'"([CERT]\d{3})"', sources))) == explained


class TestTroubleshooting:
    def test_the_messages_are_said_by_the_code(self):
        """Each is a part of a message: what stands there as one string, or as several in a row."""
        sources = "".join(path.read_text("utf-8") for path in (ROOT / "monitord").rglob("*.py"))
        sources = re.sub(r'"\s*\n\s*f?"', "", sources)
        section = PAGES["docs/operating.md"].partition("\n## Troubleshooting\n")[2]
        messages = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)

        assert len(messages) > 10
        assert [] == [message for message in messages if message.partition(": Permission")[0] not in sources]


class TestRules:
    @pytest.mark.parametrize("page", ["README.md", "docs/rules.md"])
    def test_examples_load_beside_the_shipped_rules(self, page, tmp_path):
        files = []
        for number, block in enumerate(re.findall(r"```yaml\n(- .*?)```", PAGES[page], re.DOTALL)):
            files.append(tmp_path / f"{number}.yaml")
            files[-1].write_text(block, "utf-8")

        assert files
        assert [] == load((ROOT / "config" / "rules", *files), SyscallTable.load(Abi))[1]

    @pytest.mark.parametrize("word", [*Op, *Quantifier, *(f"{name}(" for name in RESULT_TYPES)])
    def test_every_word_of_conditions_is_described(self, word):
        assert re.search(rf"`[^`]*{re.escape(word)}", PAGES["docs/rules.md"])

    def test_the_tables_made_from_the_code_are_up_to_date(self):
        made = subprocess.run(
            [sys.executable, ROOT / "tools" / "gen_docs.py", "--check"], capture_output=True, text=True
        )

        assert (0, "") == (made.returncode, made.stderr)


class TestAlerts:
    def test_every_key_of_the_alert_log_is_described(self):
        described = {name for row in rows("docs/alerts.md") for name in row[0].split(", ")}

        assert set() == alert_object(make_alert()).keys() - described

    def test_every_field_of_a_journal_entry_is_described(self):
        described = {name for row in rows("docs/alerts.md") for name in row[0].split(", ")}
        names = {entry.partition("=")[0] for entry in journal_fields(make_alert())}

        assert set() == {name for name in names if not name.startswith("MONITORD_FIELD_")} - described


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """To a file of the repository and, with #, to a heading in it."""
    for target, anchor in re.findall(r"\]\((?!https:)([^)#]*)#?([^)]*)\)", PAGES[page]):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
            assert anchor in [heading.lower().replace(" ", "-") for heading in headings]
