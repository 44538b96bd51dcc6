# SPDX-License-Identifier: Apache-2.0
"""libnetdiag.so.0 as Python sees it: its structs, its functions, its errors and its fields."""

import builtins
import ctypes
import functools
import os
import pathlib
from ctypes import (CFUNCTYPE, POINTER, Structure, Union, byref, c_char, c_char_p, c_int, c_int64,
                    c_size_t, c_uint, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p, sizeof)
from typing import NamedTuple, Optional, Tuple, TypeVar

ABSENT, NUMBER, FLAG, TEXT, ADDRESS = range(5)


# ---- Structs, as in netdiag/c/netdiag.h ----

class CError(Structure):
    _fields_ = [("code", c_int), ("error_number", c_int), ("offset", c_int), ("text", c_char * 500)]


class CField(Structure):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("unit", c_char_p), ("meaning", c_char_p),
                ("type", c_int), ("is_list", c_int)]


class CValueUnion(Union):
    _fields_ = [("number", c_uint64), ("text", c_void_p), ("address", c_uint8 * 16)]


class CValue(Structure):
    _anonymous_ = ["value"]
    _fields_ = [("type", c_uint8), ("reserved", c_uint8 * 3), ("size", c_uint32),
                ("value", CValueUnion)]


class CColumn(Structure):
    _fields_ = [("field", c_int), ("reserved", c_int), ("values", c_void_p), ("first", c_void_p)]


class CBatch(Structure):
    _fields_ = [("rows", c_size_t), ("columns", c_size_t), ("column", POINTER(CColumn)),
                ("texts", c_void_p), ("texts_size", c_size_t)]


class CQueryOptions(Structure):
    _fields_ = [("size", c_size_t), ("filter", c_char_p), ("protocols", c_char_p),
                ("states", c_char_p), ("fields", c_char_p), ("completeness", c_uint),
                ("owner_policy", c_uint), ("bounded_steps", c_uint), ("reserved", c_uint)]


class CBytes(Structure):
    _fields_ = [("data", c_char_p), ("size", c_size_t)]


class COptions(Structure):
    _fields_ = [("size", c_size_t), ("netns", c_char_p), ("proc_root", c_char_p),
                ("all_netns", c_uint), ("owner_source", c_uint), ("threads", c_uint),
                ("reserved", c_uint), ("replay", c_char_p), ("replay_size", c_size_t),
                ("later_replays", POINTER(CBytes)), ("later_replays_count", c_size_t)]


class CSummary(Structure):
    _fields_ = [("size", c_size_t), ("rows", c_uint64), ("complete", c_int), ("stopped", c_int),
                ("gaps", c_char_p)]


class CMonitorOptions(Structure):
    _fields_ = [("size", c_size_t), ("no_events", c_uint), ("receive_buffer", c_uint)]


class CChange(Structure):
    _fields_ = [("seen_for_us", c_uint64), ("last_state", c_char_p), ("kind", c_uint8),
                ("unseen", c_uint8), ("counts_from_start", c_uint8), ("reset", c_uint8),
                ("owners_remembered", c_uint8), ("reserved", c_uint8 * 3)]


class CChanges(Structure):
    _fields_ = [("rows", c_size_t), ("change", POINTER(CChange)), ("values", POINTER(CBatch)),
                ("deltas", POINTER(CBatch))]


CHANGE_VISITOR = CFUNCTYPE(None, c_void_p, POINTER(CChanges))


class CLook(Structure):
    _fields_ = [("size", c_size_t), *[(name, c_uint64) for name in (
        "number", "interval_us", "opened", "lived", "closed", "unseen", "gone", "untold",
        "overruns", "lost", "followed", "memory")],
                ("exact", c_int), ("reserved", c_int), ("gaps", c_char_p)]


class CSocket(Structure):
    _fields_ = [("size", c_size_t), ("protocol", c_char_p), ("local_address", CValue),
                ("remote_address", CValue), ("local_port", c_uint16), ("remote_port", c_uint16),
                ("interface", c_uint32), ("cookie", c_uint64), ("netns", c_uint32),
                ("reserved", c_uint32)]


