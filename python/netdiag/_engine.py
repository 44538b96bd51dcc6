# SPDX-License-Identifier: Apache-2.0
"""Engines, queries, and their rows."""

import ctypes
import os
import select
import socket
import struct
import threading
from ctypes import POINTER, byref, c_int, c_void_p
from typing import (Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple,
                    Union)

from . import _library
from ._library import (ABSENT, ADDRESS, FLAG, NUMBER, TEXT, CBatch, CCapability, CError,
                       COptions, CQueryOptions, CSocket, CSummary, Field, InvalidError, call,
                       decode, encode, error_of, find_field, function, sized)

DONE, MORE, WAIT = range(3)
"""What Engine.step() returns first."""

_STEP_US = 5_000  # of a step that no event loop waits for
_CHUNK = 512      # rows whose value of a field is read at once, when one is asked for

_VALUE = struct.Struct("=B3xIQQ")     # type, size, and the two halves of the union
_OCTETS = struct.Struct("=B3xI16s")   # the same for addresses


class Summary(NamedTuple):
    """How a query ended."""

    rows: int
    complete: bool  # nothing is missing, as far as the kernel tells
    stopped: bool
    gaps: Tuple[str, ...]  # what is or may be missing, and why


class Capability(NamedTuple):
    """Something that not every kernel, and not every caller, can do."""

    name: str
    is_table: bool
    available: bool
    text: str  # why it is not available


class Owner(NamedTuple):
    """A descriptor that holds a socket, with its process. A value is None if it was not asked for."""

    pid: Optional[int] = None
    fd: Optional[int] = None
    command: Optional[str] = None
    start_time: Optional[int] = None
    thread: Optional[int] = None
    exe: Optional[str] = None
    args: Optional[str] = None


def _memory(address: Optional[int], size: int) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(address) if size else b"")


def _make_reader(field: Field):
    """A function from the values of a column and the texts of its batch to a list."""
    if field.type == TEXT:
        def read(values, texts, base):
            known: Dict[bytes, str] = {}
            made = []
            for kind, size, where, _ in _VALUE.iter_unpack(values):
                if kind == ABSENT:
                    made.append(None)
                    continue
                raw = bytes(texts[where - base:where - base + size])
                text = known.get(raw)
                if text is None:
                    text = known[raw] = decode(raw)
                made.append(text)
            return made
    elif field.type == ADDRESS:
        def read(values, texts, base):
            known: Dict[bytes, str] = {}
            made = []
            for kind, size, raw in _OCTETS.iter_unpack(values):
                if kind == ABSENT:
                    made.append(None)
                    continue
                text = known.get(raw) if size == 16 else known.get(raw[:4])
                if text is None:
                    octets = raw[:size]
                    family = socket.AF_INET if size == 4 else socket.AF_INET6
                    text = known[octets] = socket.inet_ntop(family, octets)
                made.append(text)
            return made
    elif field.type == FLAG:
        def read(values, texts, base):
            return [None if kind == ABSENT else number != 0
                    for kind, _, number, _ in _VALUE.iter_unpack(values)]
    else:
        def read(values, texts, base):
            return [None if kind == ABSENT else number
                    for kind, _, number, _ in _VALUE.iter_unpack(values)]
    return read


_READERS = {}


def _columns_of(batch: CBatch) -> List[list]:
    """The columns of a batch as lists. The value of a list field is a list for each row."""
    rows, base = batch.rows, batch.texts or 0
    texts = _memory(batch.texts, batch.texts_size)
    columns = []
    for i in range(batch.columns):
        column = batch.column[i]
        reader = _READERS.get(column.field)
        if reader is None:
            reader = _READERS[column.field] = _make_reader(_library.fields()[column.field])
        count, first = rows, None
        if column.first:
            first = (ctypes.c_uint32 * (rows + 1)).from_address(column.first)[:]
            count = first[rows]
        values = reader(_memory(column.values, count * _VALUE.size), texts, base)
        if first is not None:
            values = [values[first[r]:first[r + 1]] for r in range(rows)]
        columns.append(values)
    return columns


