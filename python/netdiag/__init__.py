# SPDX-License-Identifier: Apache-2.0
"""Sockets of Linux, their counters, and the processes that hold them.

    import netdiag

    with netdiag.Engine() as engine:
        for row in engine.take("state = listen", fields="owners.command"):
            print(row.local_address, row.local_port, [owner.command for owner in row.owners])
        columns = engine.columns("state = established", "remote_address tcp_info.rtt")
        print(max(columns["tcp_info.rtt"]))

    for connection in netdiag.connections("tcp"):    # as psutil.net_connections()
        print(connection.laddr, connection.status, connection.pid)

    with netdiag.Engine() as engine, netdiag.Monitor(engine, fields="bytes_acked") as monitor:
        gained = sum(change.delta("bytes_acked") or 0 for change in monitor.poll())

The package reads libnetdiag.so.0 by ctypes and needs nothing else. Values are int, bool, str, or None
if the kernel does not tell them. Addresses are text. Text that is not UTF-8 has surrogates, as file
names in Python have. docs/filter.md has the language of filters, docs/output.md has all fields.

Threads: an Engine serves one call at a time, and makes others wait. The GIL is free meanwhile.
fork: a child must open its own Engine; that of its parent raises WrongProcessError. Snapshots can be
used on.
"""

from ._connections import (
    Connections,
    addr,
    connections,
    pconn,
    process_connections,
    replace_psutil,
    sconn,
)
from ._engine import (
    DONE,
    MORE,
    WAIT,
    Batch,
    Capability,
    Columns,
    Engine,
    Owner,
    Query,
    Row,
    Snapshot,
    Summary,
)
from ._library import (
    BusyError,
    CancelledError,
    DamagedError,
    DeniedError,
    Error,
    Field,
    InvalidError,
    NotFoundError,
    TimeoutError,
    UnsupportedError,
    WrongProcessError,
    fields,
    find_field,
    version,
    word,
)
from ._monitor import CLOSED, GONE, LINGERS, LIVED, OPENED, UNTOLD, Change, Look, Monitor

__version__ = version()

__all__ = [
    "Batch", "BusyError", "CancelledError", "Capability", "Change", "CLOSED", "Columns",
    "Connections", "DamagedError", "DeniedError", "DONE", "Engine", "Error", "Field", "GONE",
    "InvalidError", "LINGERS", "LIVED", "Look", "Monitor", "MORE", "NotFoundError", "OPENED", "Owner", "Query",
    "Row", "Snapshot", "Summary", "TimeoutError", "UnsupportedError", "UNTOLD", "WAIT",
    "WrongProcessError", "addr", "connections", "fields", "find_field", "pconn",
    "process_connections", "replace_psutil", "sconn", "version", "word",
]
