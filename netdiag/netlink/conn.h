// netdiag/netlink/conn.h — a netlink socket with deadlines, cancellation and a Close that wakes
// everyone.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Conn> conn, Conn::Dial(kFamilySockDiag));
//   NETDIAG_ASSIGN_OR_RETURN(DumpResult result, conn->Dump(request, [&](const Message& m) {
//     …;                                                     // m is valid until this returns
//     return Flow::kContinue;
//   }));
//
// The mirror of Go's mdlayher/socket and mdlayher/netlink for C++: blocking calls for threads, fd()
// + TryReceive() for any event loop. It talks to the kernel only: the socket is connected to port
// id 0, and a datagram from anybody else is dropped and counted.
//
// Threads: every method may be called by any thread at any time. One exchange (Dump, Execute,
// Receive, TryReceive, Read, ReceiveDatagram) runs at once, others wait their turn, under their own
// deadlines; Send may run beside it. Close, SetDeadline and the other setters never wait for an
// exchange. A visitor may call those, but no exchange of the same Conn (EDEADLK).
//
// Ends of a call: a deadline (IsTimeout), a stop token (absl::IsCancelled), Close (IsClosed), an
// errno (Errno). Deadlines are absolute; those of the Conn hit pending calls too and can be
// extended; those of a call leave the Conn's own alone. After a call that ended early (timeout,
// cancellation, Flow::kStop) the Conn is as usable as before: the next exchange first drops the
// rest of the old answer, recognised by its sequence number.
//
// Lifetime: Messages and Datagrams are views of the one receive buffer, valid until the visitor
// returns (AddressSanitizer builds poison it then).
// Errors: absl::Status with the errno inside; nothing is thrown or printed.
// Cost: one send and one recvmsg a datagram, no allocation after Dial.
// Source: netlink(7), net/netlink/af_netlink.c.

#ifndef NETDIAG_NETLINK_CONN_H_
#define NETDIAG_NETLINK_CONN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/netlink/call.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/bpf_instruction.h"
#include "netdiag/types/types.h"

namespace netdiag::netlink {

inline constexpr int kFamilySockDiag = 4;  // NETLINK_SOCK_DIAG
inline constexpr int kFamilyRoute = 0;     // NETLINK_ROUTE

struct Config {
  // ---- What it is (Dial only) ----

  // The namespace to make the socket in; not set: the calling thread's, without any privilege.
  std::optional<NetNs> netns = std::nullopt;
  // Multicast groups 1 … 32 to bind to, bit N-1 for group N; more with JoinGroup().
  uint32_t groups = 0;
  // The port id to bind to; 0: the kernel picks a free one.
  uint32_t port_id = 0;

  // ---- How it behaves ----

  // Kernel words in errors (NETLINK_EXT_ACK, 4.12) and errors that do not echo the request
  // (NETLINK_CAP_ACK, 4.3). A kernel without them is no error unless `strict`.
  bool extended_ack = true;
  bool cap_ack = true;
  // NETLINK_GET_STRICT_CHK (4.20): the kernel refuses request fields that it would ignore.
  bool strict_check = false;
  // NETLINK_NO_ENOBUFS: multicast overruns are silent.
  bool no_enobufs = false;
  // Dial fails if one of the wanted options above cannot be set.
  bool strict = false;

  // ---- How fast ----

  // Bytes of the receive buffer. The kernel fills at most 32 KiB of dump at once; a smaller buffer
  // means more calls, and EMSGSIZE for what does not fit.
  size_t receive_buffer = 32 * 1024;
  // SO_RCVBUF and SO_SNDBUF in bytes (…FORCE is tried first; the kernel doubles them); 0: the
  // system's default.
  int socket_receive_buffer = 0;
  int socket_send_buffer = 0;

  // ---- For debugging ----

  // Called with one line of text for every message sent ("> …") and received ("< …"), on the
  // thread that does it, one call at a time. Must not call the Conn.
  absl::AnyInvocable<void(std::string_view line)> trace = nullptr;
};

// What an exchange met. Nothing here is an error.
struct DumpResult {
  uint64_t messages = 0;     // given to the visitor
  uint64_t datagrams = 0;    // received
  uint64_t bytes = 0;        // in them
  bool interrupted = false;  // NLM_F_DUMP_INTR: the dump may be inconsistent; never of sock_diag
  bool stopped = false;      // the visitor answered kStop
};

// Counts since Dial. Monotonic; read by any thread.
struct ConnStats {
  uint64_t foreign = 0;       // datagrams dropped because the kernel did not send them
  uint64_t stale = 0;         // messages dropped because they do not answer the request
  uint64_t overruns = 0;      // NLMSG_OVERRUN messages and ENOBUFS
  uint64_t busy_retries = 0;  // requests sent again because of EBUSY
};

// One datagram of the kernel.
struct Datagram {
  Bytes bytes;
  size_t length = 0;    // true length
  uint32_t groups = 0;  // multicast group mask it was sent to; 0: unicast

