"""Pickled pandas DataFrames, read without pandas and without executing anything of the pickle.

A pickle is a program: it names functions and calls them. Here every name that a table of numbers and texts requires
is resolved to an inert stand-in of this module, which only stores its arguments; any other name is refused before it
is looked up. Arrays are assembled afterwards, from plain bytes of plain numbers or from lists, never by numpy's own
unpickling.

| name in the pickle | resolved to |
|---|---|
| pandas.core.frame.DataFrame | Frame |
| pandas.core.internals.managers.BlockManager, pandas._libs.internals._unpickle_block | _Manager, _Block |
| pandas.core.indexes.base._new_Index, Index, RangeIndex, Int64Index | _NewIndex, _Named |
| numpy's _reconstruct, _frombuffer, scalar, dtype, ndarray | _Array, _FromBuffer, _Scalar, _DType, _Named |
| builtins.slice | itself: it contains three numbers |

Written by pandas 1.3 to 2.x, protocols 3 to 5. Later versions store texts in Arrow's memory, which can only be read
back unchecked: save such a table as CSV.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import numpy as np

from routing.importing.errors import UnreadableFile, UnsafePickle

T = TypeVar("T")

PLAIN_DTYPES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})
"""Element types whose bytes are the numbers themselves."""

UNPICKLING_ERRORS = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Exceptions of Python's unpickler on a broken or hostile pickle."""


def read_frame(path: Path) -> dict[str, list[Any]]:
    """Read the table's columns, each a list of numbers, texts or None.

    Raises UnsafePickle where the pickle names something that no table requires, UnreadableFile where it is no such
    table.
    """
    try:
        with path.open("rb") as file:
            frame = _Unpickler(file, path).load()
        if not isinstance(frame, Frame):
            raise UnreadableFile(path, f"it contains a {type(frame).__name__.strip('_')}, not a table")
        return frame.columns()
    except OSError as error:
        raise UnreadableFile(path, str(error.strerror)) from error
    except UNPICKLING_ERRORS as error:
        if isinstance(error, UnreadableFile):
            raise
        raise UnreadableFile(path, f"not a pickled table: {error}") from error


