"""
`dataclass` as the standard library has it, in a third of the time, for classes with slots.

That one compiles six functions for each class, one by one: for the 130 classes of the daemon this was a third of what
all imports took, which every start and every command waits for. Here it finds the fields, what is used often is
compiled at one go, and the rest needs no compiler.
"""

import dataclasses
from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, slots, frozen=False, eq=True, order=False, unsafe_hash=False):
        """What these say is in the documentation of the standard library's; there is no `__post_init__`."""
        bare = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)

        def make(cls):
            cls.__doc__ = cls.__doc__ or cls.__name__  # else the signature would be asked for, and there is none yet
            cls = bare(cls)
            fields = dataclasses.fields(cls)
            key = "".join(f"self.{field.name}, " for field in fields if field.compare)
            names = {}
            source = _init(cls, fields, frozen, names)
            if eq:
                source += _comparison("eq", "==", key)
                cls.__hash__ = None
            if unsafe_hash or (eq and frozen):
                source += f"def __hash__(self): return hash(({key}))\n"
            if order:
                for name, sign in _ORDER.items():
                    source += _comparison(name, sign, key)
            methods = {"__repr__": _repr(fields)}
            exec(source, names, methods)
            if frozen:
                methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
            for name, method in methods.items():
                setattr(cls, name, method)
            return cls

        return make

    _ORDER = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}

    def _comparison(name, sign, key):
        of_other = key.replace("self.", "other.")
        return (
            f"def __{name}__(self, other):\n"
            f" return ({key}) {sign} ({of_other}) if other.__class__ is self.__class__ else NotImplemented\n"
        )

    def _init(cls, fields, frozen, names):
        """Its source; what that refers to is put into `names`."""
        parameters = {False: ["self"], True: []}
        body = []
        for field in fields:
            name, value, parameter = field.name, field.name, field.name
            if field.default is not dataclasses.MISSING:
                names[f"_default_{name}"] = field.default
                parameter += f"=_default_{name}"
            elif field.default_factory is not dataclasses.MISSING:
                names |= {f"_make_{name}": field.default_factory, "_NOT_GIVEN": _NOT_GIVEN}
                parameter += "=_NOT_GIVEN"
                value = f"_make_{name}() if {name} is _NOT_GIVEN else {name}"
            parameters[field.kw_only].append(parameter)
            if frozen:  # past `__setattr__`
                names[f"_set_{name}"] = getattr(cls, name).__set__
                body.append(f" _set_{name}(self, {value})\n")
            else:
                body.append(f" self.{name} = {value}\n")
        if parameters[True]:
            parameters[False] += ["*", *parameters[True]]
        return f"def __init__({', '.join(parameters[False])}):\n{''.join(body) or ' pass'}\n"

    _NOT_GIVEN = object()

    def _repr(fields):
        shown = [field.name for field in fields if field.repr]
        return lambda self: (
            f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"
        )

    def _refuse(self, name, *_):
        raise dataclasses.FrozenInstanceError(f"{type(self).__qualname__}.{name} cannot be changed")
