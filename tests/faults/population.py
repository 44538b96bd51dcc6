"""Sockets that do not change, in a network namespace of their own, and the processes that hold them."""

import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_FILES, CLONE_NEWNS, CLONE_NEWNET = 0x400, 0x20000, 0x40000000


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def unshare(flags):
    check(LIBC.unshare(flags), "unshare")


def own_netns():
    return os.stat("/proc/thread-self/ns/net").st_ino


def of_another_user():
    os.setgid(33)
    os.setuid(33)
    return [socket.create_server(("127.0.0.1", 40005)), socket.create_server(("::1", 40005), family=socket.AF_INET6)]


def in_the_table_of_a_thread():
    made = threading.Event()

    def hold():
        unshare(CLONE_FILES)
        kept = socket.create_server(("127.0.0.1", 40006))
        made.set()
        signal.pause()
        kept.close()
    threading.Thread(target=hold, daemon=True).start()
    made.wait()


def in_another_netns(port=40007):
    unshare(CLONE_NEWNET)
    return [own_netns(), socket.create_server(("", port))]


def with_a_descriptor_of_a_netns(port=40008):
    """Without a process in it."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    kept = [*in_another_netns(port), os.open("/proc/self/ns/net", os.O_RDONLY)]
    check(LIBC.setns(home, 0), "setns")
    return kept


def with_a_socket_of_a_netns():
    """Without a process in it or a descriptor of it."""
    kept = with_a_descriptor_of_a_netns(40010)
    os.close(kept.pop())
    return kept


class Population:
    """Has: pids, the processes; container, the pid of the first process of a pid namespace; netns,
    the inodes of the namespaces; netns_file, a file that is the first of them; outer_proc, another
    mount of /proc."""

    def __enter__(self):
        unshare(CLONE_NEWNET | CLONE_NEWNS)
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.directory = tempfile.mkdtemp()
        self.outer_proc = self.directory + "/proc"
        self.netns_file = self.directory + "/netns"
        os.chmod(self.directory, 0o755)
        os.mkdir(self.outer_proc)
        open(self.netns_file, "w").close()
        for source, place in (("/proc", self.outer_proc), ("/proc/self/ns/net", self.netns_file)):
            subprocess.run(["mount", "--bind", source, place], check=True)
        self.netns = [own_netns()]
        self.pids = [self.fork(make) for make in (
            of_another_user, in_the_table_of_a_thread, in_another_netns,
            with_a_descriptor_of_a_netns, with_a_socket_of_a_netns)]
        self.start_container()
        listener = socket.create_server(("127.0.0.1", 40001))
        client = socket.create_connection(("127.0.0.1", 40001))
        server, _ = listener.accept()
        six = socket.create_server(("::1", 40002), family=socket.AF_INET6)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 40003))
        unbound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        pair = socket.socketpair()
        named = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        named.bind("\0netdiag-faults")
        named.listen()
        self.sockets = [listener, client, server, six, udp, unbound, *pair, named]
        return self

    def fork(self, make):
        """Starts a process that keeps what `make` returns; a number among it is a namespace."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            try:
                kept = make() or [0]
                inode = kept[0] if isinstance(kept[0], int) else 0
                os.write(writer, str(inode).encode())
                os.close(writer)
                signal.pause()
            finally:
                os._exit(1)
        os.close(writer)
        inode = int(os.read(reader, 100))  # fails if the process has ended
        os.close(reader)
        self.netns += [inode] if inode else []
        return pid

    def start_container(self):
        with socket.create_server(("127.0.0.1", 40009)) as listener:
            self.unshare = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "infinity"],
                pass_fds=[listener.fileno()])
        path = f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children"
        while True:
            children = open(path, encoding="ascii").read().split()
            if children and open(f"/proc/{children[0]}/comm", encoding="ascii").read() == "sleep\n":
                self.container = int(children[0])
                return
            time.sleep(0.01)

    def __exit__(self, *_):
        for each in self.sockets:
            each.close()
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.unshare.kill()
        self.unshare.wait()
        # Never removes what is below a mount.
        subprocess.run(["umount", self.outer_proc, self.netns_file], check=True)
        os.rmdir(self.outer_proc)
        os.remove(self.netns_file)
        os.rmdir(self.directory)
