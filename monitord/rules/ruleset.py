"""From rules files to rules that can be evaluated, with every mistake of all files found in one pass."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from monitord.config.schema import BadFiles, RuleMatching, RulesConfig
from monitord.model.amount import amount
from monitord.model.problem import Problem, errors
from monitord.rules.along import carrying
from monitord.rules.append import appended, with_static, without_runtimes
from monitord.rules.code import Code
from monitord.rules.collect import Collection
from monitord.rules.compiler import Compiler
from monitord.rules.fields import CATALOGUE
from monitord.rules.items import Problems, items_of
from monitord.rules.reader import Place, Yaml, read, rule_files
from monitord.rules.rule import RuleSet
from monitord.rules.select import selected
from monitord.rules.shadow import shadowed
from monitord.rules.unsupplied import report_unsupplied
from monitord.tables.syscalls import SyscallTable

DEFAULT = RulesConfig()


def load(
    paths: tuple[Path, ...], table: SyscallTable, config: RulesConfig = DEFAULT, *, runtimes: bool = False
) -> tuple[RuleSet, list[Problem]]:
    """
    The rules of files, and of the ``*.yaml`` and ``*.yml`` files of directories, in the order given.

    :param table: the syscalls that conditions can name.
    :param config: how they are to be used; its paths do not count.
    :param runtimes: whether container runtimes are asked; without, rules that lean on them are reported.
    :return: the rules without mistakes, and the problems of all files in the order of their places. With
        `BadFiles.SKIP` what is wrong with a file that is left out is among them, as warnings.
    """
    files, unlisted = rule_files(paths)
    contents = {str(file): read(file) for file in files}
    order = {name: number for number, name in enumerate(contents)}
    left_out: list[str] = []
    said: list[Problem] = []
    while True:
        rules, problems = _compiled(contents, table, config, runtimes)
        wrong = errors(problems)
        bad = contents.keys() & {problem.file for problem in wrong}
        if config.bad_files is BadFiles.REFUSE or not bad:
            break
        for name in bad:
            mistakes = [problem for problem in wrong if problem.file == name]
            message = f"this file is left out, with all that it defines: mistakes in it: {len(mistakes)}"
            said += [Place(name).problem(Code.LEFT_OUT, message), *mistakes]
            left_out.append(name)
            del contents[name]
    if config.bad_files is BadFiles.SKIP:
        said = [replace(problem, warning=True) for problem in (*unlisted, *said)]
    else:
        said = unlisted
    found = sorted({*said, *problems}, key=lambda problem: (order.get(problem.file, -1), problem))
    return replace(rules, left_out=tuple(sorted(left_out, key=lambda name: order[name]))), found


def _compiled(
    contents: Mapping[str, tuple[list[Yaml], list[Problem]]], table: SyscallTable, config: RulesConfig, runtimes: bool
) -> tuple[RuleSet, list[Problem]]:
    problems = Problems()
    collection = Collection(problems)
    for documents, unread in contents.values():
        problems.found.extend(unread)
        collection.begin_file()
        for document in documents:
            for item in items_of(document, problems):
                collection.add(item)
    catalogue = with_static(CATALOGUE if runtimes else without_runtimes(CATALOGUE), config.static_fields)
    compiler = Compiler(collection, table, catalogue)
    rules = selected(compiler.rules(), config, problems)
    rules = appended(rules, config, compiler.vocabulary, problems)
    report_unsupplied(rules, catalogue, problems)
    rules = [replace(rule, interest=carrying(rule, catalogue, table)) for rule in rules]
    made = RuleSet(tuple(rules), len(collection.macros), len(collection.lists), len(contents), (), catalogue)
    if config.rule_matching is RuleMatching.FIRST:
        _report_shadowed(made, problems)
    return made, problems.found


def no_rules(paths: tuple[Path, ...], rules: RuleSet) -> list[Problem]:
    """
    A warning, when none of the rules of these paths is in force.

    Nothing is wrong with a daemon that only counts, but most often somebody expects alerts of it.
    """
    if any(rule.enabled for rule in rules.rules):
        return []
    if rules.rules:
        why = f"all that are here are switched off: {amount(len(rules.rules), 'rule')}; `monitord rules` says by what"
    elif rules.files:
        why = "no file here defines one"
    elif paths:
        why = "no file here is one of rules; they are named *.yaml or *.yml"
    else:
        why = "no path is given"
    place = Place(", ".join(map(str, paths)) or "rules.paths")
    return [place.problem(Code.NO_RULES, f"no rule is in force, nothing will alert: {why}", warning=True)]


def _report_shadowed(rules: RuleSet, problems: Problems) -> None:
    for rule, earlier in shadowed(rules.alerting, rules.catalogue):
        message = (
            f"rule '{rule.name}' can never alert: '{earlier.name}' is asked before it, and matches whenever it does. "
            "Put it first, narrow the other, or let all rules match with 'rule_matching: all'"
        )
        problems.warn(rule.place, Code.SHADOWED, message)
