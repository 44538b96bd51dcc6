// tests/testing/fake_kernel.h — the other end of a Conn, in the test's hands.
//
//   FakeKernel kernel([](Bytes request) { return Multipart(request, {Row("a"), Row("b")}); });
//   EXPECT_THAT(kernel.conn().Dump(request, visitor), IsOk());
//
// A socketpair with datagram borders stands for the netlink socket. With a handler, a thread
// answers every request; without one the test plays the kernel itself with Next() and Push().
// Threads: conn() as Conn; the rest by the test's thread.

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
  // Answers one request with datagrams.
  using Handler = std::function<Packets(Bytes request)>;

  explicit FakeKernel(Handler handler = nullptr, netlink::Config config = {});
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;
  ~FakeKernel();

  netlink::Conn& conn() { return *conn_; }
  int requests() const { return requests_; }

  // Without a handler: the next request (waits for it), and datagrams for the Conn.
  Packet Next();
  void Push(const Packets& packets);
  // What Next() would wait for is there.
  bool HasRequest() const;
  // The end of the socketpair as Conn sees it: the kernel has gone.
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
// One message; `sequence` and the port id are those of `request`.
Packet Reply(Bytes request, uint16_t type, uint16_t flags, Bytes payload);
// NLMSG_DONE and NLMSG_ERROR with this errno; `more` follows it (attributes; in an ERROR behind the
// echo of the request's header).
Packet Done(Bytes request, int errnum = 0, Bytes more = {}, uint16_t flags = 0);
Packet Error(Bytes request, int errnum, Bytes more = {}, uint16_t flags = 0);
// One attribute, padded.
Packet Attribute(uint16_t type, Bytes payload);
Packet Join(const Packets& parts);
// A dump: one datagram with a message (type 20, NLM_F_MULTI) for each payload, and one with DONE.
Packets Multipart(Bytes request, const Packets& payloads);

// ---- Bending them ----

// Each message in a datagram of its own.
Packets Split(const Packets& packets);
// With NLM_F_DUMP_INTR in each message.
Packets Interrupted(Packets packets);
// Under another sequence number.
Packets StaleSequence(Packets packets, uint32_t sequence);
// Without its last `cut` bytes.
Packet Truncated(Packet packet, size_t cut);
// The last message's padding is missing, as its length says.
Packet Unaligned(Packet packet, size_t stray);

// ---- Asking ----

// A request in storage of its own.
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
