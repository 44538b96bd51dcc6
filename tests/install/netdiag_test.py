"""The Python package against sockets that this process makes."""

import contextlib
import gc
import os
import select
import socket
import struct
import sys
import threading
import time
import unittest

import netdiag


@contextlib.contextmanager
def connected(count=1):
    """A listener, and connections to it: (listener, [(client, server)])."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        pairs = []
        for _ in range(count):
            client = stack.enter_context(socket.create_connection(listener.getsockname()))
            pairs.append((client, stack.enter_context(listener.accept()[0])))
        yield listener, pairs


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


class Fields(unittest.TestCase):
    def test_have_names_units_and_words(self):
        names = [field.name for field in netdiag.fields()]
        self.assertEqual(len(names), len(set(names)))
        rtt = netdiag.find_field("rtt_us")
        self.assertEqual((rtt.name, rtt.unit, rtt.meaning), ("tcp_info.rtt", "us", "gauge"))
        self.assertTrue(netdiag.find_field("owners.pid").is_list)
        self.assertEqual(netdiag.word("tcp_info.ca_state", 3), "recovery")
        self.assertIsNone(netdiag.word("inode", 3))
        with self.assertRaisesRegex(netdiag.NotFoundError, "local_port"):
            netdiag.find_field("locl_port")


class Rows(unittest.TestCase):
    def test_are_read_when_they_are_asked_for(self):
        with netdiag.Engine() as engine, connected() as (listener, [(client, server)]):
            rows = engine.take("sport = %d" % client.getsockname()[1],
                               "tcp_info.bytes_acked owners.pid owners.fd owners.command",
                               protocols="tcp")
            engine.close()  # a snapshot does not need it
            self.assertEqual(len(rows), 1)
            row = rows[0]
            self.assertEqual(row.state, "established")
            self.assertEqual((row.local_address, row.local_port), client.getsockname())
            self.assertEqual((row["remote_address"], row["remote_port"]), client.getpeername())
            self.assertEqual(row.inode, inode(client))
            self.assertEqual(row.bytes_acked, 1)
            self.assertEqual(row.owners, [netdiag.Owner(os.getpid(), client.fileno(), "python3")])
            self.assertEqual(row["owners.fd"], [client.fileno()])
            self.assertIsNone(row.name)
            with self.assertRaisesRegex(netdiag.InvalidError, "cgroup_path"):
                row.cgroup_path
            with self.assertRaises(AttributeError):
                row.carrots
            self.assertEqual(rows.columns("local_port state"),
                             {"local_port": [client.getsockname()[1]], "state": ["established"]})

    def test_are_many(self):
        with netdiag.Engine() as engine, connected(400) as (listener, pairs):
            query = netdiag.Query("sport = %d" % listener.getsockname()[1],
                                  ["inode", "remote_port", "owners.fd"], "tcp", "established")
            wanted = sorted((inode(server), client.getsockname()[1], [server.fileno()])
                            for client, server in pairs)
            columns = engine.columns(query)
            self.assertEqual(sorted(zip(*columns.values())), wanted)
            self.assertEqual(columns.summary.rows, 400)
            batches = list(engine.batches(query))
            self.assertEqual(sorted(row for batch in batches for row in batch), wanted)
            rows = engine.take(query)
            self.assertEqual(sorted((row.inode, row.remote_port, row["owners.fd"])
                                    for row in rows), wanted)
            self.assertEqual(rows[-1].inode, rows[399].inode)
            self.assertEqual(len(rows[10:20]), 10)
            with self.assertRaises(IndexError):
                rows[400]

    def test_of_unix_sockets_keep_their_bytes(self):
        with socket.socket(socket.AF_UNIX) as sock, netdiag.Engine() as engine:
            sock.bind(b"\0net\xffdiag \0x")
            columns = engine.columns("inode = %d" % inode(sock), "name abstract local_address",
                                     protocols="unix")
            self.assertEqual(columns, {"name": ["\0net\udcffdiag \0x"], "abstract": [True],
                                       "local_address": [None]})

    def test_of_ipv6_have_their_text(self):
        with netdiag.Engine() as engine, socket.create_server(("::1", 0), family=socket.AF_INET6) as sock:
            columns = engine.columns("sport = %d" % sock.getsockname()[1], "local_address", protocols="tcp")
            self.assertEqual(columns, {"local_address": ["::1"]})


class Engines(unittest.TestCase):
    def test_go_in_steps_for_event_loops(self):
        with netdiag.Engine() as engine, connected() as (listener, _):
            engine.begin(netdiag.Query("state = listen", "local_port", "tcp"))
            ports, state = [], netdiag.MORE
            while state != netdiag.DONE:
                state, batch = engine.step(500)
                ports += batch["local_port"]
                if state == netdiag.WAIT:
                    self.assertTrue(select.select([engine], [], [], 10)[0])
            self.assertEqual(ports, [listener.getsockname()[1]])
            self.assertEqual(engine.summary.rows, 1)

    def test_tell_errors(self):
        with self.assertRaises(netdiag.InvalidError) as caught:
            netdiag.Query("sport = 1 and rtt >")
        self.assertEqual(caught.exception.offset, 18)
        with self.assertRaisesRegex(netdiag.NotFoundError, "carrots"):
            netdiag.Engine("/nonexistent/carrots")
        with self.assertRaises(ValueError):
            netdiag.Engine(owner_source="carrots")
        with self.assertRaises(netdiag.InvalidError):
            netdiag.Query("state = listen\0")
        with netdiag.Engine() as engine:
            with self.assertRaises(netdiag.TimeoutError):
                engine.take(timeout=0)
            with self.assertRaises(netdiag.NotFoundError):
                engine.summary
            self.assertIsInstance(engine.take(), netdiag.Snapshot)
        with self.assertRaisesRegex(netdiag.InvalidError, "closed"):
            engine.take()

    def test_serve_threads_one_after_another(self):
        with netdiag.Engine() as engine, connected(50) as (listener, _):
            counts = []

            def work():
                for _ in range(20):
                    counts.append(len(engine.take("state = established", protocols="tcp")))

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(counts, [100] * 80)

    def test_of_the_parent_are_not_for_the_child(self):
        engine = netdiag.Engine()
        snapshot = engine.take()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                engine.take()
            except netdiag.WrongProcessError:
                with netdiag.Engine() as own:
                    own.take()
                    list(snapshot.columns("state"))
                engine.close()
                code = 0
            finally:
                os._exit(code)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        engine.take()

    def test_leave_no_descriptor(self):
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            netdiag.Engine().take("state = listen", "owners.pid")
        with netdiag.Engine() as engine:
            engine.begin(netdiag.Query())
        netdiag.connections("all")
        gc.collect()
        self.assertEqual(os.listdir("/proc/self/fd"), before)

    def test_tell_what_the_kernel_can_answer(self):
        with netdiag.Engine() as engine:
            found = engine.capabilities()
            self.assertTrue(found["tcp inet"].is_table and found["tcp inet"].available)
            self.assertFalse(found["bpf_owners"].is_table)
            self.assertEqual(engine.kernel, os.uname().release)

    def test_close_sockets(self):
        with netdiag.Engine() as engine, connected() as (_, [(client, server)]):
            rows = engine.take("sport = %d" % client.getsockname()[1], protocols="tcp")
            self.assertEqual(engine.destroy(rows), [("closed", "")])
            with self.assertRaises(ConnectionAbortedError):
                client.recv(1)
            self.assertEqual(engine.destroy(rows)[0][0], "gone")


FOLLOWED = "cookie state owners.pid owners.fd bytes_received bytes_acked"


def cookie(sock):
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, 57, 8), sys.byteorder)


class Monitors(unittest.TestCase):
    def follow(self, look):
        """What the looks of a monitor say of a connection that sends 500 bytes and then ends."""
        with netdiag.Engine() as engine, netdiag.Monitor(engine, fields=FOLLOWED, protocols="tcp",
                                                         states="all") as monitor:
            with self.assertRaises(netdiag.NotFoundError):
                monitor.look
            with connected() as (_, [(client, server)]):
                name, fd = cookie(server), server.fileno()
                def seen(changes):
                    return [change for change in changes if change["cookie"] == name]

                [opened] = seen(look(engine, monitor))
                self.assertEqual((opened.kind, opened.delta("bytes_received")), (netdiag.OPENED, 0))
                self.assertFalse(opened.counts_from_start)
                client.sendall(b"x" * 500)
                self.assertEqual(len(server.recv(500, socket.MSG_WAITALL)), 500)
                [lived] = seen(look(engine, monitor))
                self.assertEqual((lived.kind, lived.delta("bytes_received"), lived["bytes_received"],
                                  lived.last_state), (netdiag.LIVED, 500, 500, "established"))
                self.assertEqual(lived.owners, [netdiag.Owner(os.getpid(), fd)])
                self.assertGreaterEqual(lived.seen_for, 0)
                with self.assertRaises(netdiag.InvalidError):
                    lived["local_port"]
                with self.assertRaises(netdiag.InvalidError):
                    lived.delta("state")
                with self.assertRaises(netdiag.NotFoundError):
                    lived["carrots"]
                client.close()
                self.assertEqual(server.recv(1), b"")
            gained, deadline = 0, time.monotonic() + 60
            while True:
                ends = seen(look(engine, monitor))
                gained += sum(end.delta("bytes_received") for end in ends)
                if ends and ends[-1].kind == netdiag.CLOSED:
                    break
                self.assertLess(time.monotonic(), deadline)
            self.assertEqual(gained, 1)  # the FIN
            self.assertEqual(ends[-1].owners, [netdiag.Owner(os.getpid(), fd)])
            self.assertTrue(ends[-1].owners_remembered)
            last = monitor.look
            self.assertGreaterEqual(last.number, 3)
            self.assertTrue(last.exact, last)
            self.assertGreater(last.memory, 0)

    def test_count_a_connection_to_the_byte(self):
        self.follow(lambda engine, monitor: monitor.poll(timeout=60))

    def test_look_in_steps_for_event_loops(self):
        def look(engine, monitor):
            state, found = netdiag.MORE, []
            while state != netdiag.DONE:
                state, changes = monitor.step(500)
                found += changes
                if state == netdiag.WAIT:
                    self.assertTrue(select.select([engine], [], [], 10)[0])
            return found
        self.follow(look)

    def test_read_captures_in_turn(self):
        # In version 1, because it needs no checks.
        def capture(kernel):
            def frame(kind, payload):
                size = len(payload)
                return struct.pack("=IHH", size, kind, 0) + payload + bytes(-size % 4)
            return (b"netdiag1" + frame(1, struct.pack("=q", 0) + kernel) +
                    frame(2, struct.pack("=HBBIQ", 17, 0, 0, 1, 1 << 2)) + frame(5, bytes(4)))
        with netdiag.Engine(replay=[capture(b"one"), capture(b"two")]) as engine:
            kernels = []
            for _ in range(3):
                engine.take(protocols="udp")
                kernels.append(engine.kernel)
        self.assertEqual(kernels, ["one", "two", "two"])

    def test_tell_errors(self):
        engine = netdiag.Engine()
        monitor = netdiag.Monitor(engine, fields="cookie", protocols="tcp")
        with connected() as (_, [(client, server)]):
            first = monitor.poll()
            self.assertLessEqual({cookie(client), cookie(server)}, {
                change["cookie"] for change in first if change.kind == netdiag.OPENED})
            # The sockets of another test may have closed since.
            self.assertLessEqual({change.kind for change in first}, {netdiag.OPENED, netdiag.CLOSED})
        with self.assertRaises(netdiag.TimeoutError):
            monitor.poll(timeout=0)
        with self.assertRaises(netdiag.InvalidError):
            netdiag.Monitor(engine, receive_buffer=2 ** 31)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                monitor.poll()
            except netdiag.WrongProcessError:
                monitor.close()
                code = 0
            finally:
                os._exit(code)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        engine.close()
        with self.assertRaisesRegex(netdiag.InvalidError, "engine is closed"):
            monitor.poll()
        monitor.close()
        monitor.close()
        with netdiag.Engine() as engine, self.assertRaisesRegex(netdiag.InvalidError, "monitor is"):
            monitor._engine = engine
            monitor.poll()


class Connections(unittest.TestCase):
    def test_are_those_of_this_process(self):
        with connected() as (listener, [(client, server)]):
            local, remote = client.getsockname(), client.getpeername()
            found = netdiag.connections("tcp4")
            self.assertIn(netdiag.sconn(client.fileno(), socket.AF_INET, socket.SOCK_STREAM, local,
                                        remote, "ESTABLISHED", os.getpid()), found)
            own = netdiag.process_connections(os.getpid(), "tcp")
            self.assertEqual(sorted(c.fd for c in own),
                             sorted(s.fileno() for s in (listener, client, server)))
            self.assertIsInstance(own.summary, netdiag.Summary)
            self.assertEqual(netdiag.process_connections(os.getpid(), "udp"), [])
        with self.assertRaises(FileNotFoundError):
            netdiag.process_connections(2 ** 22 + 1)
        with self.assertRaises(ValueError):
            netdiag.connections("carrots")


if __name__ == "__main__":
    unittest.main()
