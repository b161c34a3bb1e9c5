"""The codes of mistakes in rules files. They are a promise: a code is never given another meaning."""

import enum


class Code(enum.StrEnum):
    """What kind of mistake it is, for people to search."""

    FILE = "R001"  # a file cannot be read
    YAML = "R002"  # it is not YAML
    SHAPE = "R003"  # YAML of another shape than rules have
    UNKNOWN_KEY = "R004"  # a key that means nothing here (warning)
    NO_KEY = "R005"  # a key that has to be there is not
    DUPLICATE = "R006"  # a key twice in one item, or an exception twice in one rule
    VALUE = "R007"  # a value that its key does not take
    SYNTAX = "R008"  # a condition that does not parse
    MACRO = "R009"  # a macro that is not defined, or only later
    LOOP = "R010"  # lists or macros that lead back to themselves
    FIELD = "R011"  # a field that does not exist
    OPERATOR = "R012"  # an operator that does not fit the type of its field
    LITERAL = "R013"  # a literal that the type of its field does not take
    ARGUMENT = "R014"  # a field or transformer with wrong arguments
    OVERRIDE = "R015"  # override, append or enabled that does not fit
    EXCEPTION = "R016"  # a malformed exception
    OUTPUT = "R017"  # an output template that does not parse
    ENGINE = "R018"  # rules for a newer engine
    PLUGIN = "R019"  # rules for a plugin that is not there
    EVERY_CALL = "R020"  # a rule that wants very many kinds of calls (warning)
    UNUSED = "R021"  # a list or macro that nothing uses (warning)
    SOURCE = "R022"  # a rule for another event source (warning)
    DEPRECATED = "R023"  # what Falco deprecated (warning)
    TOO_LARGE = "R024"  # a condition too deep or too long once written out
    SYSCALL = "R025"  # a name of a syscall that no ABI has (warning)
    REPLACED = "R026"  # a name defined twice in one file (warning)
    NAME = "R027"  # a name that conditions cannot name
    SELECTION = "R028"  # a selection of the configuration that no rule fits (warning)
    LEFT_OUT = "R029"  # a file with mistakes is left out (warning)
    NEVER_FIRES = "R030"  # all of a rule hangs on a field that is not supplied (warning)
    FIRES_OFTEN = "R031"  # a requirement of a rule does (warning)
    WEAK_EXCEPTION = "R032"  # an exception of a rule does (warning)
    MISSES_CASES = "R033"  # one of a rule's alternatives does (warning)
    SHADOWED = "R034"  # a rule to which an earlier one leaves nothing (warning)
    NEARLY_LIST = "R035"  # a text that is nearly the name of a list (warning)
    NO_RULES = "R036"  # no rule is in force (warning)
    CORRELATION = "R040"  # a correlation that does not make sense
    THROTTLE = "R041"  # a throttle that does not make sense