  // The buffer was too small; the rest is lost.
  bool truncated() const { return length > bytes.size(); }
};

struct NetlinkAddress {
  uint32_t port_id = 0;
  uint32_t groups = 0;
};

class Conn {
 public:
  // Opens a netlink socket of `family` through libmnl, bound, connected to the kernel,
  // non-blocking, close-on-exec.
  static absl::StatusOr<std::unique_ptr<Conn>> Dial(int family, Config config = {});
  // Takes over `fd` (closed even on error). Sends nothing and binds nothing. Senders are checked if
  // the socket is AF_NETLINK (SO_DOMAIN, read once); a socketpair of any kind with datagram borders
  // serves as a fake kernel.
  static absl::StatusOr<std::unique_ptr<Conn>> Adopt(int fd, Config config = {});
  // As Adopt, of a duplicate: both can be closed on their own. O_NONBLOCK becomes set for `fd` too:
  // it belongs to the open file description, which both share.
  static absl::StatusOr<std::unique_ptr<Conn>> Dup(int fd, Config config = {});

  Conn(const Conn&) = delete;
  Conn& operator=(const Conn&) = delete;
  // Closes. REQUIRES: no call is running.
  ~Conn();

  // ---- Exchanges ----

  // Sends one request made by RequestBuilder; sequence number and port id are filled in on the way,
  // `request` stays as it is. Returns the sequence number. A dump sent before its predecessor was
  // read to the end drops the rest of that one.
  absl::StatusOr<uint32_t> Send(Bytes request, const CallOptions& options = {});
  // Receives one datagram, waiting for it, and visits those of its messages that answer the last
  // Send(), results (NLMSG_DONE, NLMSG_ERROR) excepted; when that answer has ended, and without a
  // Send(), messages of any sequence number (multicast). kDone: the answer has ended; an errno in
  // its result is the Status. kStop drops the rest of the answer. After a deadline or a stop the
  // answer is still open, and the next Receive() goes on with it.
  absl::StatusOr<Ready> Receive(absl::FunctionRef<Flow(const Message&)> visitor,
                                const CallOptions& options = {});
  // The same without waiting, for event loops that poll fd(): kWouldBlock, not a Status, when there
  // is nothing.
  absl::StatusOr<Ready> TryReceive(absl::FunctionRef<Flow(const Message&)> visitor);
  // Sends a dump request (kFlagDump) and visits every message of the answer, over as many datagrams
  // as it has. An errno in NLMSG_ERROR or NLMSG_DONE is the Status; messages visited before it are
  // good. EBUSY is tried again a few times.
  absl::StatusOr<DumpResult> Dump(Bytes request, absl::FunctionRef<Flow(const Message&)> visitor,
                                  const CallOptions& options = {});
  // Sends a request that is answered by one message or an acknowledgement (set kFlagAck if it has
  // no other answer), and visits the messages that are neither.
  absl::Status Execute(Bytes request,
                       absl::FunctionRef<Flow(const Message&)> visitor = IgnoreMessage,
                       const CallOptions& options = {});
  // What the exchange driven by Send() + TryReceive() has met since that Send().
  DumpResult progress() const;

  // ---- Raw bytes ----

  // One datagram in or out, as it is. Read gives the datagram's true length, which is above
  // buffer.size() if it was cut; 0: the other end of a socketpair is closed.
  absl::StatusOr<size_t> Read(std::span<std::byte> buffer, const CallOptions& options = {});
  absl::StatusOr<size_t> Write(Bytes bytes, const CallOptions& options = {});
  absl::Status ReceiveDatagram(absl::FunctionRef<void(const Datagram&)> visitor,
                               const CallOptions& options = {});
  // To another port id or group than the kernel's. Needs an adopted Conn: a dialled one is
  // connected.
  absl::Status SendTo(Bytes bytes, const NetlinkAddress& to, const CallOptions& options = {});

  // ---- Deadlines and the end ----

  // Absolute; std::nullopt: none. A past deadline ends pending calls and fails new ones at once,
  // even if data is ready; a later one makes the Conn usable again.
  void SetDeadline(std::optional<TimePoint> deadline);
  void SetReadDeadline(std::optional<TimePoint> deadline);
  void SetWriteDeadline(std::optional<TimePoint> deadline);
  // Idempotent. Wakes every blocked call (IsClosed); the descriptor itself is closed when the last
  // call inside has left, so its number is never reused under one.
  void Close();

  // ---- The socket ----

  // The descriptor, for poll(2); -1 once closed. Do not read, write or close it.
  int fd() const;
  // Runs `use` with the descriptor, which stays open meanwhile whatever Close() does.
  absl::Status WithFd(absl::FunctionRef<absl::Status(int fd)> use);
  uint32_t port_id() const { return port_id_; }
  absl::StatusOr<NetlinkAddress> LocalAddress();
  absl::StatusOr<NetlinkAddress> RemoteAddress();
  absl::Status JoinGroup(uint32_t group);
  absl::Status LeaveGroup(uint32_t group);
  // A classic BPF program that the kernel runs on each datagram before it is queued. An empty one
  // is EINVAL.
  absl::Status SetBPF(std::span<const BpfInstruction> program);
  absl::Status RemoveBPF();
  absl::StatusOr<int> ReadBuffer();
  absl::StatusOr<int> WriteBuffer();
  absl::Status SetReadBuffer(int bytes);  // SO_RCVBUFFORCE first, then SO_RCVBUF
  absl::Status SetWriteBuffer(int bytes);
  absl::StatusOr<int> GetOption(int level, int name);
  absl::Status SetOption(int level, int name, int value);
  ConnStats stats() const;

  static Flow IgnoreMessage(const Message&) { return Flow::kContinue; }

 private:
  class Impl;
  template <class T>
  absl::StatusOr<T> Get(absl::FunctionRef<absl::StatusOr<T>(int fd)> get);
  explicit Conn(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
  uint32_t port_id_ = 0;
};

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_CONN_H_
