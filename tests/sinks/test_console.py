import os

import pytest

from monitord.model.priority import Priority
from monitord.sinks.console import Console
from monitord.stages import SinkError
from tests.support.alerts import make_alert


class TestConsole:
    def test_a_pipe_gets_plain_lines(self):
        reader, writer = os.pipe()
        Console(writer).write(make_alert(output="é"))
        os.close(writer)
        with open(reader, encoding="utf-8") as lines:
            (line,) = lines

        assert line.endswith(": Warning é\n")

    @pytest.mark.parametrize(
        ("priority", "coloured"),
        [
            (Priority.CRITICAL, ": \x1b[1;31mCritical\x1b[0m x"),
            (Priority.WARNING, ": \x1b[33mWarning\x1b[0m x"),
            (Priority.DEBUG, ": \x1b[36mDebug\x1b[0m x"),
        ],
    )
    def test_a_terminal_gets_coloured_priorities(self, priority, coloured):
        keyboard, terminal = os.openpty()
        Console(terminal).write(make_alert(priority=priority, output="x"))
        line = os.read(keyboard, 4096).decode()
        os.close(keyboard)
        os.close(terminal)

        assert line.endswith(f"{coloured}\r\n")

    def test_a_reader_that_went_away_is_an_error(self):
        reader, writer = os.pipe()
        os.close(reader)
        with pytest.raises(SinkError, match="cannot print alerts: Broken pipe"):
            Console(writer).write(make_alert())
        os.close(writer)
