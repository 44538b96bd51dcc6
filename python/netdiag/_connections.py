# SPDX-License-Identifier: Apache-2.0
"""Connections in the terms of psutil 5.9: its named tuples, its kinds, its words for states."""

import os
import socket
from collections import namedtuple
from typing import Dict, Iterable, List, Optional, Tuple

from ._engine import Engine, Query, Summary

addr = namedtuple("addr", ["ip", "port"])
sconn = namedtuple("sconn", ["fd", "family", "type", "laddr", "raddr", "status", "pid"])
pconn = namedtuple("pconn", ["fd", "family", "type", "laddr", "raddr", "status"])

# kind: protocols, families
_KINDS: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    "all": ("tcp udp unix", ("inet", "inet6", "unix")),
    "tcp": ("tcp", ("inet", "inet6")),
    "tcp4": ("tcp", ("inet",)),
    "tcp6": ("tcp", ("inet6",)),
    "udp": ("udp", ("inet", "inet6")),
    "udp4": ("udp", ("inet",)),
    "udp6": ("udp", ("inet6",)),
    "unix": ("unix", ("unix",)),
    "inet": ("tcp udp", ("inet", "inet6")),
    "inet4": ("tcp udp", ("inet",)),
    "inet6": ("tcp udp", ("inet6",)),
}
_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6, "unix": socket.AF_UNIX}
_TYPES = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM,
          "seqpacket": socket.SOCK_SEQPACKET}
_STATES = {"unconnected": "CLOSE", "listening": "LISTEN", "fin-wait-1": "FIN_WAIT1",
           "fin-wait-2": "FIN_WAIT2"}
_FIELDS = "protocol family type state local_address local_port remote_address remote_port name inode"
_MANY = 64  # sockets of a process above which all are read


class Connections(list):
    """Connections, and how the query that found them ended."""

    summary: Summary


def _end(ip: Optional[str], port: Optional[int]):
    return addr(ip, port) if port else ()


def _facts(columns: Iterable[list]):
    """What psutil tells of each socket, and its inode."""
    for protocol, family, kind, state, lip, lport, rip, rport, name, inode in zip(*columns):
        status = "NONE"
        if protocol == "tcp":
            status = _STATES.get(state) or state.upper().replace("-", "_")
        if family == "unix":
            left, right = (name or "").replace("\0", "@"), ""
        else:
            left, right = _end(lip, lport), _end(rip, rport)
        yield (_FAMILIES[family], _TYPES[kind], left, right, status), inode


def _query(kind: str, fields: str, inodes: Iterable[int] = ()) -> Query:
    if kind not in _KINDS:
        raise ValueError("invalid %r kind argument; choose between %s"
                         % (kind, ", ".join(repr(known) for known in _KINDS)))
    protocols, families = _KINDS[kind]
    terms = ["(%s)" % " or ".join("family = " + family for family in families)]
    if inodes:
        terms.append("(%s)" % " or ".join("inode = %d" % inode for inode in inodes))
    return Query(" and ".join(terms), fields, protocols)


def connections(kind: str = "inet", *, proc_root: Optional[str] = None) -> Connections:
    """The sockets of this host, as psutil.net_connections() gives them: a socket of TCP or UDP once,
    with the first of its holders, and a unix socket once for each holder. `pid` is None and `fd` -1
    if there is no holder or none that may be seen. Equal tuples are given once.

    The list has a `summary`, which says whether anything is missing.
    """
    query = _query(kind, _FIELDS + " owners.pid owners.fd")
    with Engine(proc_root=proc_root) as engine:
        columns = engine.columns(query)
    values = list(columns.values())
    made = set()
    for (fact, _), pids, fds in zip(_facts(values[:-2]), values[-2], values[-1]):
        holders = list(zip(fds, pids)) or [(-1, None)]
        for fd, pid in holders if fact[0] == socket.AF_UNIX else holders[:1]:
            made.add(sconn(fd, *fact, pid))
    found = Connections(made)
    found.summary = columns.summary
    return found


def _descriptors(pid: int, proc_root: str) -> Dict[int, List[int]]:
    """The descriptors of a process that are sockets, by inode."""
    held: Dict[int, List[int]] = {}
    directory = "%s/%d/fd" % (proc_root, pid)
    for fd in os.listdir(directory):
        try:
            link = os.readlink(directory + "/" + fd)
        except (FileNotFoundError, ProcessLookupError):
            continue  # closed meanwhile
        if link.startswith("socket:["):
            held.setdefault(int(link[8:-1]), []).append(int(fd))
    return held


def process_connections(pid: int, kind: str = "inet", *,
                        proc_root: Optional[str] = None) -> Connections:
    """The sockets that a process holds, as psutil.Process(pid).connections() gives them, in the
    network namespace of the process. Raises what reading /proc/PID/fd raises: FileNotFoundError or
    ProcessLookupError if there is no such process, PermissionError if it may not be read."""
    root = proc_root or "/proc"
    held = _descriptors(pid, root)
    query = _query(kind, _FIELDS, held if len(held) <= _MANY else ())
    found = Connections()
    if not held:
        found.summary = Summary(0, True, False, ())
        return found
    netns = "%s/%d/ns/net" % (root, pid)
    own = os.stat("/proc/thread-self/ns/net").st_ino == os.stat(netns).st_ino
    with Engine(None if own else netns, proc_root=proc_root) as engine:
        columns = engine.columns(query)
    made = set()
    for fact, inode in _facts(columns.values()):
        fds = held.get(inode, [])
        for fd in fds if fact[0] == socket.AF_UNIX else fds[:1]:
            made.add(pconn(fd, *fact))
    found.extend(made)
    found.summary = columns.summary
    return found


def replace_psutil() -> None:
    """Makes psutil.net_connections() and psutil.Process.connections() use this package. Their
    arguments, named tuples and exceptions stay, and so does psutil.PROCFS_PATH."""
    import psutil
    from psutil import _common, _pslinux

    def net_connections(kind="inet"):
        found = connections(kind, proc_root=_pslinux.get_procfs_path())
        return [_common.sconn(*_renamed(row, _common.addr)) for row in found]

    @_pslinux.wrap_exceptions
    def of_process(self, kind="inet"):
        found = process_connections(self.pid, kind, proc_root=self._procfs_path)
        self._assert_alive()
        return [_common.pconn(*_renamed(row, _common.addr)) for row in found]

    net_connections.__doc__ = psutil.net_connections.__doc__
    psutil.net_connections = _pslinux.net_connections = net_connections
    _pslinux.Process.connections = of_process


def _renamed(row, made):
    return [made(*value) if isinstance(value, addr) else value for value in row]
