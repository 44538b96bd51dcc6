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
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/socket_census.h"
#include "netdiag/bpf/tcp_table.h"
#include "netdiag/dump/capture.h"
#include "netdiag/dump/cookie_set.h"
#include "netdiag/dump/passes.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/tears.h"
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
  uint64_t repeated = 0;     // rows of sockets that were given before: dropped
  uint64_t walks = 0;        // of the table
  uint64_t unsettled = 0;    // sockets known to live that no walk gave
  absl::Status doubt;        // OK: every socket that lived was given; or why some may be missing
};

// Counts every socket of a table, by other means than a dump: bpf/socket_census.h. Thread-safe.
using CensusTaker =
    std::function<absl::StatusOr<std::vector<bpf::CountedSocket>>(const Table& table)>;

// ReadTcpActivity() in the namespace of the table. Thread-safe.
using ActivityReader = std::function<std::optional<TcpActivity>(uint64_t least)>;

// What dumps of one Conn use again and again, so that none allocates.
struct WalkScratch {
  Tears tears;
  std::vector<std::byte> requests;
  std::vector<std::byte> program;
  std::vector<char> met;             // of the witnesses
  std::optional<uint64_t> tcp_rows;  // of the last walk of TCP
};

struct WalkOptions {
  Completeness completeness = Completeness::kProved;
  uint64_t tcp_buckets = 0;                  // Tears::Begin()
  const CensusTaker* census = nullptr;       // null: there is none
  const ActivityReader* activity = nullptr;  // likewise
  WalkScratch* scratch = nullptr;            // null: the source has its own
};

// The request as bytes in `storage`, as NetlinkSource sends it and captures keep it.
inline constexpr size_t kMaxRequest = 128;  // bytes, beside its bytecode
// Whether one request can name both families of the protocol's table, on this kernel.
bool OneWalkServes(Protocol protocol);
absl::StatusOr<Bytes> EncodeRequest(const DumpRequest& request, std::span<std::byte> storage);
// The `pass`th of netlink sockets; without attributes that no SocketKey needs.
enum class Detail : uint8_t { kAll, kKeys };
absl::StatusOr<Bytes> EncodePass(const DumpRequest& request, Detail detail, size_t pass,
                                 std::span<std::byte> storage);
// `program` becomes one that passes these local ports; of none, empty.
void PutPortsProgram(std::span<const Port> ports, std::vector<std::byte>* program);
// The request for one TCP socket, appended to `out`.
absl::Status AppendLookup(const ConnectionId& connection, uint32_t sequence,
                          std::vector<std::byte>* out);
// The request to close one socket of TCP, UDP or raw.
absl::StatusOr<Bytes> EncodeDestroy(Protocol protocol, const ConnectionId& socket,
                                    std::span<std::byte> storage);
// The request for one TCP socket with what `request` asks for, appended to `out`.
absl::Status AppendTcpLookup(const DumpRequest& request, const bpf::TcpTuple& tuple,
                             uint32_t sequence, std::vector<std::byte>* out);
// The request for one unix socket with all it tells, pending connections included.
absl::StatusOr<Bytes> EncodeUnixLookup(Inode inode, Cookie cookie, std::span<std::byte> storage);

// What is known where one walk does not do.
struct MoreWalks {
  CookieSet given;
  // To settle a doubt: by a census, what it counted and no walk has given (cookies); or by
  // comparing, the keys of the walk before and of this one.
  bool settles = false;
  bool counted = false;
  bool recounted = false;  // unix sockets, which move
  absl::flat_hash_set<uint64_t> missing;
  bool compares = false;  // the walk before hid nothing
  absl::flat_hash_set<uint64_t> before;
  absl::flat_hash_set<uint64_t> now;
};

// The kernel's answer over a Conn. TCP's IPv4 and IPv6 are one walk (the legacy request), and UDP's
// since 5.9; every other request names its one family.
//
// No socket is given twice. A walk in several datagrams is proved afterwards (tears.h): of TCP by
// its activity, if there was none (sockstat.h), or by exact requests for the last connections
// before each tear; else by another walk, without attributes, of what was torn. A torn walk that
// hid sockets, but of connections, is made again without what hid them. Where there is no proof,
// kProved leaves a doubt; so does kFast, which spares more than kFewLookups exact requests. kExact
// walks again, without what hides sockets, until one walk is proved, by the sockets of the one
// before that are all in it; or until every socket of a census was given or has gone. At most
// kMaxWalks and kMaxCensusWalks.
// Netlink sockets are walked several times in any case: passes.h. A dump of packet sockets ends
// silently at a list that is too long; where lists are asked for a second walk is without.
class NetlinkSource {
 public:
  static constexpr uint64_t kMaxWalks = 6;
  static constexpr uint64_t kMaxCensusWalks = 16;
  static constexpr size_t kFewLookups = 128;

