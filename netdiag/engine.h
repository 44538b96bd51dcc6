// netdiag/engine.h — ask the kernel which sockets exist, in what state, and who holds them.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Engine::Open());
//   Query query{.protocols = {Protocol::kTcp}, .states = State::kListen, .owners = true};
//   NETDIAG_ASSIGN_OR_RETURN(Summary summary, engine->Visit(query, [](const Row& row) {
//     if (const InetSocket* socket = row.inet()) Use(socket->local(), row.owners());
//     return Flow::kContinue;
//   }));
//
// Three ways to one answer: Visit streams rows on the calling thread; Begin + Step do the same in
// bounded slices for event loops; Take keeps the answer in a Snapshot.
//
// A kernel or sandbox without a dump is answered from /proc/net. What cannot be answered at all is
// an outcome of its table in the Summary, with what is missing, and the other tables go on: partial
// success is not an error.
//
// Lifetime: a Row and all that it gives is valid until the visitor returns.
// Threads: thread-compatible; different Engines are independent. No thread is started unless a
// namespace has to be entered or EngineOptions::threads allows it, and it has ended when the call
// returns. No setting of the
// process is touched. Do not use an Engine after fork().
// Cost: one send a table, and one recvmsg per 260 TCP rows; no allocation per row.
// Owners: process/owner_index.h.
// Source: sock_diag(7), net/core/sock_diag.c.

#ifndef NETDIAG_ENGINE_H_
#define NETDIAG_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/capture.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/call.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/owner.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Snapshot;

struct EngineOptions {
  // The network namespace to look into; not set: the one of the thread that calls Open().
  std::optional<netlink::NetNs> netns;
  // Every query covers all network namespaces that can be seen (netlink/netns.h), `netns` first;
  // Summary::netns tells of those that could not be asked. Entering them needs CAP_SYS_ADMIN. None
  // is kept alive longer than its dumps take; of a query begun and not stepped to its end, until
  // the next Begin(). Cost: a few ms for Begin(), and for each namespace a thread, and a dump of
  // each table that is not empty; TCP: dump/source.h, LookupSource.
  bool all_netns = false;
  // For comparison and tests.
  TcpPlan tcp_plan = TcpPlan::kAuto;
  // The procfs that owners and /proc/net are read from.
  std::string proc_root = "/proc";
  // Who reads the descriptors of processes, for owners: process/owner_index.h.
  OwnerSource owner_source = OwnerSource::kAuto;
  // Conns to spread a query's dumps over, each with a dump in flight. Above 1, TCP is asked per
  // family, and a socket that two dumps give is delivered once (merged by cookie).
  size_t connections = 1;
  // Above 1, Visit, Take and Capture read long dumps on a thread beside the visitor, and scan
  // owners on another beside both. Rows that wait for one or the other are bounded: 0.5 MiB, with
  // owners 8 MiB. The threads have ended when the call returns.
  size_t threads = 1;
  // Tables to answer from /proc/net even where the kernel has a dump: for comparison and tests.
  bool prefer_procfs = false;
  // Rows come from this capture and from nowhere else. Must outlive the Engine.
  std::optional<Bytes> replay;
};

// What this kernel answers, by protocol and family. Probed with dumps of no state, a few µs each.
struct Capability {
  Table table;
  absl::Status netlink;  // OK, or why not: the missing kernel option by name
  bool procfs = false;   // /proc/net has the table
};
struct Capabilities {
  std::string kernel;  // `uname -r`
  std::vector<Capability> tables;
  absl::Status bpf_owners;  // OK, or what owners by BPF lack here
};

// How much one Step() may do. At least one datagram or a handful of descriptors is always done.
struct Budget {
  size_t datagrams = 1;      // of up to 32 KiB, about 260 rows
  size_t descriptors = 512;  // links of /proc/PID/fd, about 2 µs each
};

// A socket by name and cookie: what Row tells of it.
struct SocketName {
  Protocol protocol = Protocol::kTcp;
  Endpoint local;
  Endpoint remote;
  IfIndex interface;  // that it is bound to
  Cookie cookie;
};

// What became of a socket that was to be closed.
enum class Destroyed : uint8_t {
  kClosed,         // its owner's next call fails: ECONNABORTED
  kGone,           // there is no socket of that cookie
  kNotSelectable,  // it lives, but the kernel finds another of its group by that name
  kRefused,        // for the reason in DestroyOutcome::status
};
struct DestroyOutcome {
  Destroyed outcome = Destroyed::kRefused;
  absl::Status status;  // of kRefused: EPERM: no CAP_NET_ADMIN; EOPNOTSUPP: not of this protocol
};

class Engine {
 public:
  using Visitor = absl::FunctionRef<Flow(const Row&)>;

  // Errors: a namespace that cannot be entered. A kernel without NETLINK_SOCK_DIAG is not an error
  // here.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(EngineOptions options = {});
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  // Answers the query, row by row, waiting as long as `call` allows. Not OK: the call's deadline or
  // stop token ended it; then the rows so far were good, and the Engine is as usable as before.
  absl::StatusOr<Summary> Visit(const Query& query, Visitor visitor,
                                const netlink::CallOptions& call = {});

  // The same in slices that never wait. Begin() drops an unfinished query; the first Step() after
  // it reads the rest of the dump that was dropped, of which the kernel must be rid. Step(): kSome:
  // call again; kWouldBlock: call again when fd() is readable; kDone: summary() is complete. A
  // visitor may neither begin nor step a query on its Engine (EDEADLK).
  absl::Status Begin(const Query& query);
  absl::StatusOr<netlink::Ready> Step(Visitor visitor, const Budget& budget = {});
  // Of Begin() and Step(); Visit, Take and Capture give theirs away.
  const Summary& summary() const ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // The descriptor that Step() waits for; -1: none now. It may change from step to step.
  int fd() const;

  // The whole answer, kept. Cost: the messages' bytes (about 130 a TCP row) and 16 bytes a row.
  absl::StatusOr<Snapshot> Take(const Query& query, const netlink::CallOptions& call = {});
  // As Visit without rows: everything that was received, as a capture.
  absl::StatusOr<Summary> Capture(const Query& query, CaptureWriter* writer,
                                  const netlink::CallOptions& call = {});

  // One unix socket, with the connections that wait in it. A cookie of 0 matches any. NotFound:
  // there is none, or rows are replayed. Cost: a walk of the namespace's unix sockets inside the
  // kernel. May be called from a visitor.
  absl::Status LookupUnix(Inode inode, Cookie cookie,
                          absl::FunctionRef<void(const UnixSocket&)> visitor);

  // Closes sockets of the Engine's namespace, whoever holds them (SOCK_DESTROY, 4.5): an outcome
  // for each, in order. Only the socket of that very cookie is ever closed. Among sockets that
  // share a name (SO_REUSEPORT) the kernel picks one, and closes none if it is another: those are
  // tried again as long as others of the call go. Of sockets that the kernel did not find it is
  // looked up in exact dumps whether they live. Needs CAP_NET_ADMIN, and CONFIG_INET_DIAG_DESTROY.
  absl::StatusOr<std::vector<DestroyOutcome>> Destroy(std::span<const SocketName> sockets,
                                                      const netlink::CallOptions& call = {});

  // Probed at the first call, then kept. Of a replayed capture: its kernel and no tables. May be
  // called during a query.
  const Capabilities& capabilities() ABSL_ATTRIBUTE_LIFETIME_BOUND;
  NetnsId netns() const;

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace netdiag

#endif  // NETDIAG_ENGINE_H_
