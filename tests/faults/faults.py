#!/usr/bin/env -S python3 -B
"""Makes what diag needs fail, one thing in each run, and checks what diag says.

  faults.py DIAG FAILING_NEW ANSWER [--every N] [--only WORDS] [--kind KIND]

The things are: what a host can withhold (hosts.py); each system call with each of its errors, injected
by strace; each allocation, by the library FAILING_NEW; descriptors and memory, by limits; the output. After it, diag
must give the whole answer, or say what is missing: on stderr or by its exit code, and in JSON also
there. ANSWER is a program that asks the library, and writes what its outcomes say is missing. Neither may crash or
hang, and every row and owner must be one that the run without a fault has.

--every: only each N-th fault, and three times as many hosts (default: all if NETDIAG_LONG is set, else 2003)
--only: only command lines that contain WORDS
--kind: only faults of this kind

Needs root and strace. Runs in a network namespace of its own, whose sockets do not change.
"""

import argparse
import collections
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile

from hosts import all_hosts
from population import Population

# The errors that each call can have, from section 2 of the manual pages. The errors that say that a
# process or a file has vanished are left out: diag leaves out what vanishes, as it should.
ERRORS = {
    "bind": ["ENOMEM", "EADDRINUSE"],
    "bpf": ["EPERM", "ENOMEM", "ENOSYS", "EINVAL", "E2BIG"],
    "clone3": ["EAGAIN", "ENOMEM"],
    "close": ["EINTR", "EIO"],
    "connect": ["ENOMEM", "EPERM"],
    "fcntl": ["EINVAL"],
    "fstat": ["ENOMEM", "EOVERFLOW"],
    "fstatfs": ["EIO", "ENOSYS"],
    "getdents64": ["EIO", "ENOMEM"],
    "getpeername": ["ENOBUFS"],
    "getrandom": ["EINTR", "ENOSYS"],
    "getsockname": ["ENOBUFS"],
    "getsockopt": ["ENOMEM", "ENOPROTOOPT"],
    "ioctl": ["EPERM", "ENOTTY"],
    "kcmp": ["EPERM", "EACCES", "ENOSYS"],
    "lseek": ["ESPIPE"],
    "madvise": ["ENOMEM"],
    "mmap": ["ENOMEM"],
    "mprotect": ["ENOMEM"],
    "munmap": ["EINVAL"],
    "newfstatat": ["EACCES", "ENOMEM"],
    "openat": ["EMFILE", "ENFILE", "ENOMEM", "EACCES"],
    "pidfd_getfd": ["EPERM", "EMFILE"],
    "pidfd_open": ["EMFILE", "ENOSYS"],
    "poll": ["EINTR", "ENOMEM"],
    "ppoll": ["EINTR", "ENOMEM"],
    "prctl": ["EINVAL"],
    "pread64": ["EIO", "EINTR"],
    "read": ["EIO", "EINTR", "ENOMEM"],
    "readlink": ["EACCES", "ENOMEM"],
    "readlinkat": ["EACCES", "ENOMEM"],
    "recvfrom": ["EINTR", "ENOMEM", "ENOBUFS"],
    "recvmsg": ["EINTR", "ENOMEM", "ENOBUFS"],
    "sendmsg": ["EINTR", "ENOBUFS", "EPERM", "ECONNREFUSED"],
    "sendto": ["EINTR", "ENOBUFS", "EPERM", "ECONNREFUSED"],
    "setns": ["EPERM", "ENOMEM", "ENOSYS", "EINVAL"],
    "setsockopt": ["ENOMEM", "EPERM", "ENOPROTOOPT"],
    "socket": ["EMFILE", "ENFILE", "ENOMEM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT"],
    "statfs": ["EIO", "ENOSYS"],
    "statx": ["EACCES", "ENOMEM", "ENOSYS"],
    "uname": ["EFAULT"],
    "write": ["EIO", "ENOSPC", "EINTR", "EAGAIN"],
}
LIMIT = 30  # seconds for one run
PLACES = 100  # of one call in one command line
ALLOCATIONS = 400
STRACE = ["strace", "-f", "-qq", "-o", "/dev/null"]


Outcome = collections.namedtuple("Outcome", "code out err")