class _Sealed(type):
    """Metaclass of stand-ins that a pickle cannot alter: BUILD sets attributes on any object on the unpickler's
    stack.
    """

    def __setattr__(cls, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{cls.__name__}.{name} is read-only")


class _DType(metaclass=_Sealed):
    def __init__(self, code: str, *_: object) -> None:
        self.code = code
        self.order = "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = str(state[1])

    def array(self, data: object, shape: Any, order: str) -> np.ndarray[Any, Any]:
        """Return the array. Raises ValueError for an element type that is no number, text or object."""
        # Object arrays arrive as lists of values that were themselves unpickled under the same restrictions.
        if self.code in ("O", "O8") and isinstance(data, list):
            values = np.empty(len(data), dtype=object)
            values[:] = data
        elif self.code in PLAIN_DTYPES and isinstance(data, bytes | bytearray):
            # frombuffer only interprets bytes; numpy's own __setstate__ could be given an object dtype over raw
            # memory.
            values = np.frombuffer(data, dtype=(">" if self.order == ">" else "<") + self.code)
        else:
            raise ValueError(f"an array of {self.code} cannot be read")
        return values.reshape(shape, order="F" if order == "F" else "C")


class _Array(metaclass=_Sealed):
    """Stand-in for numpy's _reconstruct: an array whose content follows."""

    def __init__(self, *_: object) -> None:
        self.values: np.ndarray[Any, Any] = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        self.values = _require_type(_DType, dtype).array(data, shape, "F" if is_fortran else "C")


class _FromBuffer(_Array):
    """Stand-in for numpy's _frombuffer: an array in protocol 5."""

    def __init__(self, data: object, dtype: object, shape: Any, order: str, axis_order: Any = None) -> None:
        self.values = _require_type(_DType, dtype).array(data, shape, order)
        if order == "K" and axis_order is not None:
            self.values = self.values.transpose(axis_order)


class _Scalar(metaclass=_Sealed):
    """Stand-in for a numpy number inside a column of objects."""

    def __init__(self, dtype: object, data: object) -> None:
        self.value = _require_type(_DType, dtype).array(data, (1,), "C").tolist()[0]


class _Named(metaclass=_Sealed):
    """Stand-in for a name without content: the kind of an index or array."""


class _NewIndex(metaclass=_Sealed):
    def __init__(self, _: object, state: Mapping[str, Any]) -> None:
        self.state = state

    def labels(self) -> list[Any]:
        return _plain(_require_type(_Array, self.state["data"]).values.tolist())


class _Block(metaclass=_Sealed):
    def __init__(self, values: object, placement: object, *_: object) -> None:
        self.values = _require_type(_Array, values).values
        self.placement = placement

    def places(self, n_columns: int) -> list[int]:
        """Return the column number of every row of values."""
        if isinstance(self.placement, slice):
            return list(range(n_columns)[self.placement])
        return [int(place) for place in _require_type(_Array, self.placement).values]


class _Manager(metaclass=_Sealed):
    def __init__(self, blocks: Any, axes: Any) -> None:
        self.blocks = [_require_type(_Block, block) for block in blocks]
        self.names = _require_type(_NewIndex, axes[0]).labels()


class Frame(metaclass=_Sealed):
    """Stand-in for a DataFrame."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.manager = _require_type(_Manager, state.get("_mgr"))

    def columns(self) -> dict[str, list[Any]]:
        """Return the columns in order. Raises ValueError where the blocks do not form the table."""
        by_place: dict[int, list[Any]] = {}
        for block in self.manager.blocks:
            for place, row in zip(block.places(len(self.manager.names)), block.values, strict=True):
                by_place[place] = _plain(row.tolist())
        if sorted(by_place) != list(range(len(self.manager.names))):
            raise ValueError("columns are missing")
        if len({len(column) for column in by_place.values()}) > 1:
            raise ValueError("columns have different lengths")
        return {str(name): by_place[place] for place, name in enumerate(self.manager.names)}


NUMPY_STAND_INS: Mapping[str, type] = MappingProxyType(
    {
        "multiarray._reconstruct": _Array,
        "multiarray.scalar": _Scalar,
        "numeric._frombuffer": _FromBuffer,
    }
)
STAND_INS: Mapping[str, type] = MappingProxyType(
    {
        "pandas.core.frame.DataFrame": Frame,
        "pandas.core.internals.managers.BlockManager": _Manager,
        "pandas._libs.internals._unpickle_block": _Block,
        "pandas.core.indexes.base._new_Index": _NewIndex,
        "pandas.core.indexes.base.Index": _Named,
        "pandas.core.indexes.range.RangeIndex": _Named,
        "pandas.core.indexes.numeric.Int64Index": _Named,
        "numpy.ndarray": _Named,
        "numpy.dtype": _DType,
        "builtins.slice": slice,
        **{f"numpy.core.{name}": stand_in for name, stand_in in NUMPY_STAND_INS.items()},
        **{f"numpy._core.{name}": stand_in for name, stand_in in NUMPY_STAND_INS.items()},
    }
)
"""All names that are resolved. numpy 2 renamed its core package."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in. Raises UnsafePickle for any other name."""
        # An allow-list looked up by name: nothing is imported, so importing cannot have side effects either.
        stand_in = STAND_INS.get(f"{module}.{name}")
        if stand_in is None:
            raise UnsafePickle(
                self._path,
                f"the pickle names {module}.{name}, which no table requires; nothing was executed. "
                "If the table is your own, for instance from a newer pandas, save it as CSV",
            )
        return stand_in


def _require_type(kind: type[T], value: object) -> T:
    """Return the value, which must be of this type. Raises TypeError."""
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__.strip('_')}, found {type(value).__name__}")
    return value


def _plain(values: list[Any]) -> list[Any]:
    return [value.value if isinstance(value, _Scalar) else value for value in values]
