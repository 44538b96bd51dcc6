# SPDX-License-Identifier: Apache-2.0
"""Monitors: what changed from look to look."""

from ctypes import POINTER, byref, c_void_p
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple, Union

from . import _library
from ._engine import Engine, Owner, Query, _columns_of
from ._library import (CChange, CChanges, CLook, CMonitorOptions, Handle, InvalidError, call,
                       decode, find_field, sized)

OPENED, LIVED, CLOSED, GONE, LINGERS, UNTOLD = (
    "opened", "lived", "closed", "gone", "lingers", "untold")
"""The kinds of a Change. gone: no query gives the socket any more, and no event came. lingers: an
earlier change closed it, and the kernel has it in TIME_WAIT; no deltas. untold: a row that cannot
be followed, because its source tells no cookie."""

_KINDS = (OPENED, LIVED, CLOSED, GONE, LINGERS, UNTOLD)
_UNTOLD = 2 ** 64 - 1


class Look(NamedTuple):
    """How a look ended. The counts are of sockets; `closed` has `unseen`, too."""

    number: int      # from 1
    interval: float  # seconds since the look before began; 0 at the first
    opened: int
    lived: int
    closed: int
    unseen: int      # opened and closed since the last look
    gone: int
    untold: int
    overruns: int    # how often the receive buffer for events was full since the last look
    lost: Optional[int]  # events that were lost since then; None: the kernel does not tell
    followed: int    # sockets that the monitor knows now
    memory: int      # bytes that it takes
    exact: bool      # the deltas are all that there was; False: `gaps` says why not
    gaps: Tuple[str, ...]


class Change:
    """What a look found out about one socket.

    change["state"]: a field of the query, as the newest row of the socket has it.
    change.delta("bytes_acked"): what a counter of the query has gained since the last look.
    """

    __slots__ = ("kind", "last_state", "seen_for", "unseen", "counts_from_start", "reset",
                 "owners_remembered", "_values", "_deltas")

    kind: str                  # OPENED, LIVED, CLOSED, GONE, LINGERS or UNTOLD
    last_state: Optional[str]  # the state at the last look
    seen_for: float            # seconds since the socket was first seen
    unseen: bool               # it opened and closed since the last look
    counts_from_start: bool    # False: what it carried before it was seen is unknown
    reset: bool                # it was connected anew, so its counters began again
    owners_remembered: bool    # its owners were found by an earlier look

    def __init__(self, raw: CChange, values: Dict[str, Any], deltas: Dict[str, Any]):
        self.kind = _KINDS[raw.kind]
        self.last_state = decode(raw.last_state) if raw.last_state is not None else None
        self.seen_for = raw.seen_for_us / 1e6
        self.unseen = bool(raw.unseen)
        self.counts_from_start = bool(raw.counts_from_start)
        self.reset = bool(raw.reset)
        self.owners_remembered = bool(raw.owners_remembered)
        self._values = values
        self._deltas = deltas

    def __getitem__(self, name: str) -> Any:
        return _named(name, self._values, "field of the monitor's query")

    def delta(self, name: str) -> Optional[int]:
        """What the counter has gained since the last look; None if the socket has no such counter.
        Of a new socket its whole value, or 0 if the socket may be older than the last look."""
        return _named(name, self._deltas, "counter of the monitor's query")

    @property
    def owners(self) -> List[Owner]:
        """The descriptors that hold the socket, or held it at the last look, with what the query
        asked for of each."""
        lists = {name[len("owners."):]: values for name, values in self._values.items()
                 if name.startswith("owners.")}
        known = [name for name in Owner._fields if name in lists]
        return [Owner(**dict(zip(known, values)))
                for values in zip(*[lists[name] for name in known])]

    def __repr__(self) -> str:
        return "<netdiag.Change %s %r>" % (self.kind, self._values)


def _named(name: str, values: Dict[str, Any], what: str) -> Any:
    if name not in values:
        name = find_field(name).name
    if name not in values:
        raise InvalidError("%s is no %s" % (name, what))
    return values[name]


