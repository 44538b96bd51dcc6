// SPDX-License-Identifier: Apache-2.0
//
// netdiag/engine.h — asks the kernel which sockets exist, in what state, and which processes hold
// them.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Engine::Open());
//   Query query{.protocols = {Protocol::kTcp}, .states = State::kListen, .owners = true};
//   NETDIAG_ASSIGN_OR_RETURN(Summary summary, engine->Visit(query, [](const Row& row) {
//     if (const InetSocket* socket = row.inet()) Use(socket->local(), row.owners());
//     return Flow::kContinue;
//   }));
//
// Include this header and netdiag/row.h. Eight types are enough to run a query and read its rows:
//
//   EngineOptions  which network namespace, which /proc, how many threads
//   Engine         runs queries
//   Query          which sockets, and what to read about each (query.h)
//   Flow           the visitor's answer: continue or stop
//   Row            one socket (row.h)
//   InetSocket     the attributes of a TCP or UDP socket; other families have a view of their own
//                  (socket/socket.h)
//   Owner          a descriptor that holds the socket, and its process (process/owner.h)
//   Summary        how each table ended, and what is missing (summary.h)
//
// A query can run in three ways. Visit() passes each row to a visitor on the calling thread.
// Begin() and Step() do the same in bounded slices, for event loops. Take() returns a Snapshot of
// all rows.
//
// If the kernel or a sandbox refuses a dump, the rows come from /proc/net. If a table cannot be
// read at all, its outcome in the Summary says why, and the other tables are still read: partial
// success is not an error.
//
// Lifetime: a Row and everything that it returns are valid until the visitor returns.
// Threads: thread-compatible; different Engines are independent. The library starts a thread only
// to enter a namespace, or if EngineOptions::threads allows it. Each thread ends before the call
// that started it returns. No setting of the process is changed. Do not use an Engine after fork().
// Cost: one sendmsg per table, and one recvmsg per 260 TCP rows. No allocation per row.
// Source: sock_diag(7), net/core/sock_diag.c.

#ifndef NETDIAG_ENGINE_H_
#define NETDIAG_ENGINE_H_

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/netlink/call.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/owner.h"
#include "netdiag/query.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag {

class CaptureWriter;    // dump/capture.h
struct Capabilities;    // capabilities.h
struct DestroyOutcome;  // destroy.h
class Row;              // row.h
class Snapshot;         // snapshot.h
struct SocketName;      // destroy.h
class UnixSocket;       // socket/socket.h
namespace internal {
class EngineOpener;
}  // namespace internal

struct EngineOptions {
  // The network namespace to read. If not set, the namespace of the thread that calls Open().
  std::optional<netlink::NetNs> netns = {};
  // Every query covers all network namespaces that can be found (netlink/netns.h), starting with
  // `netns`. Summary::netns counts the namespaces that could not be read. Entering a namespace
  // needs CAP_SYS_ADMIN. The Engine keeps another namespace alive only while it dumps the
  // namespace's tables; an unfinished query may keep one alive until the next Begin(). Cost: a few
  // ms in Begin(), and 3 µs for each descriptor of the host if a namespace has no process, no name
  // and no mount, or if BPF cannot tell; for each namespace, a thread and a dump of each table that
  // is not empty. If BPF can read the kernel's tables (feature "bpf_socket_tables"), those of TCP
  // and UDP of all namespaces that are not large are read in one pass.
  bool all_netns = false;
  // The procfs from which owners and /proc/net are read.
  std::string proc_root = "/proc";
  // How the descriptors of processes are read, for owners. With kBpf, Open() loads the program (4
  // ms), so that no Step() does.
  OwnerSource owner_source = OwnerSource::kAuto;
  // Which source TCP and UDP are read from. With kAuto, Visit(), Take() and Capture() read the
  // kernel's tables (docs/exactness.md) for queries without Query::cookies: large tables if loading
  // the program (10 ms) pays off, and tables of more than one datagram if the query is kExact.
  // Steps of an event loop never do. With kTable, Open() loads the program.
  RowSource source = RowSource::kAuto;
  // The number of netlink sockets. Each can have one dump in flight. Above 1, TCP is dumped once
  // for each family. A socket that two dumps return is delivered once (merged by cookie).
  size_t connections = 1;
  // Above 1, Visit(), Take() and Capture() read long dumps on a second thread, and scan owners on a
  // third. Rows that wait for either take at most 0.5 MiB, or 8 MiB if owners are asked for.
  size_t threads = 1;
  // If set, all rows come from this capture, and so do their owners, programs and cgroups. The
  // bytes must outlive the Engine.
  std::optional<Bytes> replay = {};
  // The captures that answer the second query, the third and so on, where `replay` answers the
  // first: a daemon under test sees one state of a host after the other. The last one answers all
  // later queries, too. Without `replay` they are an error of Open().
  std::vector<Bytes> later_replays = {};
  // If set, the TCP sockets of the Engine's namespace come from this stream (dump/tcp_stream.h), as
  // with ss's TCPDIAG_FILE. Rows of it have no owners, because the stream does not tell its host;
  // cgroups are looked up here, as in ss. The states and families of a query do not apply to them,
  // but these do:
  struct TcpStream {
    Bytes bytes = {};  // must outlive the Engine
    // True: only the first dump of it is read, as ss does.
    bool first_dump = false;
    FamilySet families = {Family::kInet, Family::kInet6};
    StateSet states = StateSet::All();
  };
  std::optional<TcpStream> tcp_stream = {};
};

