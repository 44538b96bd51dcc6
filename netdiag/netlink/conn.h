// SPDX-License-Identifier: Apache-2.0
//
// netdiag/netlink/conn.h — a netlink socket with deadlines, cancellation and a Close() that wakes
// every blocked call.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Conn> conn, Conn::Dial(kFamilySockDiag));
//   NETDIAG_ASSIGN_OR_RETURN(DumpResult result, conn->Dump(request, [&](const Message& m) {
//     …;                                                     // m is valid until this returns
//     return Flow::kContinue;
//   }));
//
// Conn is a product of its own: the C++ counterpart of Go's mdlayher/socket and mdlayher/netlink.
// It has their whole interface for netlink sockets, although the Engine uses only a part of it.
// Dial is netlink.Dial, Dup is socket.FileConn, Adopt is socket.New, WithFd is SyscallConn, and
// CallOptions stand for a context; most other names are the same. docs/ancestors.md has the table.
// A Conn serves threads (calls block) and event loops (fd() and TryReceive()). It talks to the
// kernel only: Dial connects the socket to port id 0, and a datagram from another sender is dropped
// and counted.
//
// Threads: any thread may call any method at any time. One exchange (Dump, Execute, Receive,
// TryReceive, Read, ReceiveDatagram) runs at a time. The others wait for their turn, until their
// own deadlines. Send may run beside an exchange. Close, SetDeadline and the other setters never
// wait for one. A visitor may call those, but it must not start an exchange on the same Conn
// (EDEADLK).
//
// Ends of a call: a deadline (IsTimeout), a stop token (absl::IsCancelled), Close (IsClosed), an
// errno (Errno). Deadlines are absolute. A deadline of the Conn applies to pending calls too and
// can be extended; a deadline of one call does not change those of the Conn. A call that ended
// early (timeout, cancellation, Flow::kStop) leaves the Conn usable: the next exchange first drops
// the rest of the old answer, which it recognises by the sequence number.
//
// Lifetime: Messages and Datagrams are views of the one receive buffer and are valid until the
// visitor returns. Builds with AddressSanitizer poison the buffer then.
// Errors: absl::Status with the errno inside. Nothing is thrown or printed.
// Cost: one send per request, one recvmsg per datagram, no allocation after Dial.
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
  // ---- The socket (Dial only) ----

  // The namespace of the socket. Not set: the calling thread's, which needs no privilege.
  std::optional<NetNs> netns = std::nullopt;
  // Multicast groups 1 … 32 to bind to, bit N-1 for group N. JoinGroup() adds groups above 32.
  uint32_t groups = 0;
  // The port id to bind to; 0: the kernel picks a free one.
  uint32_t port_id = 0;

  // ---- Behaviour ----

  // Errors carry the kernel's message (NETLINK_EXT_ACK, 4.12) and do not echo the request
  // (NETLINK_CAP_ACK, 4.3). On a kernel without them Dial fails only if `strict` is set.
  bool extended_ack = true;
  bool cap_ack = true;
  // NETLINK_GET_STRICT_CHK (4.20): the kernel refuses request fields that it ignores otherwise.
  bool strict_check = false;
  // NETLINK_NO_ENOBUFS: the kernel does not report multicast overruns.
  bool no_enobufs = false;
  // Dial fails if one of the options above is wanted and cannot be set.
  bool strict = false;

  // ---- Buffers ----

  // Size of the receive buffer in bytes. The kernel puts at most 32 KiB of a dump into one
  // datagram. A smaller buffer means more calls, and EMSGSIZE for datagrams that do not fit.
  size_t receive_buffer = 32 * 1024;
  // SO_RCVBUF and SO_SNDBUF in bytes (the FORCE form is tried first; the kernel doubles the value).
  // 0: the system's default.
  int socket_receive_buffer = 0;
  int socket_send_buffer = 0;

  // ---- For debugging ----

  // Called with one line of text for every message sent ("> …") and received ("< …"), on the thread
  // that sends or receives, one call at a time. Must not call the Conn.
  absl::AnyInvocable<void(std::string_view line)> trace = nullptr;
};

// What an exchange received. None of this is an error.
struct DumpResult {
  uint64_t messages = 0;   // given to the visitor
  uint64_t datagrams = 0;  // received
  uint64_t bytes = 0;      // received
  bool interrupted =
      false;             // NLM_F_DUMP_INTR: the dump may be inconsistent; sock_diag never sets it
  bool stopped = false;  // the visitor returned kStop
};

// Counts since Dial. They only grow; any thread may read them.
struct ConnStats {
  uint64_t foreign = 0;       // datagrams dropped because another sender than the kernel sent them
  uint64_t stale = 0;         // messages dropped because they answer no current request
  uint64_t overruns = 0;      // NLMSG_OVERRUN messages and ENOBUFS
  uint64_t busy_retries = 0;  // requests sent again after EBUSY
};

// One datagram from the kernel.
struct Datagram {
  Bytes bytes;
  size_t length = 0;    // as sent
  uint32_t groups = 0;  // mask of the multicast groups that it was sent to; 0: unicast

  // True if the buffer was too small. The rest of the datagram is lost.
  bool truncated() const { return length > bytes.size(); }
};

