# SPDX-License-Identifier: Apache-2.0
"""The connections with the longest round trips, and who holds them: python3 slow.py [COUNT]."""

import sys

import netdiag

with netdiag.Engine() as engine:
    rows = engine.take("state = established", "tcp_info.rtt owners.pid owners.command", protocols="tcp")
    slowest = sorted(rows, key=lambda row: row["tcp_info.rtt"] or 0, reverse=True)
    for row in slowest[:int(sys.argv[1]) if len(sys.argv) > 1 else 10]:
        holders = ", ".join("%d %r" % (owner.pid, owner.command) for owner in row.owners)
        print("%8s us  %s %s -> %s %s  %s" % (row["tcp_info.rtt"], row.local_address, row.local_port,
                                            row.remote_address, row.remote_port, holders))
    for gap in rows.summary.gaps:
        print("not everything:", gap, file=sys.stderr)
