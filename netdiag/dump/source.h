// netdiag/dump/source.h — Internal. Users want netdiag/engine.h.
//
// Where the messages of one dump come from.
//
// Every source yields netlink messages, so views, filters, captures and renderers have one form to
// read: the kernel's own datagrams, /proc/net encoded as such, or a capture. A source is stepped:
// one datagram, or one read of /proc, a step. Step() answers kSome: there may be more; kWouldBlock,
// if it may not wait: nothing yet; kDone: the dump has ended, or the visitor answered kStop.
//
// Lifetime: a Message is valid until the visitor returns.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_SOURCE_H_
#define NETDIAG_DUMP_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/tcp_table.h"
#include "netdiag/dump/capture.h"
#include "netdiag/dump/passes.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/netlink/conn.h"

namespace netdiag::internal {

// How a step may wait: not at all (event loops), or until there is something.
enum class Wait : uint8_t { kNever, kBlock };

// What a source met beside its messages.
struct SourceStats {
  uint64_t foreign = 0;      // datagrams that the kernel did not send
  uint64_t damaged = 0;      // lines or records that could not be read
  bool interrupted = false;  // the kernel says that the dump may be inconsistent
};

// The kernel's answer over a Conn. TCP's IPv4 and IPv6 are one walk (the legacy request); every
// other request names its one family. Where one walk need not give all, it is repeated: passes.h.
class NetlinkSource {
 public:
  // `conn` must outlive the source and serve nothing else meanwhile.
  NetlinkSource(netlink::Conn* conn, const DumpRequest& request);
  absl::Status Begin(const netlink::CallOptions& options);
  absl::StatusOr<netlink::Ready> Step(Wait wait, const netlink::CallOptions& options,
                                      MessageVisitor visitor);
  SourceStats stats() const;

 private:
  absl::Status SendPass(const netlink::CallOptions& options);

  netlink::Conn* conn_;
  DumpRequest request_;
  uint64_t foreign_before_ = 0;
  std::unique_ptr<Passes> passes_;  // null: one walk gives all
};

// The answer that a dump of TCP would give, without its walk over the sockets of other namespaces:
// a dump of what listens, whose table is its own and short, and an exact request for each of the
// rest, whose addresses are known (bpf/tcp_table.h). Whether they are all is held against a count
// of the listeners; if it does not come out, the walk follows after all, without the request's
// program if the kernel refuses that. A socket that has gone in the meantime is left out, as a dump
// would. Cost: 2 to 3 µs a request, 48 of them a step.
class LookupSource {
 public:
  // `tuples`: every socket that does not listen, of request.table's families. `listeners`: what the
  // dump of those must give. `conn`: as NetlinkSource.
  LookupSource(netlink::Conn* conn, const DumpRequest& request, std::vector<bpf::TcpTuple> tuples,
               uint64_t listeners);
  // The one socket that has these ends and is bound to this interface, or none: nothing else may
  // match what is looked for. Where the kernel finds one that is bound to none instead, which would
  // hide it, and where it does not answer such requests, the walk follows.
  static LookupSource Exactly(netlink::Conn* conn, const DumpRequest& request,
                              const bpf::TcpTuple& tuple);
  absl::Status Begin(const netlink::CallOptions& options);
  absl::StatusOr<netlink::Ready> Step(Wait wait, const netlink::CallOptions& options,
                                      MessageVisitor visitor);
  SourceStats stats() const { return dump_.stats(); }
  // No walk was needed, so far.
  bool looked_up() const { return phase_ != Phase::kWalk; }

 private:
  enum class Phase : uint8_t { kListeners, kLookups, kWalk };
  absl::StatusOr<netlink::Ready> DumpListeners(Wait wait, const netlink::CallOptions& options,
                                               MessageVisitor visitor);
  absl::StatusOr<netlink::Ready> LookUp(const netlink::CallOptions& options,
                                        MessageVisitor visitor);
  absl::StatusOr<netlink::Ready> StepWalk(Wait wait, const netlink::CallOptions& options,
                                          MessageVisitor visitor);
  absl::StatusOr<netlink::Ready> BeginWalk(const netlink::CallOptions& options);
  DumpRequest WithStates(StateSet states) const;

