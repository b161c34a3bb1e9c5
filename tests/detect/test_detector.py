"""Batches in, alerts out."""

import tracemalloc
from dataclasses import replace
from types import MappingProxyType

import pytest

from monitord.abi.arch import Abi
from monitord.abi.event import Flag
from monitord.detect.detector import RuleDetector
from monitord.detect.group import Group
from monitord.model.alert import Alert
from monitord.model.batch import EventBatch
from monitord.model.event import Event
from monitord.model.interest import Interest, Outcome
from monitord.model.loss import Stage
from monitord.model.priority import Priority
from monitord.recording.snapshot import snapshot_of
from monitord.rules.field import Field, FieldType
from monitord.rules.fields import CATALOGUE
from monitord.rules.rule import RuleSet
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import Telemetry
from tests.support.batches import Row, batch_of, connect_to, exec_of, open_of
from tests.support.detect import ABIS, FixedContext, rule_of, rules_of

TABLE = SyscallTable.load(ABIS)

OPENED = "evt.type=openat and evt.failed=false"
SHADOW = f"{OPENED} and fd.name=/etc/shadow"
EXECUTED = "evt.type=execve"


class Stand:
    """A detector and what it works with."""

    def __init__(self, rules: RuleSet, **options) -> None:
        self.context = FixedContext(TABLE)
        self.telemetry = Telemetry()
        self.telemetry.register_rules({rule.name: rule.priority for rule in rules.rules})
        self.detector = RuleDetector(rules, TABLE, self.context, self.telemetry, "host.example", **options)

    def judge(self, *rows: Row, lost: int = 0) -> list[Alert]:
        return self.detector.judge(batch_of(*rows), lost)


def names(alerts: list[Alert]) -> list[str]:
    return [alert.rule for alert in alerts]


class TestAnAlert:
    def test_says_what_happened_when_and_where(self):
        row = open_of(b"/etc/shadow", ts_ns=23, comm=b"cat")
        stand = Stand(RuleSet((rule_of(TABLE, "Shadow", SHADOW, "%proc.name read %fd.name"),)))

        event = batch_of(row).event(0)

        [alert] = stand.judge(row, lost=7)

        assert alert == Alert(
            time_ns=1_700_000_000_000_000_023,
            rule="Shadow",
            priority=Priority.WARNING,
            source="syscall",
            hostname="host.example",
            output="cat read /etc/shadow",
            tags=("test",),
            fields={"proc.name": "cat", "fd.name": "/etc/shadow"},
            event=event,
            context=snapshot_of(event, FixedContext(TABLE), ()),
            lost_before=7,
        )

    def test_is_counted_for_its_rule(self):
        stand = Stand(rules_of(TABLE, shadow=SHADOW, executed=EXECUTED))

        stand.judge(open_of(b"/etc/shadow"), open_of(b"/etc/shadow"), open_of(b"/etc/passwd"))

        assert [2, 0] == [stand.telemetry.rules[name].matches for name in ("shadow", "executed")]

    def test_costs_time_that_is_counted_for_its_rule(self):
        stand = Stand(rules_of(TABLE, shadow=SHADOW))

        stand.judge(open_of(b"/etc/shadow"))

        assert 0 < stand.telemetry.rules["shadow"].evaluation_s < 1


class TestOrder:
    def test_alerts_come_in_the_order_of_events_whatever_the_calls(self):
        stand = Stand(rules_of(TABLE, opened=OPENED, executed=EXECUTED))

        alerts = stand.judge(exec_of(b"/bin/a", b"a"), open_of(b"/b"), exec_of(b"/bin/c", b"c"), open_of(b"/d"))

        assert ["executed", "opened", "executed", "opened"] == names(alerts)

    def test_the_first_rule_that_matches_an_event_is_the_only_one(self):
        stand = Stand(rules_of(TABLE, never="evt.type=close", first=SHADOW, second=OPENED))

        assert ["second", "first"] == names(stand.judge(open_of(b"/b"), open_of(b"/etc/shadow")))

    def test_all_rules_match_in_their_order_when_asked_to(self):
        stand = Stand(rules_of(TABLE, first=OPENED, second=SHADOW), match_all=True)

        assert ["first", "first", "second"] == names(stand.judge(open_of(b"/b"), open_of(b"/etc/shadow")))

    @pytest.mark.parametrize("match_all", [False, True])
    def test_a_rule_for_any_call_is_tried_only_when_none_for_a_type_of_call_matched(self, match_all):
        stand = Stand(rules_of(TABLE, any="proc.name=cat", shadow=SHADOW), match_all=match_all)

        assert ["any", "shadow"] == names(stand.judge(open_of(b"/b"), open_of(b"/etc/shadow")))

    def test_all_rules_for_any_call_match_in_their_order_when_asked_to(self):
        stand = Stand(rules_of(TABLE, one="proc.name=cat", two="evt.failed=false"), match_all=True)

        assert ["one", "two"] == names(stand.judge(open_of(b"/b")))