struct NetlinkAddress {
  uint32_t port_id = 0;
  uint32_t groups = 0;
};

class Conn {
 public:
  // Opens a netlink socket of `family` with libmnl: bound, connected to the kernel, non-blocking,
  // close-on-exec.
  static absl::StatusOr<std::unique_ptr<Conn>> Dial(int family, Config config = {});
  // Takes ownership of `fd`, which is closed on error too. Sends nothing and binds nothing. Senders
  // are checked if the socket is AF_NETLINK (SO_DOMAIN, read once). In tests, one end of a
  // socketpair that keeps message boundaries serves as a fake kernel.
  static absl::StatusOr<std::unique_ptr<Conn>> Adopt(int fd, Config config = {});
  // As Adopt, with a duplicate of `fd`: each is closed on its own. This sets O_NONBLOCK for `fd`
  // too, because both share the open file description.
  static absl::StatusOr<std::unique_ptr<Conn>> Dup(int fd, Config config = {});

  Conn(const Conn&) = delete;
  Conn& operator=(const Conn&) = delete;
  // Closes the socket. REQUIRES: no call is running.
  ~Conn();

  // ---- Exchanges ----

  // Sends one request made by RequestBuilder, with a sequence number and the port id filled in;
  // `request` itself is not changed. Returns the sequence number. If the previous dump was not read
  // to its end, a new dump drops the rest of it.
  absl::StatusOr<uint32_t> Send(Bytes request, const CallOptions& options = {});
  // Waits for one datagram and visits its messages that answer the last Send(), except the results
  // (NLMSG_DONE, NLMSG_ERROR). When that answer has ended, or without a Send(), visits messages of
  // any sequence number (multicast). Returns kDone at the end of the answer; an errno in its result
  // becomes the Status. A visitor that returns kStop drops the rest of the answer. After a deadline
  // or a stop the answer is still open, and the next Receive() continues it.
  absl::StatusOr<Ready> Receive(absl::FunctionRef<Flow(const Message&)> visitor,
                                const CallOptions& options = {});
  // As Receive(), without waiting, for event loops that poll fd(). Returns kWouldBlock if there is
  // no datagram.
  absl::StatusOr<Ready> TryReceive(absl::FunctionRef<Flow(const Message&)> visitor);
  // Sends a dump request (kFlagDump) and visits every message of the answer, in all its datagrams.
  // An errno in NLMSG_ERROR or NLMSG_DONE becomes the Status; the messages visited before it are
  // good. After EBUSY the request is sent again, a few times.
  absl::StatusOr<DumpResult> Dump(Bytes request, absl::FunctionRef<Flow(const Message&)> visitor,
                                  const CallOptions& options = {});
  // Sends a request whose answer is one message or an acknowledgement, and visits the messages that
  // are not the acknowledgement. Set kFlagAck in a request that has no other answer.
  absl::Status Execute(Bytes request,
                       absl::FunctionRef<Flow(const Message&)> visitor = IgnoreMessage,
                       const CallOptions& options = {});
  // What the exchange of Send() and TryReceive() has received since that Send().
  DumpResult progress() const;

  // ---- Raw bytes ----

  // One datagram in or out, unchanged. Read returns the length as sent, which is above
  // buffer.size() if the datagram was cut, and 0 if the other end of a socketpair is closed.
  absl::StatusOr<size_t> Read(std::span<std::byte> buffer, const CallOptions& options = {});
  absl::StatusOr<size_t> Write(Bytes bytes, const CallOptions& options = {});
  absl::Status ReceiveDatagram(absl::FunctionRef<void(const Datagram&)> visitor,
                               const CallOptions& options = {});
  // Sends to another port id or to a group. Works for an adopted Conn only: Dial connects the
  // socket to the kernel.
  absl::Status SendTo(Bytes bytes, const NetlinkAddress& to, const CallOptions& options = {});

  // ---- Deadlines and the end ----

  // Absolute; std::nullopt: no deadline. A past deadline ends pending calls and fails new ones at
  // once, even if data is ready. A deadline in the future makes the Conn usable again.
  void SetDeadline(std::optional<TimePoint> deadline);
  void SetReadDeadline(std::optional<TimePoint> deadline);
  void SetWriteDeadline(std::optional<TimePoint> deadline);
  // Idempotent. Wakes every blocked call (IsClosed). The descriptor is closed when the last running
  // call has returned, so the kernel cannot reuse its number under a call.
  void Close();

  // ---- The socket ----

  // The descriptor, for poll(2); -1 after Close(). Do not read, write or close it.
  int fd() const;
  // Runs `use` with the descriptor, which stays open until `use` returns, even if Close() is
  // called.
  absl::Status WithFd(absl::FunctionRef<absl::Status(int fd)> use);
  uint32_t port_id() const { return port_id_; }
  absl::StatusOr<NetlinkAddress> LocalAddress();
  absl::StatusOr<NetlinkAddress> RemoteAddress();
  absl::Status JoinGroup(uint32_t group);
  absl::Status LeaveGroup(uint32_t group);
  // Sets the classic BPF program that the kernel runs on each datagram before queueing it. EINVAL
  // if the program is empty.
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