// How much one Step() may do. Step() always reads at least one datagram or a few descriptors.
struct Budget {
  size_t datagrams = 1;      // of up to 32 KiB, about 260 rows
  size_t descriptors = 512;  // links of /proc/PID/fd, about 2 µs each
  // If not zero, this bounds the step instead of the counts: CPU time of the calling thread, the
  // visitor's included. A step ends when one more unit of work, as long as the longest before it,
  // could exceed the time. A unit is one datagram, 64 links, one read of BPF or 256 waiting rows,
  // and the first unit of a step is always made. docs/embedding.md has what a unit costs.
  std::chrono::microseconds cpu_time = {};
};

class Engine {
 public:
  using Visitor = absl::FunctionRef<Flow(const Row&)>;

  // Returns an error if the namespace cannot be entered. A kernel without NETLINK_SOCK_DIAG is not
  // an error: queries then read /proc/net.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(EngineOptions options = {});
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Runs the query and passes each row to `visitor`. Waits until the last row, or until the
  // deadline or stop token of `call` ends the query with an error. After such an error, the rows
  // that were delivered are valid, and the Engine can run the next query.
  absl::StatusOr<Summary> Visit(const Query& query, Visitor visitor,
                                const netlink::CallOptions& call = {});

  // Runs the query in slices that never wait. Begin() drops an unfinished query; the first Step()
  // then reads and discards the rest of the dump that was in flight. Step() returns kSome if it
  // should be called again, kWouldBlock if it should be called when fd() is readable, and kDone
  // when summary() is complete. A visitor must not call Begin() or Step() of its own Engine
  // (EDEADLK).
  absl::Status Begin(const Query& query);
  absl::StatusOr<netlink::Ready> Step(Visitor visitor, const Budget& budget = {});
  // The summary of the query that Begin() started. Visit(), Take() and Capture() return theirs.
  const Summary& summary() const ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // The descriptor that Step() waits for, or -1 if there is none now. It can change with each
  // Step().
  int fd() const;

  // Runs the query and returns all rows. Cost: the bytes of the messages (about 130 for a TCP row),
  // and 16 bytes per row.
  absl::StatusOr<Snapshot> Take(const Query& query, const netlink::CallOptions& call = {});
  // Runs the query and writes everything that was received to `writer`; call its Finish() then.
  // `visitor` sees each row, too.
  absl::StatusOr<Summary> Capture(const Query& query, CaptureWriter* writer,
                                  const netlink::CallOptions& call = {});
  absl::StatusOr<Summary> Capture(const Query& query, CaptureWriter* writer, Visitor visitor,
                                  const netlink::CallOptions& call = {});

  // Passes one unix socket to `visitor`, including the connections that wait in its accept queue. A
  // cookie of 0 matches any. Returns NotFound if there is no such socket, or if the Engine replays
  // a capture. May be called from a visitor. Cost: the kernel searches the unix sockets of the
  // namespace.
  absl::Status LookupUnix(Inode inode, Cookie cookie,
                          absl::FunctionRef<void(const UnixSocket&)> visitor);

  // Closes sockets, whichever process holds them (SOCK_DESTROY, Linux 4.5). Returns one outcome for
  // each, in the same order. A socket is closed only if its cookie matches. If several sockets
  // share a name (SO_REUSEPORT), the kernel selects one of them and closes none if it has another
  // cookie; the others are reached by BPF (bpf_sock_destroy(), Linux 6.5, CAP_BPF and CAP_PERFMON),
  // or else tried again while other sockets of the call can still be closed. If the kernel does not
  // find a socket, an exact dump decides whether it still exists. The kernel does not compare the
  // cookies of raw sockets: it is asked which one it would select just before the request, so a raw
  // socket of the same protocol that is made between the two requests (µs) could be closed instead.
  // Needs CAP_NET_ADMIN and a kernel with CONFIG_INET_DIAG_DESTROY. May be called from a visitor.
  std::vector<DestroyOutcome> Destroy(std::span<const SocketName> sockets,
                                      const netlink::CallOptions& call = {});

  // Runs `work` inside a network namespace that the last query listed, for what only the namespace
  // tells: the names of its interfaces. `work` runs on a thread of its own unless the calling
  // thread is in the namespace. May be called from a visitor. NotFound: the query did not list the
  // namespace, or it has vanished. EOPNOTSUPP: the Engine replays a capture.
  absl::Status RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> work);

  // What the kernel can answer. The first call probes the kernel; later calls return the same
  // object. For a replayed capture: the kernel of the capture, and no tables. May be called while a
  // query runs.
  const Capabilities& capabilities() ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // `uname -r`; for a replay, of the host that made the capture. Asks the kernel for no table.
  std::string kernel() const;
  // The Engine's network namespace.
  NetnsId netns() const;

 private:
  class Impl;
  friend class internal::EngineOpener;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace netdiag

#endif  // NETDIAG_ENGINE_H_