class CCapability(Structure):
    _fields_ = [("size", c_size_t), ("name", c_char_p), ("is_table", c_int), ("available", c_int),
                ("text", c_char_p)]


def sized(struct, **members):
    """A struct that says its size, as the library wants it."""
    return struct(size=sizeof(struct), **members)


# ---- Errors ----

class Error(Exception):
    """A call failed. `errno` is an errno or 0; `offset` is the place in a filter, or None."""

    def __init__(self, text: str, errno: int = 0, offset: Optional[int] = None):
        super().__init__(text)
        self.errno = errno
        self.offset = offset


class InvalidError(Error, ValueError):
    """An argument or a filter is not valid."""


class TimeoutError(Error, builtins.TimeoutError):
    """The timeout of the call passed."""


class CancelledError(Error):
    """Engine.cancel() ended the call."""


class DeniedError(Error, PermissionError):
    """A privilege is missing."""


class UnsupportedError(Error):
    """This kernel does not have it."""


class NotFoundError(Error, LookupError):
    """There is no such thing."""


class DamagedError(Error):
    """Bytes of the kernel or of a capture contradict their format."""


class BusyError(Error):
    """The engine serves another call."""


class WrongProcessError(Error):
    """The engine is that of the parent process."""


_NO_MEMORY = -2
_ERRORS = {-1: InvalidError, -3: TimeoutError, -4: CancelledError, -5: DeniedError,
           -6: UnsupportedError, -7: NotFoundError, -8: DamagedError, -9: BusyError,
           -10: WrongProcessError}


def error_of(error: CError) -> Exception:
    """The exception for an error of the library."""
    text = error.text.decode("utf-8", "replace")
    if error.code == _NO_MEMORY:
        return MemoryError(text)
    made = _ERRORS.get(error.code, Error)(text)
    # OSError's own __init__ sets these, so they are set after it.
    made.errno = error.error_number
    made.offset = error.offset if error.offset >= 0 else None
    return made


# ---- Functions ----

def _load() -> ctypes.CDLL:
    # The library that was installed together with this package comes first.
    beside = pathlib.Path(__file__).resolve().parents[3] / "libnetdiag.so.0"
    named = os.environ.get("NETDIAG_LIBRARY")
    return ctypes.CDLL(named or (str(beside) if beside.exists() else "libnetdiag.so.0"))


_lib = _load()
_E = POINTER(CError)
_P = c_void_p  # a handle
_SIGNATURES = {
    "netdiag_c_version": (c_int, []),
    "netdiag_version": (c_char_p, []),
    "netdiag_field_count": (c_int, []),
    "netdiag_field_find": (c_int, [c_char_p, _E]),
    "netdiag_field_describe": (c_int, [c_int, POINTER(CField), _E]),
    "netdiag_field_word": (c_char_p, [c_int, c_uint64]),
    "netdiag_query_new": (c_int, [POINTER(CQueryOptions), POINTER(_P), _E]),
    "netdiag_query_columns": (c_size_t, [_P]),
    "netdiag_query_column": (c_int, [_P, c_size_t]),
    "netdiag_query_free": (None, [_P]),
    "netdiag_open": (c_int, [POINTER(COptions), POINTER(_P), _E]),
    "netdiag_close": (None, [_P]),
    "netdiag_begin": (c_int, [_P, _P, _E]),
    "netdiag_step": (c_int, [_P, c_uint64, POINTER(POINTER(CBatch)), _E]),
    "netdiag_fd": (c_int, [_P]),
    "netdiag_engine_summary": (c_int, [_P, POINTER(CSummary), _E]),
    "netdiag_cancel": (None, [_P]),
    "netdiag_take": (c_int, [_P, _P, c_int64, POINTER(_P), _E]),
    "netdiag_snapshot_rows": (c_size_t, [_P]),
    "netdiag_snapshot_summary": (c_int, [_P, POINTER(CSummary), _E]),
    "netdiag_snapshot_read": (c_int, [_P, c_size_t, c_size_t, POINTER(c_int), c_size_t,
                                      POINTER(POINTER(CBatch)), _E]),
    "netdiag_batch_free": (None, [POINTER(CBatch)]),
    "netdiag_snapshot_free": (None, [_P]),
    "netdiag_monitor_open": (c_int, [_P, _P, POINTER(CMonitorOptions), POINTER(_P), _E]),
    "netdiag_monitor_close": (None, [_P]),
    "netdiag_monitor_poll": (c_int, [_P, c_int64, CHANGE_VISITOR, c_void_p, _E]),
    "netdiag_monitor_step": (c_int, [_P, c_uint64, POINTER(POINTER(CChanges)), _E]),
    "netdiag_monitor_look": (c_int, [_P, POINTER(CLook), _E]),
    "netdiag_destroy": (c_int, [_P, POINTER(CSocket), c_size_t, POINTER(c_int), POINTER(CError),
                                _E]),
    "netdiag_capability_at": (c_int, [_P, c_size_t, POINTER(CCapability), _E]),
    "netdiag_kernel": (c_char_p, [_P]),
}
for _name, (_result, _arguments) in _SIGNATURES.items():
    _function = getattr(_lib, _name)
    _function.restype, _function.argtypes = _result, _arguments


