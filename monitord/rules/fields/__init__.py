"""The catalogue of fields, one module per class of names."""

from collections.abc import Mapping
from types import MappingProxyType

from monitord.rules.field import Field
from monitord.rules.fields.access import ACCESS_FIELDS
from monitord.rules.fields.container import CONTAINER_FIELDS
from monitord.rules.fields.correlation import CORRELATION_FIELDS
from monitord.rules.fields.descriptor import DESCRIPTOR_FIELDS
from monitord.rules.fields.environment import ENVIRONMENT_FIELDS
from monitord.rules.fields.event import EVENT_FIELDS
from monitord.rules.fields.executable import EXECUTABLE_FIELDS
from monitord.rules.fields.family import FAMILY_FIELDS
from monitord.rules.fields.groups import GROUPS_FIELDS
from monitord.rules.fields.identity import IDENTITY_FIELDS
from monitord.rules.fields.path import PATH_FIELDS
from monitord.rules.fields.placement import UNIT_FIELDS
from monitord.rules.fields.process import PROCESS_FIELDS
from monitord.rules.fields.socket import SOCKET_FIELDS
from monitord.rules.fields.time import TIME_FIELDS
from monitord.rules.fields.tree import TREE_FIELDS

CATALOGUE: Mapping[str, Field] = MappingProxyType(
    {
        field.name: field
        for fields in (
            *(EVENT_FIELDS, TIME_FIELDS, ACCESS_FIELDS),
            *(
                PROCESS_FIELDS,
                ENVIRONMENT_FIELDS,
                EXECUTABLE_FIELDS,
                FAMILY_FIELDS,
                TREE_FIELDS,
                GROUPS_FIELDS,
                IDENTITY_FIELDS,
            ),
            *(DESCRIPTOR_FIELDS, PATH_FIELDS, SOCKET_FIELDS, CONTAINER_FIELDS, UNIT_FIELDS, CORRELATION_FIELDS),
        )
        for field in fields
    }
)
"""Every field, by its name without an argument."""
