"""What the items of all files say together: redefinitions, appends and overrides settled, nothing parsed yet."""

from dataclasses import field, replace

from monitord.dataclass import dataclass
from monitord.model.priority import Priority
from monitord.rules.code import Code
from monitord.rules.correlation import NEVER, CorrelationDef, correlation_in
from monitord.rules.definition import ListDef, MacroDef, RuleDef
from monitord.rules.exceptions import exceptions_in, merged
from monitord.rules.items import Item, Problems, flag_in, text_in, texts_in
from monitord.rules.reader import Map, Scalar
from monitord.rules.requirements import require_engine, require_plugins
from monitord.rules.text import Text, joined
from monitord.rules.throttle import throttle_in

_REQUIRED = ("condition", "desc", "output", "priority")
_APPENDED = {
    "rule": frozenset(("condition", "output", "desc", "tags", "exceptions")),
    "macro": frozenset(("condition",)),
    "list": frozenset(("items",)),
}
_ALSO_REPLACED = frozenset(
    ("priority", "capture", "capture_duration", "enabled", "warn_evttypes", "skip-if-unknown-filter", "correlation")
) | {"throttle"}


@dataclass(slots=True)
class Collection:
    """
    All definitions, growing item by item.

    :ivar rules: in the order of their first definition, which is that of evaluation.
    """

    problems: Problems
    lists: dict[str, ListDef] = field(default_factory=dict)
    macros: dict[str, MacroDef] = field(default_factory=dict)
    rules: dict[str, RuleDef] = field(default_factory=dict)
    order: int = 0
    seen: dict[tuple[str, str], Item] = field(default_factory=dict)

    def begin_file(self) -> None:
        """From here on a name counts as new: a later file may replace what an earlier one defined."""
        self.seen.clear()

    def add(self, item: Item) -> None:
        """Take one item in; its mistakes go to `problems`."""
        if item.kind == "required_engine_version":
            require_engine(item.head, self.problems)
        elif item.kind == "required_plugin_versions":
            require_plugins(item.head, self.problems)
        else:
            self._define(item)

    def _define(self, item: Item) -> None:
        assert isinstance(item.head, Scalar)
        name = item.head.text
        modes = self._modes(item)
        if modes is None:
            return
        known = set(self.lists if item.kind == "list" else self.macros if item.kind == "macro" else self.rules)
        switch = item.kind == "rule" and not modes and not any(key in item.values for key in _REQUIRED)
        if modes or (switch and "enabled" in item.values):
            if name not in known:
                hint = self.problems.nearest(name, known) or "; define it first, here or in an earlier file"
                message = f"there is no {item.kind} '{name}' yet to change{hint}"
                self.problems.error(item.place, Code.OVERRIDE, message)
                return
        else:
            first = self.seen.setdefault((item.kind, name), item)
            if first is not item:
                message = (
                    f"this replaces the {item.kind} '{name}' of line {first.place.line} of this file; "
                    "rename one, or change the first with 'override'"
                )
                self.problems.warn(item.place, Code.REPLACED, message)
        self.order += 1
        if item.kind == "list":
            self._define_list(item, name, modes)
        elif item.kind == "macro":
            self._define_macro(item, name, modes)
        elif modes or (switch and "enabled" in item.values):
            self._change_rule(item, self.rules[name], modes)
        else:
            self._define_rule(item, item.head)

    def _modes(self, item: Item) -> dict[str, str] | None:
        """Which keys are appended and which replaced; empty for a plain definition, None after a mistake."""
        override = item.values.get("override")
        append = flag_in(item, "append", False, self.problems)
        if "append" in item.values:
            message = "'append' is deprecated; write 'override: {condition: append}' or the like"
            self.problems.warn(item.keys["append"].start, Code.DEPRECATED, message)
        if override is None:
            return dict.fromkeys(_APPENDED[item.kind] & item.values.keys(), "append") if append else {}
        if append:
            message = "'append' and 'override' exclude each other; keep 'override'"
            self.problems.error(item.keys["append"].start, Code.OVERRIDE, message)
            return None
        if not isinstance(override, Map) or not override.entries:
            self.problems.error(override.start, Code.OVERRIDE, "'override' is a map: {condition: append}")
            return None
        before = len(self.problems.found)
        modes = {key.text: mode.text if isinstance(mode, Scalar) else "" for key, mode in override.entries}
        for key, _ in override.entries:
            self._check_mode(item, key, modes[key.text])
        for key_name, where in item.keys.items():
            if key_name in item.values and key_name not in modes and key_name not in ("override", "append"):
                message = f"'override' has to say what to do with '{key_name}': append or replace"
                self.problems.error(where.start, Code.OVERRIDE, message)
        return modes if len(self.problems.found) == before else None

    def _check_mode(self, item: Item, key: Scalar, mode: str) -> None:
        appended = _APPENDED[item.kind]
        replaced = appended | (_ALSO_REPLACED if item.kind == "rule" else frozenset())
        if mode not in ("append", "replace"):
            self.problems.error(key.start, Code.OVERRIDE, f"override of '{key.text}' is append or replace")
        elif key.text not in (appended if mode == "append" else replaced):
            choice = ", ".join(sorted(appended if mode == "append" else replaced))
            self.problems.error(key.start, Code.OVERRIDE, f"cannot {mode} '{key.text}' of a {item.kind}; only {choice}")
        elif key.text not in item.values:
            message = f"'override' names '{key.text}', which this item does not have"
            self.problems.error(key.start, Code.OVERRIDE, message)

    def _missing(self, item: Item, key: str) -> None:
        """Report a required key, unless it is there and was reported for what it holds."""
        if key in item.values:
            return
        hint = "add one"
        if item.kind == "rule" and isinstance(item.head, Scalar) and item.head.text in self.rules:
            hint += ", or say which keys change the rule that is there: 'override: {condition: append}'"
        self.problems.error(item.place, Code.NO_KEY, f"this {item.kind} has no '{key}'; {hint}")

    def _define_list(self, item: Item, name: str, modes: dict[str, str]) -> None:
        items = texts_in(item, "items", self.problems)
        if items is None:
            self._missing(item, "items")
            return
        if modes.get("items") == "append":
            items = (*self.lists[name].items, *items)
        self.lists[name] = ListDef(item.place, items)

    def _define_macro(self, item: Item, name: str, modes: dict[str, str]) -> None:
        text = text_in(item, "condition", self.problems)
        if text is None:
            self._missing(item, "condition")
            return
        condition = Text.of(text)
        known = self.macros.get(name)
        if known is not None and modes.get("condition") == "append":
            condition = _appended(known.condition, text)
        self.macros[name] = MacroDef(item.place, condition, known.order if known else self.order, self.order)

    def _define_rule(self, item: Item, name: Scalar) -> None:
        correlation = correlation_in(item, self.problems)
        texts = {}
        for key in _REQUIRED:
            text = text_in(item, key, self.problems)
            if text is None:
                if key != "condition" or not _names_rules(item, correlation):
                    self._missing(item, key)
            else:
                texts[key] = text
        priority = self._priority(texts.get("priority"))
        exceptions = merged((), exceptions_in(item, self.problems), self.problems)
        tags = texts_in(item, "tags", self.problems) or ()
        source = text_in(item, "source", self.problems)
        known = self.rules.get(name.text)
        if known is not None and known.source != (source.text if source else "syscall"):
            message = f"rule '{name.text}' was defined before for the event source '{known.source}'; rename one of them"
            self.problems.error(name.start, Code.VALUE, message)
        if _names_rules(item, correlation) and "condition" not in item.values:
            condition = Text.standing_for(NEVER, name)
        elif "condition" in texts:
            condition = Text.of(texts["condition"])
        else:
            return
        # What is missing was reported, so the rule will not be used: it is kept for the mistakes in its other parts.
        # A rule that was there keeps its place in the order.
        self.rules[name.text] = RuleDef(
            name=name,
            condition=condition,
            output=Text.of(texts["output"]) if "output" in texts else Text.standing_for("", name),
            desc=texts["desc"].text.strip() if "desc" in texts else "",
            priority=priority or Priority.DEBUG,
            source=source.text if source else "syscall",
            enabled=flag_in(item, "enabled", True, self.problems),
            tags=_texts_of(tags),
            exceptions=exceptions,
            warn_evttypes=flag_in(item, "warn_evttypes", True, self.problems),
            skip_unknown=flag_in(item, "skip-if-unknown-filter", False, self.problems),
            correlation=correlation,
            throttle=throttle_in(item, self.problems),
        )

    def _change_rule(self, item: Item, rule: RuleDef, modes: dict[str, str]) -> None:
        problems = self.problems
        if not modes:
            message = "switching a rule with 'enabled' alone is deprecated; write 'override: {enabled: replace}'"
            problems.warn(item.place, Code.DEPRECATED, message)
        if (condition := text_in(item, "condition", problems)) is not None:
            append = modes["condition"] == "append"
            rule = replace(rule, condition=_appended(rule.condition, condition) if append else Text.of(condition))
        if (output := text_in(item, "output", problems)) is not None:
            append = modes["output"] == "append"
            rule = replace(rule, output=_appended(rule.output, output) if append else Text.of(output))
        if (desc := text_in(item, "desc", problems)) is not None:
            rule = replace(rule, desc=f"{rule.desc} {desc.text}" if modes["desc"] == "append" else desc.text)
        if (tags := texts_in(item, "tags", problems)) is not None:
            old = rule.tags if modes["tags"] == "append" else ()
            rule = replace(rule, tags=tuple(dict.fromkeys((*old, *_texts_of(tags)))))
        if "exceptions" in item.values:
            kept = rule.exceptions if modes["exceptions"] == "append" else ()
            rule = replace(rule, exceptions=merged(kept, exceptions_in(item, problems), problems))
        if "priority" in modes and (text := text_in(item, "priority", problems)) is not None:
            rule = replace(rule, priority=self._priority(text) or rule.priority)
        if "correlation" in modes:
            rule = replace(rule, correlation=correlation_in(item, problems) or rule.correlation)
        if "throttle" in modes:
            rule = replace(rule, throttle=throttle_in(item, problems) or rule.throttle)
        rule = replace(
            rule,
            enabled=flag_in(item, "enabled", rule.enabled, problems),
            warn_evttypes=flag_in(item, "warn_evttypes", rule.warn_evttypes, problems),
            skip_unknown=flag_in(item, "skip-if-unknown-filter", rule.skip_unknown, problems),
        )
        self.rules[rule.name.text] = rule

    def _priority(self, text: Scalar | None) -> Priority | None:
        if text is None:
            return None
        priority = Priority.parse(text.text)
        if priority is None:
            known = ", ".join(known.label for known in Priority)
            self.problems.error(text.start, Code.VALUE, f"unknown priority '{text.text}'; known are {known}")
        return priority


def _names_rules(item: Item, correlation: CorrelationDef | None) -> bool:
    """Whether other rules say which events a rule is about; a correlation with mistakes has its own errors."""
    return "correlation" in item.values and (correlation is None or bool(correlation.rules))


def _appended(old: Text, new: Scalar) -> Text:
    return joined([old, Text.standing_for(" ", new), Text.of(new)])


def _texts_of(scalars: tuple[Scalar, ...]) -> tuple[str, ...]:
    """Each text once, in the order of the file."""
    return tuple(dict.fromkeys(scalar.text for scalar in scalars))
