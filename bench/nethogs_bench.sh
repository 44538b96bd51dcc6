#!/bin/bash
# Counts the bytes of each process, by diag and by nethogs at the same time, and compares both with what the processes
# really sent: `tools/dev bench nethogs`.
#
# Three clients in one network namespace talk to a server in another: one connection that sends and receives all the
# time, connections of 50 ms, and connections of 1 ms. Bytes are those of the streams, without headers. Needs root.
set -euo pipefail

readonly diag=${0%/*}/../tools/diag/diag
readonly here=netdiag-bench-$$ there=netdiag-bench-$$-far
work=$(mktemp -d)
readonly work

cleanup() {
  local job
  for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
  wait 2>/dev/null || true
  ip netns delete "$here" 2>/dev/null || true
  ip netns delete "$there" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

command -v nethogs >/dev/null || { echo "nethogs is not installed" >&2; exit 2; }
ip netns add "$here"
ip netns add "$there"
ip -n "$here" link add near type veth peer name far netns "$there"
ip -n "$here" addr add 10.9.9.1/24 dev near
ip -n "$there" addr add 10.9.9.2/24 dev far
ip -n "$here" link set near up
ip -n "$there" link set far up

# server: answers each message with one of the size that it asks for.
# client NAME COUNT PAUSE LIFE UP DOWN: COUNT connections after each other; prints its name, its number and its bytes.
cat >"$work/traffic.py" <<'END'
import os, socket, struct, sys, threading, time

def receive(s, size):
    while size > 0:
        data = s.recv(min(size, 65536))
        if not data:
            return False
        size -= len(data)
    return True

def serve(s):
    while head := s.recv(16, socket.MSG_WAITALL):
        up, down = struct.unpack("!QQ", head)
        receive(s, up - 16)
        s.sendall(bytes(down))
    s.close()

if sys.argv[1] == "server":
    listener = socket.create_server(("10.9.9.2", 7000), backlog=512)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

name, count, pause, life, up, down = sys.argv[2], int(sys.argv[3]), *map(float, sys.argv[4:6]), int(sys.argv[6]), int(sys.argv[7])
rounds = 40 if name == "long" else 1
time.sleep(2)  # both observers have begun
for _ in range(count):
    with socket.create_connection(("10.9.9.2", 7000)) as s:
        for _ in range(rounds):
            s.sendall(struct.pack("!QQ", up, down) + bytes(up - 16))
            receive(s, down)
            time.sleep(life)
    time.sleep(pause)
print(name, os.getpid(), count * rounds * up, count * rounds * down, flush=True)
time.sleep(6)  # both observers look once more
END

ip netns exec "$there" python3 "$work/traffic.py" server &
sleep 0.5
ip netns exec "$here" stdbuf -oL nethogs -t -v 2 -d 1 near >"$work/nethogs" 2>/dev/null &
ip netns exec "$here" "$diag" top -b --jsonl -d 1 --by owners.pid >"$work/diag" 2>/dev/null &
clients=()
for client in "long 1 0 0.2 50000 100000" "short 100 0.02 0.05 5000 20000" "brief 500 0.01 0.001 5000 20000"; do
  # shellcheck disable=SC2086  # words
  ip netns exec "$here" python3 "$work/traffic.py" client $client >>"$work/truth" &
  clients+=($!)
done
wait "${clients[@]}"

python3 - "$work" <<'END'
import json, sys
work = sys.argv[1]
ours, theirs, block = {}, {}, {}
for line in open(work + "/diag"):
    for row in json.loads(line)["rows"]:
        pid = row["owners.pid"]
        sent, received = ours.get(pid, (0, 0))
        ours[pid] = (sent + row["sent_bytes"], received + row["received_bytes"])
# Lines of totals, "python3 x/PID/UID sent received"; PID is 0 if the process is unknown. The last
# block may be cut, so the one before it counts.
for line in open(work + "/nethogs"):
    words = line.rstrip("\n").split("\t")
    parts = words[0].split("/")
    if line.startswith("Refreshing"):
        theirs, block = block, {}
    elif len(words) == 3 and len(parts) > 2:
        sent, received = block.get(parts[-2], (0, 0))
        block[parts[-2]] = (sent + int(float(words[1])), received + int(float(words[2])))

def show(name, truth, diag, nethogs):
    cells = []
    for counted in (diag, nethogs):
        for t, c in zip(truth, counted):
            cells.append("%10d %6.1f%%" % (c, 100 * c / t))
    print("%-10s %9d %9d  %s" % (name, *truth, "  ".join(cells)))

print("%-10s %9s %9s  %18s  %18s  %18s  %18s" % ("client", "sent", "received", "diag sent", "diag received", "nethogs sent", "nethogs received"))
total = [0, 0]
for line in open(work + "/truth"):
    name, pid, sent, received = line.split()
    truth = int(sent), int(received)
    total = [total[0] + truth[0], total[1] + truth[1]]
    show(name, truth, ours.get(pid, (0, 0)), theirs.get(pid, (0, 0)))
known = lambda counts: [sum(c[i] for c in counts.values()) for i in (0, 1)]
show("all", total, known(ours), known(theirs))
print("unattributed: diag %d %d, nethogs %d %d" % (*ours.get("-", (0, 0)), *theirs.get("0", (0, 0))))
END