  netlink::Conn* conn_;
  DumpRequest request_;
  std::vector<bpf::TcpTuple> tuples_;
  uint64_t listeners_;
  Phase phase_ = Phase::kListeners;
  bool exactly_ = false;
  NetlinkSource dump_;
  uint64_t heard_ = 0;  // listeners, then rows of the walk
  size_t next_ = 0;     // of tuples_
};

// The request as bytes in `storage`, as NetlinkSource sends it and captures keep it.
inline constexpr size_t kMaxRequest = 128;  // bytes, beside its bytecode
absl::StatusOr<Bytes> EncodeRequest(const DumpRequest& request, std::span<std::byte> storage);
// The request for one TCP socket with what `request` asks for, appended to `out`.
absl::Status AppendTcpLookup(const DumpRequest& request, const bpf::TcpTuple& tuple,
                             uint32_t sequence, std::vector<std::byte>* out);
// The request for one unix socket with all it tells, pending connections included.
absl::StatusOr<Bytes> EncodeUnixLookup(Inode inode, Cookie cookie, std::span<std::byte> storage);

// A NetlinkSource that has begun, read on a thread of its own while its rows are visited. The
// thread takes no signals and has ended when the source is gone; it ends with the call's deadline
// and stop token, too.
class AheadSource {
 public:
  // Takes *source over and reads on until `limit` bytes wait to be visited, and one datagram more.
  // Not OK: there is no thread to be had, and *source is as it was.
  static absl::StatusOr<AheadSource> Start(NetlinkSource* source, const netlink::CallOptions& call,
                                           size_t limit);
  AheadSource(AheadSource&&) noexcept;
  AheadSource& operator=(AheadSource&&) noexcept;
  ~AheadSource();

  // Waits for the next datagram. `foresee` is shown each of its messages some before `visitor` is.
  absl::StatusOr<netlink::Ready> Step(
      MessageVisitor visitor,
      absl::FunctionRef<void(const netlink::Message&)> foresee = [](const netlink::Message&) {});
  SourceStats stats() const;

 private:
  class Impl;
  explicit AheadSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// /proc/net/{tcp,tcp6,udp,udp6,unix,...}, each line encoded as the message that the kernel would
// have sent; attributes that /proc does not tell are absent, as are cookies (0).
class ProcfsSource {
 public:
  // `open` opens a file below the right namespace's net/ directory: "tcp6" → descriptor or Status.
  // The descriptor becomes the source's.
  using Opener = absl::FunctionRef<absl::StatusOr<int>(std::string_view file)>;
  static absl::StatusOr<ProcfsSource> Open(const DumpRequest& request, Opener open);
  ProcfsSource(ProcfsSource&&) noexcept;
  ProcfsSource& operator=(ProcfsSource&&) noexcept;
  ~ProcfsSource();

  absl::StatusOr<netlink::Ready> Step(MessageVisitor visitor);
  SourceStats stats() const;

 private:
  class Impl;
  explicit ProcfsSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The records of one table in a capture.
class ReplaySource {
 public:
  // `at_table` has just given the record of `table`. The capture must outlive the source.
  ReplaySource(const CaptureReader& at_table, const Table& table)
      : reader_(at_table), table_(table) {}
  absl::StatusOr<netlink::Ready> Step(MessageVisitor visitor);
  SourceStats stats() const { return stats_; }

 private:
  CaptureReader reader_;
  Table table_;
  SourceStats stats_;
};

// The sockets of one table out of an index of several, which must outlive the source.
class KeptSource {
 public:
  KeptSource(const UnixIndex* index, uint16_t table) : index_(index), table_(table) {}
  absl::StatusOr<netlink::Ready> Step(MessageVisitor visitor);
  SourceStats stats() const { return {}; }

 private:
  const UnixIndex* index_;
  uint16_t table_;
  size_t next_ = 0;
};

using Source =
    std::variant<NetlinkSource, AheadSource, LookupSource, ProcfsSource, ReplaySource, KeptSource>;

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_SOURCE_H_
