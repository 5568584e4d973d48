"""Read a pickle without running anything in it.

A pickle is a program for a small stack machine. This one knows the instructions and nothing of Python's classes: a
name becomes a `Global`, a call of an unknown one a `StandIn`. What is called for real is a table of functions of our
own that make plain data and descriptions of tensors. Nothing recurses, so that no nesting is too deep.
"""

from __future__ import annotations

import pickletools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import IO, Any

from eigentrail.weights.readers.inert import InertArray, InertDtype, InertRecord
from eigentrail.weights.readers.stand_ins import Global, StandIn

#: What a malformed pickle leads its reader into.
BROKEN = (ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, EOFError, MemoryError)

_PLAIN_KEYS = (str, int, float, bytes, type(None))
_LONGEST_KEY = 16
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


class PickleMachine:
    """One pickle, read to its end.

    Attributes:
        replaced: {class or function that the file names: how many of its objects are stand-ins}.

    Args:
        file: where the pickle begins; afterwards it stands behind the pickle.
        rebuild: the functions of our own, by the names that files call them.
        persistent: takes what the pickle says about an object that lies elsewhere, such as a storage.
    """

    def __init__(
        self, file: IO[bytes], rebuild: Mapping[str, Callable[..., Any]], persistent: Callable[[Any], Any]
    ) -> None:
        self.replaced: Counter[str] = Counter()
        self._file, self._rebuild, self._persistent = file, rebuild, persistent
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[Any, Any] = {}

    def run(self) -> Any:
        """Read the pickle.

        Returns:
            What it describes: dicts, lists, tuples, numbers and texts, `StoredTensor`s and stand-ins.

        Raises:
            ValueError: it is no pickle, or malformed.
        """
        push = self._stack.append
        for code, argument, _ in pickletools.genops(self._file):
            name = code.name
            if name in _VALUES:
                push(bytes(argument) if isinstance(argument, bytearray) else argument)
            elif name in _CONSTANTS:
                push(_CONSTANTS[name])
            elif name in {"BINPUT", "LONG_BINPUT", "PUT"}:
                self._memo[argument] = self._stack[-1]
            elif name == "MEMOIZE":
                self._memo[len(self._memo)] = self._stack[-1]
            elif name in {"BINGET", "LONG_BINGET", "GET"}:
                push(self._memo[argument])
            elif name == "STOP":
                return self._stack.pop()
            elif name not in {"PROTO", "FRAME"}:
                step = getattr(self, f"_do_{name.lower()}", None)
                if step is None:
                    raise ValueError(f"the instruction {name} has no place in a checkpoint")
                step(argument)
        raise ValueError("it ends before its end")

    def _marked(self) -> list[Any]:
        place = self._marks.pop()
        found = self._stack[place:]
        del self._stack[place:]
        return found

    def _call(self, function: Any, arguments: Any) -> Any:
        arguments = arguments if isinstance(arguments, tuple) else ()
        name = function.name if isinstance(function, Global) else "an object that is called"
        known = self._rebuild.get(name)
        if known is not None:
            return known(*arguments)
        self.replaced[name] += 1
        return StandIn(name, arguments)

    def _do_mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _do_pop(self, _: Any) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _do_pop_mark(self, _: Any) -> None:
        self._marked()

    def _do_dup(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _do_empty_list(self, _: Any) -> None:
        self._stack.append([])

    _do_empty_set = _do_empty_list  # a set's elements need hashes of their own: a list does

    def _do_empty_dict(self, _: Any) -> None:
        self._stack.append({})

    def _do_list(self, _: Any) -> None:
        self._stack.append(self._marked())

    _do_frozenset = _do_list

    def _do_tuple(self, _: Any) -> None:
        self._stack.append(tuple(self._marked()))

    def _do_tuple1(self, _: Any) -> None:
        self._stack[-1:] = [tuple(self._stack[-1:])]

    def _do_tuple2(self, _: Any) -> None:
        self._stack[-2:] = [(self._stack[-2], self._stack[-1])]

    def _do_tuple3(self, _: Any) -> None:
        self._stack[-3:] = [(self._stack[-3], self._stack[-2], self._stack[-1])]

    def _do_dict(self, _: Any) -> None:
        items = self._marked()
        self._stack.append({})
        self._set(self._stack[-1], items)

    def _do_append(self, _: Any) -> None:
        value = self._stack.pop()
        self._extend(self._stack[-1], [value])

    def _do_appends(self, _: Any) -> None:
        values = self._marked()
        self._extend(self._stack[-1], values)

    _do_additems = _do_appends

    def _do_setitem(self, _: Any) -> None:
        items = self._stack[-2:]
        del self._stack[-2:]
        self._set(self._stack[-1], items)

    def _do_setitems(self, _: Any) -> None:
        items = self._marked()
        self._set(self._stack[-1], items)

    def _extend(self, target: Any, values: list[Any]) -> None:
        if isinstance(target, StandIn):
            for value in values:
                target.add(value)
        elif type(target) is list:
            target.extend(values)
        else:
            raise ValueError(f"elements for a {type(target).__name__}")

    def _set(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict) or len(items) % 2:
            raise ValueError(f"items for a {type(target).__name__}")
        for key, value in zip(items[0::2], items[1::2], strict=True):
            target[_key(key)] = value

    def _do_global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(Global(f"{module}.{name}"))

    def _do_stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise ValueError("a name that is no text")
        self._stack.append(Global(f"{module}.{name}"))

    def _do_ext1(self, argument: int) -> None:
        self._stack.append(Global(f"extension code {argument}"))

    _do_ext2 = _do_ext1
    _do_ext4 = _do_ext1

    def _do_inst(self, argument: str) -> None:
        arguments = tuple(self._marked())
        self._do_global(argument)
        self._stack[-1] = self._call(self._stack[-1], arguments)

    def _do_obj(self, _: Any) -> None:
        function, *arguments = self._marked()
        self._stack.append(self._call(function, tuple(arguments)))

    def _do_reduce(self, _: Any) -> None:
        arguments = self._stack.pop()
        self._stack[-1] = self._call(self._stack[-1], arguments)

    _do_newobj = _do_reduce

    def _do_newobj_ex(self, _: Any) -> None:
        self._stack.pop()  # arguments by name
        self._do_reduce(None)

    def _do_build(self, _: Any) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, StandIn):
            target.build(state)
        elif isinstance(target, (InertArray, InertDtype, InertRecord)):
            target.__setstate__(state)
        # Attributes of anything else, such as the versions that torch hangs on a state dict, are let go.

    def _do_binpersid(self, _: Any) -> None:
        self._stack[-1] = self._persistent(self._stack[-1])

    def _do_persid(self, argument: str) -> None:
        self._stack.append(self._persistent(argument))


def _key(key: Any) -> Any:
    """A key whose hash runs no code and does not recurse: others become a text of their own."""
    if isinstance(key, _PLAIN_KEYS):
        return key
    if _plain_tuple(key):
        return key
    if isinstance(
        key, StandIn
    ):  # a record of plain values, as the index of a distributed checkpoint has them
        parts = tuple(key.values())
        if len(parts) <= _LONGEST_KEY and all(isinstance(p, _PLAIN_KEYS) or _plain_tuple(p) for p in parts):
            return (key.kind, *parts)
    return key.name if isinstance(key, Global) else f"{type(key).__name__} {id(key):x}"


def _plain_tuple(key: Any) -> bool:
    return (
        type(key) is tuple and len(key) <= _LONGEST_KEY and all(isinstance(part, _PLAIN_KEYS) for part in key)
    )
