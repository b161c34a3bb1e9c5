"""The files that outputs name: certificates, keys and headers, opened as the daemon opens them, and the program."""

import os
from collections.abc import Iterator
from pathlib import Path

from monitord.config.codes import Code
from monitord.config.outputs import HttpConfig, OutputsConfig
from monitord.config.place import place_of
from monitord.model.problem import Problem
from monitord.sinks.http_files import troubles


def mistakes_in_files(path: Path, outputs: OutputsConfig) -> Iterator[Problem]:
    """
    All that is wrong with them.

    :param path: of the configuration.
    """
    named: list[tuple[str, HttpConfig, tuple[str, ...]]] = []
    if outputs.webhook:
        named.append(("webhook", outputs.webhook, (outputs.webhook.url,)))
    if outputs.alertmanager:
        named.append(("alertmanager", outputs.alertmanager, outputs.alertmanager.urls))
    for name, config, urls in named:
        for trouble in troubles(config, tls=any(url.startswith("https:") for url in urls)):
            # The place is that of the key: the line of a headers file, which would be shown, holds a secret.
            key = f"outputs.{name}.{trouble.key}"
            yield Problem(str(path), *place_of(path, key), Code.FILE.value, f"{key}: {trouble}")
    if outputs.program and (why := _not_executable(outputs.program.command[0])):
        key = "outputs.program.command"
        yield Problem(str(path), *place_of(path, key), Code.FILE.value, f"{key}: {outputs.program.command[0]}: {why}")


def _not_executable(program: str) -> str:
    """Why the daemon could not start a program; empty when it could."""
    try:
        os.stat(program)
    except OSError as err:
        return (err.strerror or str(err)).lower()
    may = os.path.isfile(program) and os.access(program, os.X_OK)
    return "" if may else f"not a file that uid {os.geteuid()} may execute"