class TestWhatIsJudged:
    def test_no_events_give_no_alerts(self):
        assert [] == Stand(rules_of(TABLE, opened=OPENED)).detector.judge(EventBatch.empty(), 0)

    def test_a_disabled_rule_matches_nothing(self):
        rules = RuleSet((rule_of(TABLE, "off", OPENED, enabled=False), rule_of(TABLE, "on", OPENED)))

        assert ["on"] == names(Stand(rules).judge(open_of(b"/b")))

    def test_a_call_that_a_rule_did_not_ask_for_is_not_judged_by_it(self):
        """Somebody else asked for it."""
        only_successes = Interest({(Abi.X86_64, 257): Outcome.SUCCESS})
        stand = Stand(RuleSet((rule_of(TABLE, "opened", "evt.type=openat", interest=only_successes),)))

        assert 1 == len(stand.judge(open_of(b"/b", ret=-2), open_of(b"/b"), connect_to(b"\2\0")))

    def test_a_call_that_never_returned_is_judged_with_those_that_succeeded(self):
        only_successes = Interest({(Abi.X86_64, 257): Outcome.SUCCESS})
        stand = Stand(RuleSet((rule_of(TABLE, "opened", "evt.type=openat", interest=only_successes),)))

        assert ["opened"] == names(stand.judge(Row(ret=-2, flags=Flag.UNFINISHED)))

    def test_a_call_outside_the_tables_is_judged(self):
        stand = Stand(rules_of(TABLE, strange="not evt.type exists"))

        assert ["strange", "strange"] == names(stand.judge(Row(nr=70_000), Row(nr=-7), open_of(b"/b")))

    def test_a_test_without_a_field_is_judged(self):
        stand = Stand(rules_of(TABLE, literal=f'{OPENED} and toupper("a")=A'))

        assert ["literal"] == names(stand.judge(open_of(b"/b")))

    def test_a_foreign_call_is_judged(self):
        stand = Stand(rules_of(TABLE, foreign="evt.is_foreign_abi=true"))

        alerts = stand.judge(Row(nr=5, abi=Abi.I386), Row(nr=5, abi=Abi.I386, flags=Flag.FOREIGN))

        assert ["foreign"] == names(alerts)


class TestWhatIsAskedOfTheContext:
    """It reads /proc, so nothing is asked that the record tells, until there is an alert."""

    @staticmethod
    def asked_to_judge(stand: Stand, alerts: list[Alert]) -> list[Event]:
        """Without what alerts record of the context."""
        to_record = FixedContext(TABLE)
        for alert in alerts:
            snapshot_of(alert.event, to_record, ())
        return stand.context.asked[: len(stand.context.asked) - len(to_record.asked)]

    @pytest.mark.parametrize(
        ("path", "below"),
        [(b"/etc/shadow", None), (b"/etc/../etc/./shadow", None), (b"shadow", b"/etc"), (b"../etc/shadow", b"/etc")],
    )
    def test_nothing_for_a_path_that_came_whole(self, path, below):
        stand = Stand(rules_of(TABLE, shadow=SHADOW))

        alerts = stand.judge(open_of(path, below=below))

        assert (["shadow"], []) == (names(alerts), self.asked_to_judge(stand, alerts))

    def test_nothing_for_an_executable_that_came_along(self):
        stand = Stand(rules_of(TABLE, cat=f"{EXECUTED} and proc.exepath=/bin/cat and proc.is_exe_from_memfd=false"))

        alerts = stand.judge(exec_of(b"c", b"c", exe=b"/bin/cat"))

        assert (["cat"], []) == (names(alerts), self.asked_to_judge(stand, alerts))

    def test_the_directory_of_a_relative_path_that_came_without(self):
        stand = Stand(rules_of(TABLE, shadow=SHADOW))

        assert ["shadow"] == names(stand.judge(open_of(b"../etc/shadow")))

    def test_a_test_of_several_rules_is_asked_once_for_an_event(self):
        stand = Stand(rules_of(TABLE, one="proc.cwd=/x/ and evt.type=execve", two="evt.type=execve and proc.cwd=/x/"))

        stand.judge(exec_of(b"/bin/a", b"a"))

        assert 1 == len(stand.context.asked)


