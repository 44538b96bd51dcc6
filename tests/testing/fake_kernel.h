// tests/testing/fake_kernel.h — the peer of a Conn, controlled by the test.
//
//   FakeKernel kernel([](Bytes request) { return Multipart(request, {Row("a"), Row("b")}); });
//   EXPECT_THAT(kernel.conn().Dump(request, visitor), IsOk());
//
// A socketpair that keeps the borders of datagrams replaces the netlink socket. With a handler, a
// thread answers every request. Without a handler, the test answers with Next() and Push().
// Threads: conn() is as thread-safe as any Conn; the other functions belong to the thread of the
// test.

#ifndef NETDIAG_TESTS_TESTING_FAKE_KERNEL_H_
#define NETDIAG_TESTS_TESTING_FAKE_KERNEL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::testing {

using Packet = std::vector<std::byte>;  // one datagram, or a part of one
using Packets = std::vector<Packet>;

class FakeKernel {
 public:
  // Returns the datagrams that answer a request.
  using Handler = std::function<Packets(Bytes request)>;

  explicit FakeKernel(Handler handler = nullptr, netlink::Config config = {});
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;
  ~FakeKernel();

  netlink::Conn& conn() { return *conn_; }
  int requests() const { return requests_; }

  // Without a handler: Next() waits for the next request and returns it; Push() sends datagrams to
  // the Conn.
  Packet Next();
  void Push(const Packets& packets);
  // True if Next() would not wait.
  bool HasRequest() const;
  // Closes this end of the socketpair, as if the kernel had gone.
  void HangUp();

 private:
  int fd_ = -1;
  std::unique_ptr<netlink::Conn> conn_;
  std::atomic<int> requests_{0};
  std::thread thread_;
};

// A socketpair of two Conns.
std::pair<std::unique_ptr<netlink::Conn>, std::unique_ptr<netlink::Conn>> ConnPair();

// ---- Making messages ----

Packet Text(std::string_view text);
netlink::Header HeaderOf(Bytes message);
// One message with the sequence number and the port id of `request`.
Packet Reply(Bytes request, uint16_t type, uint16_t flags, Bytes payload);
// NLMSG_DONE or NLMSG_ERROR with this errno. `more` follows: attributes, in an NLMSG_ERROR after
// the echo of the request's header.
Packet Done(Bytes request, int errnum = 0, Bytes more = {}, uint16_t flags = 0);
Packet Error(Bytes request, int errnum, Bytes more = {}, uint16_t flags = 0);
// One attribute with its padding.
Packet Attribute(uint16_t type, Bytes payload);
Packet Join(const Packets& parts);
// A dump: one datagram with a message (type 20, NLM_F_MULTI) for each payload, and one with DONE.
Packets Multipart(Bytes request, const Packets& payloads);

// ---- Changing messages ----

// Each message in a datagram of its own.
Packets Split(const Packets& packets);
// With NLM_F_DUMP_INTR in each message.
Packets Interrupted(Packets packets);
// With another sequence number.
Packets StaleSequence(Packets packets, uint32_t sequence);
// Without its last `cut` bytes.
Packet Truncated(Packet packet, size_t cut);
// Without the padding of the last message, whose length says so.
Packet Unaligned(Packet packet, size_t stray);

// ---- Requests and visitors ----

// A request that owns its bytes.
class Request {
 public:
  Request(uint16_t type, uint16_t flags, Bytes payload = {});
  operator Bytes() const { return bytes_; }  // NOLINT: a request is its bytes

 private:
  Packet bytes_;
};
Request DumpRequest();

// A visitor that keeps copies of the payloads as text.
class Collector {
 public:
  Flow operator()(const netlink::Message& message) const {
    texts.emplace_back(reinterpret_cast<const char*>(message.payload().data()),
                       message.payload().size());
    return texts.size() == limit ? Flow::kStop : Flow::kContinue;
  }

  mutable std::vector<std::string> texts;  // absl::FunctionRef calls const objects only
  size_t limit = SIZE_MAX;
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_FAKE_KERNEL_H_
