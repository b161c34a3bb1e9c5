"""The catalogue of fields, one module per class of names."""

from collections.abc import Mapping
from types import MappingProxyType

from monitord.rules.field import Field
from monitord.rules.fields.container import CONTAINER_FIELDS
from monitord.rules.fields.descriptor import DESCRIPTOR_FIELDS
from monitord.rules.fields.event import EVENT_FIELDS
from monitord.rules.fields.identity import IDENTITY_FIELDS
from monitord.rules.fields.process import PROCESS_FIELDS

CATALOGUE: Mapping[str, Field] = MappingProxyType(
    {
        field.name: field
        for field in (*EVENT_FIELDS, *PROCESS_FIELDS, *IDENTITY_FIELDS, *DESCRIPTOR_FIELDS, *CONTAINER_FIELDS)
    }
)
"""Every field, by its name without an argument."""