class Columns(Dict[str, list]):
    """The columns of an answer by the names of their fields, and its summary."""

    summary: Summary


class Batch:
    """Some rows of a query, as columns: `batch[0]` is the list of the values of the first field."""

    def __init__(self, rows: int, columns: List[list], names: Sequence[str]):
        self.rows = rows
        self.columns = columns
        self.names = names

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, column: Union[int, str]) -> list:
        return self.columns[column if isinstance(column, int) else self.names.index(column)]

    def __iter__(self) -> Iterator[tuple]:
        """The rows, as tuples in the order of the fields."""
        return zip(*self.columns) if self.columns else iter([()] * self.rows)


_COMPLETENESS = ("fast", "exact")
_POLICIES = ("all", "first", "cached")
_SOURCES = ("auto", "proc", "bpf")


def _number_of(what: str, name: str, names: Sequence[str]) -> int:
    if name not in names:
        raise InvalidError("%s is one of %s, and not %r" % (what, ", ".join(names), name))
    return names.index(name)


def _joined(words: Union[None, str, Iterable[str]]) -> Optional[bytes]:
    return encode(words if words is None or isinstance(words, str) else " ".join(words))


class Query:
    """A question: which sockets, and what to read of each. Immutable; any number of engines can ask it.

    filter: an expression of docs/filter.md, with numbers for hosts, services, users and interfaces.
    fields: the names of fields, or of groups of fields ("tcp_info"), as one text or several.
    protocols, states: words, as "tcp udp" and "listen established".
    completeness: "fast" or "exact". owners: "all", "first" or "cached".
    """

    def __init__(self, filter: Optional[str] = None,
                 fields: Union[None, str, Iterable[str]] = None,
                 protocols: Union[None, str, Iterable[str]] = None,
                 states: Union[None, str, Iterable[str]] = None, *, completeness: str = "fast",
                 owners: str = "all", bounded_steps: bool = False):
        self._handle = c_void_p()
        options = sized(CQueryOptions, filter=encode(filter), fields=_joined(fields),
                        protocols=_joined(protocols), states=_joined(states),
                        completeness=_number_of("completeness", completeness, _COMPLETENESS),
                        owner_policy=_number_of("owners", owners, _POLICIES),
                        bounded_steps=bounded_steps)
        call("query_new", byref(options), byref(self._handle))
        count = function("query_columns")(self._handle)
        self.fields: Tuple[Field, ...] = tuple(
            _library.fields()[function("query_column")(self._handle, i)] for i in range(count))
        self.names: Tuple[str, ...] = tuple(field.name for field in self.fields)

    def __del__(self, free=function("query_free")):
        free(self._handle)


class Row:
    """One socket of a Snapshot. Its fields are read when they are asked for, of many rows at once.

    row.state, row["tcp_info.rtt"], row.owners. A field that the query did not ask for is an error
    (InvalidError), unless the kernel tells it anyway.
    """

    __slots__ = ("_snapshot", "_index")

    def __init__(self, snapshot: "Snapshot", index: int):
        self._snapshot = snapshot
        self._index = index

    def __getitem__(self, name: str) -> Any:
        return self._snapshot._value(find_field(name), self._index)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except _library.NotFoundError as error:
            raise AttributeError(str(error)) from None

    @property
    def owners(self) -> List[Owner]:
        """The descriptors that hold the socket, with what the query asked for of each."""
        return self._snapshot._owners(self._index)

    def __repr__(self) -> str:
        return "<netdiag.Row %s %s>" % (self["protocol"], self["state"])