  // `conn` must outlive the source and serve nothing else meanwhile; so must what `options` names.
  NetlinkSource(netlink::Conn* conn, const DumpRequest& request, const WalkOptions& options = {});
  absl::Status Begin(const netlink::CallOptions& options);
  absl::StatusOr<netlink::Ready> Step(Wait wait, const netlink::CallOptions& options,
                                      MessageVisitor visitor);
  SourceStats stats() const;

 private:
  enum class Phase : uint8_t { kPasses, kWalk, kLookups, kProof, kOver };
  using CallOptions = netlink::CallOptions;
  using Ready = netlink::Ready;

  absl::Status Send(const DumpRequest& request, Detail detail, const CallOptions& call);
  absl::StatusOr<Ready> Receive(Wait wait, const CallOptions& call, MessageVisitor visitor);
  absl::StatusOr<Ready> StepPasses(Wait wait, const CallOptions& call, MessageVisitor visitor);
  absl::Status BeginWalk(const CallOptions& call);
  absl::StatusOr<Ready> StepWalk(Wait wait, const CallOptions& call, MessageVisitor visitor);
  absl::StatusOr<Ready> EndWalk(const CallOptions& call);
  absl::StatusOr<Ready> WalkInstead(const DumpRequest& request, const CallOptions& call);
  void ReadActivity();
  bool NothingStirred() const;
  bool CanUnhide() const;
  absl::StatusOr<Ready> Prove(const CallOptions& call);
  absl::StatusOr<Ready> LookUp(const CallOptions& call);
  absl::StatusOr<Ready> BeginProof(const CallOptions& call);
  absl::StatusOr<Ready> StepProof(Wait wait, const CallOptions& call);
  absl::StatusOr<Ready> Doubt(std::string_view why, const CallOptions& call);
  absl::StatusOr<Ready> Settle(const CallOptions& call);
  absl::StatusOr<Ready> WalkAgain(const CallOptions& call);
  absl::StatusOr<Ready> GiveUp(std::string_view why);
  absl::StatusOr<Ready> Settled();
  DumpRequest Wide() const;
  Flow Give(const netlink::Message& message, MessageVisitor visitor);
  bool Missing(bool first);
  bool IsOurs(const netlink::Message& message) const;
  bool Asks(const bpf::CountedSocket& socket) const;

  netlink::Conn* conn_;
  DumpRequest request_;  // as asked for
  DumpRequest walked_;   // of the present walk
  WalkOptions options_;
  Phase phase_ = Phase::kWalk;
  uint64_t foreign_before_ = 0;
  bool stopped_ = false;
  SourceStats stats_;
  std::unique_ptr<Passes> passes_;  // of netlink sockets
  std::unique_ptr<WalkScratch> own_;
  std::optional<TcpActivity> activity_;  // before the first walk
  size_t next_ = 0;                      // of the connections to be looked up
  std::unique_ptr<MoreWalks> more_;      // from the second walk on
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
  // dump of those must give. `conn`, `options`: as NetlinkSource.
  LookupSource(netlink::Conn* conn, const DumpRequest& request, std::vector<bpf::TcpTuple> tuples,
               uint64_t listeners, const WalkOptions& options = {});
  // The one socket that has these ends and is bound to this interface, or none: nothing else may
  // match what is looked for. Where the kernel finds one that is bound to none instead, which would
  // hide it, and where it does not answer such requests, the walk follows.
  static LookupSource Exactly(netlink::Conn* conn, const DumpRequest& request,
                              const bpf::TcpTuple& tuple, const WalkOptions& options = {});
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
  WalkOptions options_;
  std::vector<bpf::TcpTuple> tuples_;
  uint64_t listeners_;
  Phase phase_ = Phase::kListeners;
  bool exactly_ = false;
  NetlinkSource dump_;
  uint64_t heard_ = 0;  // listeners, then rows of the walk
  size_t next_ = 0;     // of tuples_
};

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
