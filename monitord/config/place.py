"""Where in the file a key is: for what is wrong with its value, and not known before something was opened."""

from pathlib import Path

import yaml

from monitord.config.file import read_file


def place_of(path: Path, name: str) -> tuple[int, int]:
    """
    Line and column of the value of a key, 1-based.

    :param path: of a configuration that was read without mistakes.
    :param name: as in messages: ``outputs.webhook.ca_file``.
    :return: (0, 0) when it is not there any more.
    """
    try:
        node = yaml.compose(read_file(path), yaml.SafeLoader)
    except (OSError, yaml.YAMLError):
        return 0, 0
    for key in name.split("."):
        values = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for found, value in values if found.value == key), None)
    return (node.start_mark.line + 1, node.start_mark.column + 1) if node else (0, 0)
