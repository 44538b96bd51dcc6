// SPDX-License-Identifier: Apache-2.0
//
// netdiag/dump/tcp_stream.h — ss's stream of TCP sockets: `ss -D FILE` writes it, and ss reads it
// if TCPDIAG_FILE names the file.
//
//   TcpStreamWriter writer([&](Bytes message) { return Append(file, message); });
//   engine->Visit(query, [&](const Row& row) { writer.Write(row.message()); … });
//   NETDIAG_RETURN_IF_ERROR(writer.Finish(/*errnum=*/0));
//
// A stream is the messages of one or more dumps, each padded to 4 bytes. NLMSG_DONE or NLMSG_ERROR
// ends a dump. `ss -D` makes a dump of IPv4 and one of IPv6, but ss reads only the first of a
// stream. So the writer makes one dump of both families, and the reader can read all dumps or the
// first.
//
// A stream has no checks. The reader accepts a message if its length and its attributes fit
// together, and if its header is that of the dump's other messages. So a damaged length does not
// make a socket out of the middle of another message. A byte that is damaged inside a message can
// change what the message says.
//
// Lifetime: messages are views of the stream's bytes.
// Threads: thread-compatible.
// Cost: the writer copies each message; the reader allocates only for an error.
// Source: tcp_show_netlink_file() reads a message into 16 KiB (iproute2 6.1, misc/ss.c).

#ifndef NETDIAG_DUMP_TCP_STREAM_H_
#define NETDIAG_DUMP_TCP_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

#include "netdiag/netlink/wire.h"
#include "netdiag/types/abseil.h"
#include "netdiag/types/types.h"

namespace netdiag {

class TcpStreamWriter {
 public:
  // ss has room for so many bytes of a message. It does not check that.
  static constexpr size_t kMaxMessage = 16384;

  // `sink` receives each message in order. Its first error ends the writing and becomes status().
  using Sink = absl::AnyInvocable<absl::Status(Bytes message)>;
  explicit TcpStreamWriter(Sink sink) : sink_(std::move(sink)) {}

  // Writes the message of a TCP socket. The largest attributes of a message that is too long for ss
  // are left out.
  void Write(const netlink::Message& message);
  // Ends the dump. `errnum`: 0, or why sockets are missing. Returns status().
  absl::Status Finish(int errnum);
  const absl::Status& status() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return status_; }
  // The number of messages that lost attributes.
  uint64_t shortened() const { return shortened_; }

 private:
  void Send(uint16_t type);

  Sink sink_;
  std::vector<std::byte> message_;
  uint64_t shortened_ = 0;
  absl::Status status_;
};

// A copy continues at the place of the original.
class TcpStreamReader {
 public:
  enum class Dumps : uint8_t { kAll, kFirst };
  explicit TcpStreamReader(Bytes stream, Dumps dumps = Dumps::kAll)
      : whole_(stream), dumps_(dumps) {}
  // True if a stream can begin so. The first kBeginning bytes tell.
  static constexpr size_t kBeginning = netlink::kHeaderSize;
  static bool CanBegin(Bytes stream);
  // Gives the next message of a socket. False at the end. A message whose attributes are damaged is
  // left out; a damaged header ends the reading. With kFirst, nothing behind the first dump is
  // read.
  [[nodiscard]] bool Next(netlink::Message* message);
  // After the end: OK; EBADMSG and where the stream is damaged first; or the errno of a dump.
  const absl::Status& status() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return status_; }

 private:
  bool EndDump(const netlink::Message& message);
  void Damage(size_t offset, const char* detail);

  Bytes whole_;
  Dumps dumps_;
  size_t offset_ = 0;
  bool ended_ = false;
  bool in_dump_ = false;  // `first_` is the header of this dump's first message
  netlink::Header first_;
  absl::Status status_;
};

}  // namespace netdiag

#endif  // NETDIAG_DUMP_TCP_STREAM_H_