class TestHowOftenAFieldIsLookedAt:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            *(("evt.type", 1), ("evt.res", 2), ("evt.is_open_write", 1), ("proc.name", 3), ("proc.pname", 1)),
            *(("fd.name", 5), ("fd.filename", 5), ("fd.typechar", 1), ("evt.arg.flags", 1), ("evt.arg.name", 5)),
        ],
    )
    def test_once_per_distinct_value_of_what_it_follows_from(self, name, expected):
        """60 events that differ in all else, in two batches; two returns, three programs and five odd paths."""
        field = CATALOGUE[name if name in CATALOGUE else "evt.arg"]
        seen = []

        def extract(event, context, arg):
            seen.append(event)
            return field.extract(event, context, arg)

        catalogue = MappingProxyType({**CATALOGUE, field.name: replace(field, extract=extract)})
        opens = Interest({(Abi.X86_64, 257): Outcome.ANY})
        rules = RuleSet((rule_of(TABLE, "rule", f"{name}=something", interest=opens),))
        stand = Stand(rules, catalogue=catalogue)
        paths = (b"/a/", b"/./b", b"c//c", b"./d", b"../e")
        rows = [
            open_of(paths[n % 5], ret=-(n % 2), below=b"/srv", comm=b"%d" % (n % 3), pid=n, seq=n) for n in range(60)
        ]
        stand.judge(*rows[:30])
        stand.judge(*rows[30:])

        assert expected == len(seen)

    @pytest.mark.parametrize("name", ["fd.name", "fd.directory", "fd.filename"])
    @pytest.mark.parametrize(("path", "below"), [(b"/srv/a", None), (b"a", b"/srv")])
    def test_never_for_a_path_that_came_as_it_is_shown(self, name, path, below):
        def extract(event, context, arg):
            raise AssertionError(f"{name} was looked at")

        catalogue = MappingProxyType({**CATALOGUE, name: replace(CATALOGUE[name], extract=extract)})
        stand = Stand(rules_of(TABLE, rule=f"{OPENED} and {name} in (/srv/a, /srv, a)"), catalogue=catalogue)

        assert ["rule"] == names(stand.judge(open_of(path, below=below)))

    @pytest.mark.parametrize("name", ["evt.rawres", "fd.num", "proc.pid", "user.uid", "evt.latency"])
    def test_never_for_a_number_that_is_a_column(self, name):
        def extract(event, context, arg):
            raise AssertionError(f"{name} was looked at")

        catalogue = MappingProxyType({**CATALOGUE, name: replace(CATALOGUE[name], extract=extract)})
        stand = Stand(rules_of(TABLE, rule=f"{OPENED} and {name} >= 0"), catalogue=catalogue)

        assert ["rule"] == names(stand.judge(open_of(b"/b", ret=3)))