def function(name: str):
    """A function of the library that cannot fail, without its prefix."""
    return getattr(_lib, "netdiag_" + name)


_Self = TypeVar("_Self", bound="Handle")


class Handle:
    """What the library has opened. It is closed by `with`, by close(), or when it is forgotten."""

    def __init__(self, name: str, close: str):
        self._name = name
        self._handle = c_void_p()
        self._close = function(close)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_close", None) is not None:
            self.close()

    def close(self) -> None:
        """Releases the descriptors. May be called twice."""
        handle, self._handle = self._handle, c_void_p()
        self._close(handle)

    def _open(self) -> c_void_p:
        if not self._handle:
            raise InvalidError(f"the {self._name} is closed")
        return self._handle


def call(name: str, *arguments) -> int:
    """Calls a function that can fail. Returns its number, or raises its error."""
    error = CError()
    result = getattr(_lib, "netdiag_" + name)(*arguments, byref(error))
    if result < 0:
        raise error_of(error)
    return result


def encode(text: Optional[str]) -> Optional[bytes]:
    """Text for the library; None stays None. Text with a NUL would be cut there, so it is refused."""
    if text is None:
        return None
    if "\0" in text:
        raise InvalidError("text with a NUL")
    return text.encode("utf-8", "surrogateescape")


def decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


# ---- Fields ----

class Field(NamedTuple):
    """Something that can be read of a socket."""

    id: int
    name: str     # "state", "tcp_info.rtt", "owners.pid"
    unit: str     # "", "bytes", "packets", "ms", "us", "bytes_per_second" or "256ths"
    meaning: str  # "counter", "gauge", "enum", "flag", "text" or "identity"
    type: int     # NUMBER, FLAG, TEXT or ADDRESS
    is_list: bool  # a row can have any number of values


@functools.lru_cache(maxsize=None)
def fields() -> Tuple[Field, ...]:
    """All fields, in the order in which diag shows them."""
    made = []
    for number in range(function("field_count")()):
        field = sized(CField)
        call("field_describe", number, byref(field))
        made.append(Field(number, decode(field.name), decode(field.unit), decode(field.meaning),
                          field.type, bool(field.is_list)))
    return tuple(made)


@functools.lru_cache(maxsize=None)
def find_field(name: str) -> Field:
    """Finds a field by its name, its name with the unit, or a short name of ss."""
    return fields()[call("field_find", encode(name))]


def word(name: str, number: int) -> Optional[str]:
    """The word for a code of the field, or for the flag with this index; None: it has none."""
    found = function("field_word")(find_field(name).id, number)
    return None if found is None else decode(found)


def version() -> str:
    """The version of the library."""
    return decode(function("version")())