def _changes_of(changes: CChanges) -> List[Change]:
    """The changes of the library's struct, copied."""
    def rows(batch) -> List[Dict[str, Any]]:
        names = [_library.fields()[batch.column[i].field].name for i in range(batch.columns)]
        columns = _columns_of(batch)
        return [dict(zip(names, row)) for row in zip(*columns)] if columns else []

    values, deltas = rows(changes.values.contents), rows(changes.deltas.contents)
    return [Change(changes.change[i], values[i] if values else {}, deltas[i] if deltas else {})
            for i in range(changes.rows)]


class Monitor(Handle):
    """Follows the sockets of a query from look to look: which opened, which closed, and what each
    has carried in between. Use it in a `with` statement, or call close().

        with netdiag.Engine() as engine, netdiag.Monitor(
                engine, fields="owners.command bytes_acked bytes_received", protocols="tcp") as monitor:
            for change in monitor.poll():
                print(change.kind, change.owners, change.delta("bytes_received"))

    A look also reads the kernel's events of closed sockets. So a TCP connection that ends in order
    is counted to the byte, even if it lived between two looks only. docs/monitor.md says what is
    exact. close() may be called after the engine was closed.

    engine: runs the looks, and must stay open. filter, fields and further options: those of Query,
    which can also be given itself. events: False does not follow the kernel's events; what closes is
    then gone, without its last bytes. receive_buffer: for events, in bytes; 0: 8 MiB.

    Threads and fork: as Engine.
    """

    def __init__(self, engine: Engine, filter: Union[None, str, Query] = None,
                 fields: Union[None, str, Iterable[str]] = None, *, events: bool = True,
                 receive_buffer: int = 0, **options):
        super().__init__("monitor", "monitor_close")
        self._engine = engine
        query = filter if isinstance(filter, Query) else Query(filter, fields, **options)
        given = sized(CMonitorOptions, no_events=not events, receive_buffer=receive_buffer)
        with engine._lock:
            call("monitor_open", engine._open(), query._handle, byref(given), byref(self._handle))

    def _open(self) -> c_void_p:
        self._engine._open()
        return super()._open()

    def poll(self, timeout: Optional[float] = None) -> List[Change]:
        """Makes one look. The first gives every socket as opened. `timeout` is in seconds;
        Engine.cancel() ends the look, too. After an error the monitor can look again."""
        found: List[Change] = []
        errors: List[BaseException] = []

        def visit(_, changes):
            try:
                found.extend(_changes_of(changes.contents))
            except BaseException as error:  # it must not pass through the library
                errors.append(error)

        micros = -1 if timeout is None else max(0, int(timeout * 1e6))
        with self._engine._lock:
            call("monitor_poll", self._open(), micros, _library.CHANGE_VISITOR(visit), None)
        if errors:
            raise errors[0]
        return found

    def step(self, budget_us: int = 1000) -> Tuple[int, List[Change]]:
        """Goes on with a look for at most this CPU time, or begins one. Returns DONE at its end,
        MORE (call again) or WAIT (call again when Engine.fileno() is readable), and changes.
        Another query of the engine drops a look that has not ended."""
        changes = POINTER(CChanges)()
        with self._engine._lock:
            state = call("monitor_step", self._open(), budget_us, byref(changes))
            return state, _changes_of(changes.contents)

    @property
    def look(self) -> Look:
        """The last look that has ended."""
        raw = sized(CLook)
        with self._engine._lock:
            call("monitor_look", self._open(), byref(raw))
            gaps = decode(raw.gaps)
        return Look(raw.number, raw.interval_us / 1e6, raw.opened, raw.lived, raw.closed,
                    raw.unseen, raw.gone, raw.untold, raw.overruns,
                    None if raw.lost == _UNTOLD else raw.lost, raw.followed, raw.memory,
                    bool(raw.exact), tuple(gaps.split("\n")) if gaps else ())