class TestEventsLikeEarlierOnes:
    RULES = rules_of(TABLE, shadow=SHADOW, named=f"{OPENED} and proc.name=cat and fd.name=/a and proc.pid=7")

    def test_are_asked_about_no_condition_that_they_cannot_meet(self, monkeypatch):
        stand = Stand(self.RULES)
        stand.judge(open_of(b"/a", comm=b"dog"), open_of(b"/b", comm=b"cat"))
        asked = []
        monkeypatch.setattr(Group, "verdict", lambda group, judge: asked.append(judge))
        monkeypatch.setattr(Group, "by_parts", lambda group, judge: asked.append(judge))

        stand.judge(open_of(b"/b", comm=b"cat", pid=7), open_of(b"/a", comm=b"dog", pid=7), open_of(b"/b", comm=b"cat"))

        assert [] == asked

    def test_are_asked_about_what_is_no_part_of_them(self):
        stand = Stand(self.RULES)
        rows = [open_of(b"/a", comm=b"cat", pid=pid) for pid in (6, 7, 6, 7)]

        assert [[], ["named"], [], ["named"]] == [names(stand.judge(row)) for row in rows]

    def test_take_time_that_is_the_rules(self):
        stand = Stand(self.RULES)
        stand.judge(open_of(b"/b"))

        assert all(stand.telemetry.rules[rule].evaluation_s > 0 for rule in ("shadow", "named"))


class TestARuleThatFails:
    @staticmethod
    def stand() -> Stand:
        """Its first rule divides by zero for the program ``odd``."""

        def extract(event, context, arg):
            return 1 // (event.comm != "odd")

        field = Field("proc.broken", FieldType.NUMBER, "", "", "", extract)
        catalogue = MappingProxyType({**CATALOGUE, field.name: field})
        rules = rules_of(TABLE, broken=f"{OPENED} and proc.broken=0", shadow=SHADOW)
        return Stand(rules, catalogue=catalogue)

    def test_stops_no_other_rule(self):
        alerts = self.stand().judge(open_of(b"/etc/shadow", comm=b"odd"), open_of(b"/etc/shadow"))

        assert ["shadow", "shadow"] == names(alerts)

    def test_loses_the_events_that_it_could_not_judge(self):
        stand = self.stand()

        stand.judge(*[open_of(b"/b", comm=b"odd")] * 3, *[open_of(b"/b")] * 2)

        assert 3 == stand.telemetry.lost[Stage.RULES]

    def test_loses_each_event_that_is_like_one_before(self):
        def extract(event, context, arg):
            return 1 // (event.comm != "odd")

        catalogue = MappingProxyType({**CATALOGUE, "proc.pname": replace(CATALOGUE["proc.pname"], extract=extract)})
        stand = Stand(rules_of(TABLE, broken=f"{OPENED} and proc.pname=1", shadow=SHADOW), catalogue=catalogue)

        for _ in range(3):
            assert ["shadow"] == names(stand.judge(open_of(b"/etc/shadow", comm=b"odd")))
        assert 3 == stand.telemetry.lost[Stage.RULES]

    def test_is_logged_once(self, caplog):
        stand = self.stand()
        for _ in range(3):
            stand.judge(*[open_of(b"/b", comm=b"odd")] * 2)

        assert ["broken"] == [record.args[0] for record in caplog.records]


class TestMemory:
    def test_ever_new_paths_do_not_fill_it(self):
        """16 MB of paths against a limit of 1 MiB; a batch, which can come on top of it, holds 0.8 MB."""
        stand = Stand(rules_of(TABLE, shadow=SHADOW), memory_bytes=1 << 20)
        tracemalloc.start()
        try:
            for number in range(20):
                stand.judge(*[open_of(b"/%04d%04d" % (number, row) + b"x" * 8000) for row in range(100)])
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert held < 5 << 20

    def test_ever_new_pairs_of_the_same_values_do_not_fill_it(self):
        """10,000 of them, 200 bytes each."""
        stand = Stand(rules_of(TABLE, one=f"{SHADOW} and proc.name=cat"), memory_bytes=1 << 18)
        tracemalloc.start()
        try:
            for number in range(0, 10_000, 20):
                pairs = [divmod(pair, 100) for pair in range(number, number + 20)]
                stand.judge(*[open_of(b"/%d" % path, comm=b"%d" % comm) for path, comm in pairs])
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert held < 1 << 20

    def test_what_was_forgotten_is_learned_again(self):
        stand = Stand(rules_of(TABLE, shadow=SHADOW), memory_bytes=1000)
        for number in range(20):
            alerts = stand.judge(open_of(b"/%d" % number), open_of(b"/etc/shadow"))

            assert ["shadow"] == names(alerts)
