"""
Compiled programs as they are kept: instructions and maps, with names where a running kernel wants numbers.

A map's descriptor, and what is different at each start, stands in a program as a 64-bit constant, which is two
instructions: BPF_LD_IMM64 with the low half, and one that holds the high half.
"""

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from monitord.dataclass import dataclass

LD_IMM64 = 0x18
PSEUDO_MAP_FD = 1  # BPF_PSEUDO_MAP_FD of uapi/linux/bpf.h, in the place of a source register
BYTES = 8
"""Of an instruction: opcode, registers, 16 bits of offset, 32 bits of constant."""


@dataclass(frozen=True, slots=True)
class MapDefinition:
    """What a map is made from: the fields of struct bpf_map_info."""

    kind: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


@dataclass(frozen=True, slots=True)
class Program:
    """
    One program.

    :ivar type_id: the BTF type of its tracepoint.
    :ivar maps: index of an instruction -> the map whose descriptor it takes.
    :ivar constants: index of an instruction -> the name of the constant that it takes.
    """

    code: bytes
    type_id: int
    maps: Mapping[int, str]
    constants: Mapping[int, str]

    @classmethod
    def of(cls, code: bytes, type_id: int, maps: Mapping[int, str], magic: Mapping[int, str]) -> "Program":
        """
        A program as it was compiled.

        :param maps: descriptor -> map.
        :param magic: value -> the constant that it stands for.
        :raises ValueError: it refers to what is neither.
        """
        found: dict[int, str] = {}
        constants: dict[int, str] = {}
        for at, source, value in _wide(code):
            if source == PSEUDO_MAP_FD and value & 0xFFFFFFFF in maps:
                found[at] = maps[value & 0xFFFFFFFF]
            elif source:
                raise ValueError(f"instruction {at} refers to {value:#x}, of kind {source}")
            elif value in magic:
                constants[at] = magic[value]
        return cls(code, type_id, found, constants)

    def linked(self, maps: Mapping[str, int], constants: Mapping[str, int]) -> bytes:
        """The instructions for this start."""
        code = bytearray(self.code)
        values = {at: maps[name] for at, name in self.maps.items()}
        values |= {at: constants[name] for at, name in self.constants.items()}
        for at, value in values.items():
            struct.pack_into("<I", code, at * BYTES + 4, value & 0xFFFFFFFF)
            struct.pack_into("<I", code, (at + 1) * BYTES + 4, value >> 32)
        return bytes(code)


@dataclass(frozen=True, slots=True)
class Compiled:
    """All programs, and the maps that they share."""

    maps: Mapping[str, MapDefinition]
    programs: Mapping[str, Program]

    def to_bytes(self) -> bytes:
        """As JSON: it is a file, and what reads a file must not execute it."""
        maps = {
            name: [map_.kind, map_.key_size, map_.value_size, map_.max_entries, map_.flags]
            for name, map_ in self.maps.items()
        }
        programs = {
            name: {
                "code": base64.b64encode(program.code).decode(),
                "type_id": program.type_id,
                "maps": list(program.maps.items()),
                "constants": list(program.constants.items()),
            }
            for name, program in self.programs.items()
        }
        return json.dumps({"maps": maps, "programs": programs}).encode()

    @classmethod
    def from_bytes(cls, text: bytes) -> "Compiled":
        """
        What `to_bytes` wrote.

        :raises ValueError: it did not write this.
        """
        try:
            read: dict[str, Any] = json.loads(text)
            maps = {name: MapDefinition(*map(int, numbers)) for name, numbers in read["maps"].items()}
            programs = {
                name: Program(
                    base64.b64decode(program["code"], validate=True),
                    int(program["type_id"]),
                    {int(at): str(map_) for at, map_ in program["maps"]},
                    {int(at): str(constant) for at, constant in program["constants"]},
                )
                for name, program in read["programs"].items()
            }
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"not compiled programs: {error}") from error
        return cls(maps, programs)


def _wide(code: bytes) -> Iterator[tuple[int, int, int]]:
    """Index, source and value of each 64-bit constant."""
    at = 0
    while at < len(code) // BYTES:
        opcode, registers, _, low = struct.unpack_from("<BBHI", code, at * BYTES)
        if opcode != LD_IMM64:
            at += 1
            continue
        (high,) = struct.unpack_from("<I", code, (at + 1) * BYTES + 4)
        yield at, registers >> 4, high << 32 | low
        at += 2