def run(words, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    try:
        done = subprocess.run(words, timeout=LIMIT, stdin=subprocess.DEVNULL, **options)
        return Outcome(done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode())
    except subprocess.TimeoutExpired:
        return Outcome("hung", "", "")


def calls_of(words):
    """How often each thread makes each system call, at most; and how many calls of mmap() are those of
    the dynamic loader, which crashes by itself if some of them fail. Its last call is munmap()."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace") as log:
        run(["strace", "-f", "-qq", "-o", log.name, *words])
        counts = collections.Counter()
        loading, of_loader = True, 0
        for line in log:
            found = re.match(r"(\d+) +(\w+)\(", line)
            if found:
                counts[found.groups()] += 1
                loading = loading and found[2] != "munmap"
                of_loader += loading and found[2] == "mmap"
    most = collections.Counter()
    for (_, call), count in counts.items():
        most[call] = max(most[call], count)
    return most, of_loader


def rows_of(outcome, form):
    """What must not be invented or doubled: the lines of text or JSON's sockets, each without its owners,
    and how often each comes."""
    return collections.Counter(rows_in(outcome, form))


def rows_in(outcome, form):
    text = outcome.out
    if form == "json":
        rows = json.loads(text).get("sockets", [])
        return [(r.get("inode"), r.get("cookie"), r.get("state"), r.get("local_port")) for r in rows]
    if form == "connections":
        return [json.dumps({**row, "fd": 0, "pid": 0, "uids": 0}) for row in json.loads(text)]
    if form.startswith("answer"):
        return [line for line in text.splitlines() if not line.startswith(("owner", "gap", "error"))]
    if form == "lines":
        return re.sub(r"\d{4}-\d\d-\S+|started [^)]*|(?<=  user) .*", "", text).splitlines()
    # Times pass, the columns of a table are as wide as its widest value, a program calls its own network
    # namespace `self`, and /proc lacks some queues and which sockets are of IPv6 only.
    text = re.sub(r"(?m)^(self|\d{10}) ", "", text.replace("[::]:*", "*:*"))
    changing = r" users:\(.*| (\d+/\S*|-) *$| (last|busy|age)\w*:\w+|(?<= )\d+ +\d+ +(?=\S+ )"
    return [" ".join(re.sub(changing, "", line).split()) for line in text.splitlines()]


ONE_OWNER = ("one", "answer one", "netstat")


def owners_of(outcome, form):
    """How many descriptors of each number and command hold sockets. A process has another number in
    another pid namespace, and no command if it could not be read. Of programs that show one owner of a
    socket: how many sockets have one."""
    if form in ONE_OWNER:
        return collections.Counter(["owned"] * len(re.findall(r"(?m)^owner |users:|\d/\w", outcome.out)))
    if form == "json":
        owners = [owner for row in json.loads(outcome.out).get("sockets", []) for owner in row.get("owners", [])]
        return collections.Counter((each["fd"], each["command"]) for each in owners if each.get("command"))
    if form == "connections":
        # An owner whose users could not be read is told of as a loss, and is no other owner.
        held = [row for row in json.loads(outcome.out) if row["pid"]]
        with_users = [row for row in held if row["uids"]]
        return collections.Counter((row["fd"], len(row["uids"])) for row in with_users or held)
    if form == "answer":
        # Without the command the line has two words.
        return collections.Counter(re.findall(r"(?m)^owner \S+ \S+ \S.*$", outcome.out))
    return collections.Counter(re.findall(r'\("([^"]+)",pid=\d+,(?:tid=\d+,)?fd=(\d+)', outcome.out))


def told_of(outcome, form):
    """What an outcome says of itself, in each place where it has to say what is missing: a set for each."""
    errors = set(outcome.err.splitlines()) | {f"exit {outcome.code}"}
    if form == "lines":  # `why` says it where the value would be
        errors |= {line for line in outcome.out.splitlines() if re.search("may not be read|unknown", line)}
    if form.startswith("answer"):
        lines = {line for line in outcome.out.splitlines() if line.startswith(("gap", "error"))}
        return [lines | {f"exit {outcome.code}"}]
    return [errors, told_in(json.loads(outcome.out))] if form == "json" else [errors]


# The keys of JSON that say that something is missing.
TELLING = {"complete", "error", "refusal", "doubt", "owner_error", "denied", "errors", "hidepid",
           "other_pid_namespace", "hidden", "beyond", "unreached", "denial", "no_socket_search",
           "unlisted_error", "left_out", "reason", "missing"}


def told_in(document):
    """What a JSON document says in keys of TELLING, anywhere but in its sockets."""
    if isinstance(document, list):
        return set().union(*map(told_in, document))
    if not isinstance(document, dict):
        return set()
    said = {f"{key}: {value}" for key, value in document.items() if key in TELLING}
    return said.union(*(told_in(value) for key, value in document.items() if key != "sockets"))


def fault_of(outcome, whole, form, must_be_whole=False, is_unclosed=False):
    """What is wrong with the outcome of a run with a fault. is_unclosed: the fault is one of close()."""
    if outcome.code == "hung":
        return "hung"
    if outcome.code < 0 or outcome.code > 127:
        return f"died: {outcome.code} {outcome.err[-200:]}"
    try:
        rows, owners = rows_of(outcome, form), owners_of(outcome, form)
    except ValueError:
        return None if outcome.code != 0 else "exit 0 with invalid JSON"
    whole_rows, whole_owners = rows_of(whole, form), owners_of(whole, form)
    invented = rows - whole_rows if form != "lines" else None
    if invented and outcome.code == 0:
        return f"a row that was not there: {sorted(map(str, invented))[:3]}"
    added = owners - whole_owners
    # strace does not make the call that fails, so the program still holds what it did not close.
    own = [owner for owner in added if re.search(r"\b(diag|answer)\b", str(owner))]
    if outcome.code == 0 and added and not (is_unclosed and len(own) == len(added)):
        return f"an owner that was not there: {added}"
    lost = f"rows {sorted(map(str, whole_rows - rows))}, owners {dict(whole_owners - owners)}"
    is_whole = rows >= whole_rows and owners >= whole_owners
    news = [said - known for said, known in zip(told_of(outcome, form), told_of(whole, form))]
    if must_be_whole and not is_whole:
        return f"not whole, although nothing that is needed is missing: {lost}"
    # It does not tell how many processes it means, and the run without a fault can have it, too.
    if form == "netstat" and "(Not all processes could be identified" in outcome.err:
        return None
    return None if is_whole or all(news) else f"lacks {lost}, and says only {news}"


def hosts(words, tools):
    """The name, the words and the options of a run on each host, and whether its answer must be whole."""
    of_netns = "--all-netns" in words or "-N" in words or "netns" in words[-1]
    for host in all_hosts(tools.population.container, tools.population.outer_proc):
        if host.same_netns or of_netns:
            yield (host.name, [*host.words, *words],
                   {"preexec_fn": host.before_exec, "env": {**os.environ, **host.environment}}, host.whole)


def system_calls(words, _):
    """The same for each system call and error."""
    counts, of_loader = calls_of(words)
    if words[0] == "sh":
        del counts["mmap"]  # each of the programs has a dynamic loader
    for call, count in sorted(counts.items()):
        # Calls for each process of the host are alike.
        step = max(1, count // PLACES)
        for place in range(of_loader + 1 if call == "mmap" else 1, count + 1, step):
            for error in ERRORS.get(call, []):
                inject = f"inject={call}:error={error}:when={place}"
                yield inject, [*STRACE, "-e", f"trace={call}", "-e", inject, *words], {}, False


def allocations(words, tools):
    """The same for each allocation, and all after it."""
    for after in range(ALLOCATIONS):
        environment = {**os.environ, "LD_PRELOAD": tools.preload, "NETDIAG_FAIL_AFTER": str(after)}
        yield f"allocation {after} fails", words, {"env": environment}, False


def limits(words, _):
    for descriptors in range(3, 24):
        def limit(descriptors=descriptors):
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        yield f"{descriptors} descriptors", words, {"preexec_fn": limit}, False
    for mebibytes in range(8, 80, 3):
        def limit(mebibytes=mebibytes):
            resource.setrlimit(resource.RLIMIT_AS, (mebibytes << 20, mebibytes << 20))
        yield f"{mebibytes} MiB", words, {"preexec_fn": limit}, False
    for closed in ([0], [1], [2], [0, 1, 2]):
        def close(closed=closed):
            for fd in closed:
                os.close(fd)
        yield f"{closed} closed", words, {"preexec_fn": close}, False


def is_starved(fault, outcome):
    """True if the C++ runtime could not get the memory that it keeps for exceptions when a program starts.
    It ends a program that cannot throw."""
    return fault in ("8 MiB", "11 MiB") and outcome.err == "terminate called without an active exception\n"


KINDS = (hosts, system_calls, allocations, limits)
Tools = collections.namedtuple("Tools", "diag answer preload population capture")


def lines_of(tools):
    """The form and the words of each program that is run."""
    population, diag = tools.population, tools.diag
    ours = " or ".join(f"netns = {inode}" for inode in population.netns)
    record = f'"{diag}" -tuanp --capture - | "{diag}" --replay - -tuanp'
    listings = [
        ("rows", ["-tan"]),
        ("rows", ["-tanp"]),
        ("rows", ["-tanT"]),
        ("rows", ["-tan", "--source=table"]),
        ("rows", ["-tan", "--source=proc"]),
        ("one", ["-tanp", "--owners", "first"]),
        ("rows", ["-tuanpi", "state", "established"]),
        ("rows", ["-N", population.netns_file, "-tanp"]),
        ("json", ["-tuanp", "--json"]),
        ("json", ["--unlisted", "-t", "--json"]),
        ("json", ["--all-netns", "-tanp", "--json", ours]),
        ("rows", ["--all-netns", "-tanp", ours]),
        ("rows", ["-xlp", "src = @netdiag-faults"]),
        ("rows", ["--unlisted", "-t"]),
        ("rows", ["--replay", tools.capture, "-tuxanp"]),
        ("lines", ["-s"]),
        ("connections", ["connections", "--pid", str(os.getpid())]),
        ("connections", ["connections", "tcp"]),
        ("lines", ["interfaces"]),
        ("lines", ["netstat", "-rn"]),
        ("lines", ["netstat", "-gn"]),
        ("netstat", ["netstat", "-tnlp"]),
        ("lines", ["why", ":40005"]),
        ("lines", ["top", "-b", "-n", "1", "-d", "0.1"]),
    ]
    scenarios = [["visit"], ["threads"], ["proc-net"], ["table"], ["owners-by-proc"], ["owners-by-bpf"],
                 ["first-owner"], ["cached-owners"], ["exact"], ["step"], ["take"], ["monitor"],
                 ["connections"], ["interfaces"], ["all-netns", ours], ["unlisted", ours]]
    yield from ((form, [diag, *words]) for form, words in listings)
    yield "rows", ["sh", "-c", record]
    for words in scenarios:
        yield "answer one" if words == ["first-owner"] else "answer", [tools.answer, *words]


class Count:
    """Runs some of the faults and counts the runs."""

    def __init__(self):
        self.number, self.runs, self.faults = 0, 0, 0

    def run(self, form, whole, words, fault, every):
        self.number += 1
        if self.number % every != 0:
            return
        self.runs += 1
        name, command, options, must_be_whole = fault
        is_unclosed = name.startswith("inject=close:")
        outcome = run(command, **options)
        if is_starved(name, outcome):
            return
        wrong = fault_of(outcome, whole, form, must_be_whole, is_unclosed)
        if wrong:
            self.say(words, name, wrong)

    def say(self, words, name, wrong):
        self.faults += 1
        print(f"{' '.join(words)}: {name}: {wrong}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("diag")
    parser.add_argument("failing_new")
    parser.add_argument("answer")
    parser.add_argument("--every", type=int, default=1 if "NETDIAG_LONG" in os.environ else 2003)
    parser.add_argument("--only", default="")
    parser.add_argument("--kind", default="")
    arguments = parser.parse_args()
    count = Count()
    with Population() as population, tempfile.TemporaryDirectory() as directory:
        # Every user can run what is here.
        os.chmod(directory, 0o755)
        diag, answer = (shutil.copy(path, directory) for path in (arguments.diag, arguments.answer))
        tools = Tools(diag, answer, os.path.abspath(arguments.failing_new), population,
                      directory + "/capture")
        run([diag, "-tuxanp", "--capture", tools.capture])
        os.chmod(tools.capture, 0o644)
        for form, words in lines_of(tools):
            if arguments.only not in " ".join(words):
                continue
            whole = run(words)
            for kind in KINDS:
                if arguments.kind not in kind.__name__:
                    continue
                every = max(1, arguments.every // 3) if kind is hosts else arguments.every
                for fault in kind(words, tools):
                    count.run(form, whole, words, fault, every)
            with open("/dev/full", "wb") as full:
                if run(words, stdout=full).code == 0 and not form.startswith("answer"):
                    count.say(words, "/dev/full", "exit 0")
    print(f"{count.runs} runs, {count.faults} faults")
    return count.faults > 0 or count.runs == 0


if __name__ == "__main__":
    sys.exit(main())
