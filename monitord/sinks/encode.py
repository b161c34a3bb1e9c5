"""The formats that an output can be given."""

from collections.abc import Callable

from monitord.config.outputs import Format
from monitord.model.alert import Alert
from monitord.sinks.format import json_line

Encode = Callable[[Alert], bytes]
"""An alert as one line of JSON, newline included."""


def encoder(wanted: Format) -> Encode:
    """What writes a format."""
    if wanted is Format.OCSF:
        from monitord.sinks.ocsf import ocsf_line  # late: its hashes bring OpenSSL's library, 3.5 MB

        return ocsf_line
    return json_line
