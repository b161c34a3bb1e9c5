"""The formats that an output can be given."""

from collections.abc import Callable, Mapping

from monitord.config.outputs import Format
from monitord.model.alert import Alert
from monitord.sinks.format import json_line
from monitord.sinks.ocsf import ocsf_line

Encode = Callable[[Alert], bytes]
"""An alert as one line of JSON, newline included."""

ENCODERS: Mapping[Format, Encode] = {Format.FALCO: json_line, Format.OCSF: ocsf_line}