class Snapshot(Sequence[Row]):
    """All rows of a query. It does not need its engine any more. Several threads may read it."""

    def __init__(self, handle: c_void_p, query: Query):
        self._handle = handle
        self._rows = function("snapshot_rows")(handle)
        self._chunks: Dict[Tuple[int, int], list] = {}
        self._owner_fields = [field for field in query.fields if field.name.startswith("owners.")]
        summary = sized(CSummary)
        call("snapshot_summary", handle, byref(summary))
        self.summary: Summary = _summary(summary)

    def __del__(self, free=function("snapshot_free")):
        free(self._handle)

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [Row(self, i) for i in range(*index.indices(self._rows))]
        if index < 0:
            index += self._rows
        if not 0 <= index < self._rows:
            raise IndexError("row %d of %d" % (index, self._rows))
        return Row(self, index)

    def __iter__(self) -> Iterator[Row]:
        return (Row(self, i) for i in range(self._rows))

    def columns(self, fields: Union[str, Iterable[str]]) -> Columns:
        """The named fields of all rows."""
        found = [find_field(name)
                 for name in (fields.split() if isinstance(fields, str) else fields)]
        columns = Columns(zip([field.name for field in found], self._read(0, self._rows, found)))
        columns.summary = self.summary
        return columns

    def _read(self, begin: int, count: int, fields: Sequence[Field]) -> List[list]:
        batch = POINTER(CBatch)()
        ids = (c_int * len(fields))(*[field.id for field in fields])
        call("snapshot_read", self._handle, begin, count, ids, len(fields), byref(batch))
        try:
            return _columns_of(batch.contents)
        finally:
            function("batch_free")(batch)

    def _value(self, field: Field, index: int) -> Any:
        key = (field.id, index // _CHUNK)
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunks[key] = self._read(key[1] * _CHUNK, _CHUNK, [field])[0]
        return chunk[index % _CHUNK]

    def _owners(self, index: int) -> List[Owner]:
        if not self._owner_fields:
            raise InvalidError("the query of this snapshot did not ask for owners")
        lists = {field.name[len("owners."):]: self._value(field, index)
                 for field in self._owner_fields}
        known = [name for name in Owner._fields if name in lists]
        return [Owner(**dict(zip(known, values)))
                for values in zip(*[lists[name] for name in known])]


def _summary(summary: CSummary) -> Summary:
    gaps = decode(summary.gaps)
    return Summary(summary.rows, bool(summary.complete), bool(summary.stopped),
                   tuple(gaps.split("\n")) if gaps else ())


class Engine(_library.Handle):
    """Asks the kernel. Use it in a `with` statement, or call close().

    netns: a name of `ip netns`, a path or a pid. all_netns: all network namespaces.
    owner_source: "auto", "proc" or "bpf". threads: above 1, take() reads with several threads.
    replay: the bytes of a capture, to be read in the place of the kernel; or several, for the first
    query, the second and so on. The last one answers all later queries.
    """

    def __init__(self, netns: Optional[str] = None, *, all_netns: bool = False,
                 proc_root: Optional[str] = None, owner_source: str = "auto", threads: int = 1,
                 replay: Union[None, bytes, Sequence[bytes]] = None):
        super().__init__("engine", "close")
        self._lock = threading.Lock()
        # The library reads them, so they must stay.
        first, *later = self._replays = [replay] if isinstance(replay, bytes) else [
            *(replay or [None])]
        rest = (_library.CBytes * len(later))(*[(data, len(data)) for data in later])
        options = sized(COptions, netns=encode(netns), proc_root=encode(proc_root),
                        all_netns=all_netns, threads=threads,
                        owner_source=_number_of("owner_source", owner_source, _SOURCES),
                        replay=first, replay_size=len(first or b""), later_replays=rest,
                        later_replays_count=len(later))
        call("open", byref(options), byref(self._handle))

    # ---- Queries that wait ----

    def take(self, filter: Union[None, str, Query] = None,
             fields: Union[None, str, Iterable[str]] = None, *, timeout: Optional[float] = None,
             **options) -> Snapshot:
        """All rows of a query, to be read field by field. `timeout` is in seconds; further options
        are those of Query, which can also be given itself."""
        query = filter if isinstance(filter, Query) else Query(filter, fields, **options)
        snapshot = c_void_p()
        micros = -1 if timeout is None else max(0, int(timeout * 1e6))
        with self._lock:
            call("take", self._open(), query._handle, micros, byref(snapshot))
        return Snapshot(snapshot, query)

    def batches(self, query: Query) -> Iterator[Batch]:
        """The rows of a query, some hundred at a time, without keeping them. The engine must not
        be used for anything else before the end."""
        self.begin(query)
        while True:
            state, batch = self.step(_STEP_US)
            if batch.rows:
                yield batch
            if state == DONE:
                return
            if state == WAIT:
                poll = select.poll()
                poll.register(self.fileno(), select.POLLIN)
                poll.poll()

    def columns(self, filter: Union[None, str, Query] = None,
                fields: Union[None, str, Iterable[str]] = None, **options) -> Columns:
        """The fields of all rows, as one list each: {"local_port": [22, 80], ...}."""
        query = filter if isinstance(filter, Query) else Query(filter, fields, **options)
        whole: List[list] = [[] for _ in query.fields]
        for batch in self.batches(query):
            for column, more in zip(whole, batch.columns):
                column.extend(more)
        columns = Columns(zip(query.names, whole))
        columns.summary = self.summary
        return columns

    def cancel(self) -> None:
        """Ends the take() that runs on another thread, which raises CancelledError."""
        function("cancel")(self._open())

    # ---- Event loops ----

    def begin(self, query: Query) -> None:
        """Begins a query for step(). Drops one that has not ended."""
        with self._lock:
            call("begin", self._open(), query._handle)
            self._query = query

    def step(self, budget_us: int = 1000) -> Tuple[int, Batch]:
        """Goes on for at most this CPU time. Returns the rows that came, and DONE, MORE (call
        again), or WAIT (call again when fileno() is readable)."""
        batch = POINTER(CBatch)()
        with self._lock:
            state = call("step", self._open(), budget_us, byref(batch))
            return state, Batch(batch.contents.rows, _columns_of(batch.contents),
                                self._query.names)

    def fileno(self) -> int:
        """The descriptor to wait for; -1: none. It can change with every step."""
        return function("fd")(self._open())

    @property
    def summary(self) -> Summary:
        """How the last query of columns(), batches() or step() ended."""
        summary = sized(CSummary)
        with self._lock:
            call("engine_summary", self._open(), byref(summary))
            return _summary(summary)

    # ---- Other questions ----

    def capabilities(self) -> Dict[str, Capability]:
        """What this kernel can answer, by name. The first call takes some 10 ms."""
        found = {}
        capability = sized(CCapability)
        with self._lock:
            try:
                for i in range(1000):
                    call("capability_at", self._open(), i, byref(capability))
                    name = decode(capability.name)
                    found[name] = Capability(name, bool(capability.is_table),
                                             bool(capability.available), decode(capability.text))
            except _library.NotFoundError:
                return found
        return found

    @property
    def kernel(self) -> str:
        """`uname -r`; for a capture, of the host where it was made."""
        with self._lock:
            return decode(function("kernel")(self._open()))

    def destroy(self, rows: Iterable[Row]) -> List[Tuple[str, str]]:
        """Closes sockets of TCP, UDP or raw, whichever process holds them. Needs CAP_NET_ADMIN.
        Returns for each ("closed" | "gone" | "not_selectable" | "refused", why)."""
        names = [_socket_of(row) for row in rows]
        outcomes = (c_int * len(names))()
        reasons = (CError * len(names))()
        with self._lock:
            call("destroy", self._open(), (CSocket * len(names))(*names), len(names), outcomes,
                 reasons)
        words = ("closed", "gone", "not_selectable", "refused")
        return [(words[outcome], decode(reason.text))
                for outcome, reason in zip(outcomes, reasons)]


def _socket_of(row: Row) -> CSocket:
    made = sized(CSocket, protocol=encode(row["protocol"]), interface=row["interface"] or 0,
                 cookie=row["cookie"], netns=row["netns"] or 0,
                 local_port=row["local_port"] or 0, remote_port=row["remote_port"] or 0)
    for name in ("local_address", "remote_address"):
        text = row[name] or "0.0.0.0"
        octets = socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
        end = getattr(made, name)
        end.type, end.size = ADDRESS, len(octets)
        ctypes.memmove(byref(end, type(end).value.offset), octets, len(octets))
    return made
