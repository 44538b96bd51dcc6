// Exchanges of a Conn with a fake kernel that follows the rules. conn_failure_test.cc has one that
// does not.

#include "netdiag/netlink/conn.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/status_matchers.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace netdiag::netlink {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;
using namespace netdiag::testing;  // NOLINT

TEST(Conn, DumpVisitsEveryMessageOfOneDatagram) {
  FakeKernel kernel([](Bytes request) { return Multipart(request, {Text("one."), Text("two.")}); });
  Collector collector;
  const absl::StatusOr<DumpResult> result = kernel.conn().Dump(DumpRequest(), collector);
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(collector.texts, ElementsAre("one.", "two."));
  EXPECT_EQ(result->messages, 2u);
  EXPECT_EQ(result->datagrams, 2u);
  EXPECT_EQ(result->bytes, 20u + 20u + 20u);
  EXPECT_FALSE(result->interrupted);
  EXPECT_FALSE(result->stopped);
}

TEST(Conn, DumpVisitsEveryMessageOverManyDatagrams) {
  FakeKernel kernel(
      [](Bytes request) { return Split(Multipart(request, Packets(50, Text("row.")))); });
  Collector collector;
  const absl::StatusOr<DumpResult> result = kernel.conn().Dump(DumpRequest(), collector);
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(collector.texts, SizeIs(50));
  EXPECT_EQ(result->datagrams, 51u);
}

TEST(Conn, DumpAcceptsDoneInTheLastDatagram) {
  FakeKernel kernel(
      [](Bytes request) { return Packets{Join(Multipart(request, {Text("one.")}))}; });
  Collector collector;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), collector), IsOk());
  EXPECT_THAT(collector.texts, ElementsAre("one."));
}

// As the associations of SCTP, which come without kFlagMulti.
TEST(Conn, OnlyItsResultEndsADump) {
  FakeKernel kernel([](Bytes request) {
    return Packets{Reply(request, 20, kFlagMulti, Text("one.")),
                   Reply(request, 20, 0, Text("two.")), Reply(request, 20, 0, Text("tri.")),
                   Done(request)};
  });
  Collector collector;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), collector), IsOk());
  EXPECT_THAT(collector.texts, ElementsAre("one.", "two.", "tri."));

  ASSERT_THAT(kernel.conn().Send(DumpRequest()), IsOk());
  Collector sent;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(kernel.conn().Receive(sent).value(), Ready::kSome);
  EXPECT_EQ(kernel.conn().Receive(sent).value(), Ready::kDone);
  EXPECT_THAT(sent.texts, ElementsAre("one.", "two.", "tri."));

  Collector stopped;
  stopped.limit = 2;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), stopped), IsOk());
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), collector), IsOk());
  EXPECT_EQ(kernel.conn().stats().stale, 2u) << "the third row and the end";
}

TEST(Conn, DumpTakesAnUnpaddedLastMessage) {
  FakeKernel kernel([](Bytes request) {
    Packets packets = Multipart(request, {Text("one."), Text("twoX")});
    packets[0] = Unaligned(packets[0], 1);
    return packets;
  });
  Collector collector;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), collector), IsOk());
  EXPECT_THAT(collector.texts, ElementsAre("one.", "two"));
}

TEST(Conn, InterruptedDumpSaysSoAndKeepsItsMessages) {
  FakeKernel kernel([](Bytes request) { return Interrupted(Multipart(request, {Text("one.")})); });
  Collector collector;
  const absl::StatusOr<DumpResult> result = kernel.conn().Dump(DumpRequest(), collector);
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->interrupted);
  EXPECT_THAT(collector.texts, ElementsAre("one."));
}

TEST(Conn, NoopIsSkipped) {
  FakeKernel kernel([](Bytes request) {
    return Packets{Reply(request, kTypeNoop, 0, {}), Done(request)};
  });
  Collector collector;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), collector), IsOk());
  EXPECT_THAT(collector.texts, IsEmpty());
}

TEST(Conn, StoppedDumpLeavesNothingForTheNext) {
  FakeKernel kernel([](Bytes request) {
    return Split(Multipart(request, {Text("one."), Text("two."), Text("tri.")}));
  });
  Collector first;
  first.limit = 1;
  const absl::StatusOr<DumpResult> result = kernel.conn().Dump(DumpRequest(), first);
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->stopped);
  EXPECT_EQ(result->messages, 1u);
  Collector second;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), second), IsOk());
  EXPECT_THAT(second.texts, ElementsAre("one.", "two.", "tri."));
  EXPECT_EQ(kernel.conn().stats().stale, 3u);
}

TEST(Conn, SendFillsInTheHeaderAndLeavesTheRequestAlone) {
  FakeKernel kernel;
  const Request request(20, kFlagAck, Text("body"));
  const Bytes bytes = request;
  const Packet before(bytes.begin(), bytes.end());
  const absl::StatusOr<uint32_t> first = kernel.conn().Send(request);
  const absl::StatusOr<uint32_t> second = kernel.conn().Send(request);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_NE(*first, 0u);
  EXPECT_EQ(*second, *first + 1);
  EXPECT_EQ(Packet(bytes.begin(), bytes.end()), before);
  const Packet arrived = kernel.Next();
  EXPECT_EQ(HeaderOf(arrived).sequence, *first);
  EXPECT_EQ(HeaderOf(arrived).port_id, kernel.conn().port_id());
  EXPECT_EQ(HeaderOf(arrived).length, arrived.size());
  EXPECT_EQ(Packet(arrived.begin() + kHeaderSize, arrived.end()), Text("body"));
}

TEST(Conn, SendRefusesARequestOfAnotherLength) {
  FakeKernel kernel;
  EXPECT_THAT(kernel.conn().Send({}), ErrnoIs(EINVAL));
  const Request request(20, 0, Text("body"));
  EXPECT_THAT(kernel.conn().Send(Bytes(request).first(18)), ErrnoIs(EINVAL));
  EXPECT_FALSE(kernel.HasRequest());
}

TEST(Conn, ExecuteVisitsTheOneAnswer) {
  FakeKernel kernel([](Bytes request) { return Packets{Reply(request, 20, 0, Text("one."))}; });
  Collector collector;
  EXPECT_THAT(kernel.conn().Execute(Request(20, 0), collector), IsOk());
  EXPECT_THAT(collector.texts, ElementsAre("one."));
}

TEST(Conn, ExecuteWithAckReadsTheAnswerAndTheAck) {
  FakeKernel kernel([](Bytes request) {
    return Packets{Reply(request, 20, 0, Text("one.")), Error(request, 0)};
  });
  for (int i = 0; i < 3; ++i) {
    Collector collector;
    EXPECT_THAT(kernel.conn().Execute(Request(20, kFlagAck), collector), IsOk());
    EXPECT_THAT(collector.texts, ElementsAre("one."));
  }
  EXPECT_EQ(kernel.conn().stats().stale, 0u);
}

TEST(Conn, ExecuteDropsAStrayAck) {
  FakeKernel kernel([](Bytes request) {
    return Packets{Reply(request, 20, 0, Text("one.")), Error(request, 0)};
  });
  for (int i = 0; i < 3; ++i) EXPECT_THAT(kernel.conn().Execute(Request(20, 0)), IsOk());
  EXPECT_EQ(kernel.conn().stats().stale, 2u);
}

TEST(Conn, ReceiveVisitsAnySequenceNumber) {
  FakeKernel kernel;
  kernel.Push(Packets{Reply(Request(20, 0), 20, kFlagMulti, Text("one.")),
                      Reply(Request(20, 0), 20, 0, Text("two.")), Done(Request(20, 0), ENOENT)});
  Collector collector;
  absl::StatusOr<Ready> ready = kernel.conn().Receive(collector);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kSome);
  ready = kernel.conn().Receive(collector);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kDone);
  EXPECT_THAT(collector.texts, ElementsAre("one.", "two."));
  EXPECT_THAT(kernel.conn().Receive(collector), ErrnoIs(ENOENT));
}

TEST(Conn, TryReceiveDrivesADumpWithoutWaiting) {
  FakeKernel kernel;
  Collector collector;
  ASSERT_THAT(kernel.conn().Send(DumpRequest()), IsOk());
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kWouldBlock);
  const Packet request = kernel.Next();
  kernel.Push(Multipart(request, {Text("one."), Text("two.")}));
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kSome);
  EXPECT_EQ(kernel.conn().progress().messages, 2u);
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kDone);
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kWouldBlock);
  EXPECT_EQ(kernel.conn().progress().datagrams, 2u);
  EXPECT_THAT(collector.texts, ElementsAre("one.", "two."));
}

TEST(Conn, TryReceiveVisitsOnlyTheAnswerOfTheLastSend) {
  FakeKernel kernel;
  Collector collector;
  ASSERT_THAT(kernel.conn().Send(DumpRequest()), IsOk());
  const Packet old = kernel.Next();
  kernel.Push({Reply(old, 20, kFlagMulti, Text("old."))});
  ASSERT_THAT(kernel.conn().Send(DumpRequest()), IsOk());
  const Packet request = kernel.Next();
  kernel.Push({Done(old), Join(Multipart(request, {Text("new.")}))});
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kSome);
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kDone);
  EXPECT_THAT(collector.texts, ElementsAre("new."));
  EXPECT_EQ(kernel.conn().stats().stale, 2u);
}

TEST(Conn, TryReceiveStopDropsTheRest) {
  FakeKernel kernel;
  ASSERT_THAT(kernel.conn().Send(DumpRequest()), IsOk());
  const Packet request = kernel.Next();
  kernel.Push(Split(Multipart(request, {Text("one."), Text("two.")})));
  Collector collector;
  collector.limit = 1;
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kDone);
  EXPECT_TRUE(kernel.conn().progress().stopped);
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kSome);
  EXPECT_THAT(collector.texts, ElementsAre("one."));
}

TEST(Conn, TryReceiveWithoutSendVisitsNotifications) {
  FakeKernel kernel;
  kernel.Push({Reply(Request(20, 0), 20, 0, Text("news"))});
  Collector collector;
  EXPECT_EQ(kernel.conn().TryReceive(collector).value(), Ready::kDone);
  EXPECT_THAT(collector.texts, ElementsAre("news"));
}

TEST(Conn, TryReceiveReportsTheErrnoOfTheAnswer) {
  FakeKernel kernel;
  ASSERT_THAT(kernel.conn().Send(DumpRequest()), IsOk());
  kernel.Push({Done(kernel.Next(), ENOENT)});
  EXPECT_THAT(kernel.conn().TryReceive(Conn::IgnoreMessage), ErrnoIs(ENOENT));
  EXPECT_EQ(kernel.conn().TryReceive(Conn::IgnoreMessage).value(), Ready::kWouldBlock);
}

TEST(Conn, RawBytesAreNotChanged) {
  FakeKernel kernel;
  EXPECT_EQ(kernel.conn().Write(Text("abc")).value(), 3u);
  EXPECT_EQ(kernel.Next(), Text("abc"));
  kernel.Push({Text("12345678")});
  std::array<std::byte, 8> buffer;
  EXPECT_EQ(kernel.conn().Read(buffer).value(), 8u);
  EXPECT_EQ(Packet(buffer.begin(), buffer.end()), Text("12345678"));
}

TEST(Conn, ReadReturnsTheFullLengthOfATruncatedDatagram) {
  FakeKernel kernel;
  kernel.Push({Text("12345678"), Text("next")});
  std::array<std::byte, 4> buffer;
  EXPECT_EQ(kernel.conn().Read(buffer).value(), 8u);
  EXPECT_EQ(kernel.conn().Read(buffer).value(), 4u);
  EXPECT_EQ(Packet(buffer.begin(), buffer.end()), Text("next"));
}

TEST(Conn, ReceiveDatagramMarksTruncatedDatagrams) {
  FakeKernel kernel(nullptr, {.receive_buffer = 64});
  kernel.Push({Packet(64), Packet(65)});
  std::vector<bool> cut;
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(kernel.conn().ReceiveDatagram([&](const Datagram& datagram) {
      EXPECT_EQ(datagram.bytes.size(), 64u);
      cut.push_back(datagram.truncated());
    }),
                IsOk());
  }
  EXPECT_THAT(cut, ElementsAre(false, true));
}

TEST(Conn, TraceGetsALineForEveryMessage) {
  std::vector<std::string> lines;
  Config config;
  config.trace = [&](std::string_view line) { lines.emplace_back(line); };
  FakeKernel kernel([](Bytes request) { return Multipart(request, {Text("ABCD")}); },
                    std::move(config));
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage), IsOk());
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines[0], StartsWith("> length 16 type 20 flags 769 "));
  EXPECT_THAT(lines[1], ::testing::AllOf(StartsWith("< length 20 type 20 "),
                                         ::testing::EndsWith(" 41424344")));
  EXPECT_THAT(lines[2], StartsWith("< length 20 type 3 "));
}

TEST(Conn, AdoptClosesTheDescriptorOnFailure) {
  const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_THAT(Conn::Adopt(fd), ErrnoIs(ENOTSOCK));
  EXPECT_EQ(fcntl(fd, F_GETFD), -1);
  EXPECT_THAT(Conn::Adopt(-1), ErrnoIs(EBADF));
}

TEST(Conn, AdoptMakesTheSocketNonBlockingAndCloseOnExec) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
  const std::unique_ptr<Conn> conn = Conn::Adopt(fds[0]).value();
  EXPECT_EQ(conn->fd(), fds[0]);
  EXPECT_NE(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
  close(fds[1]);
}

TEST(Conn, DupIsClosedOnItsOwn) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
  const std::unique_ptr<Conn> conn = Conn::Dup(fds[0]).value();
  EXPECT_NE(conn->fd(), fds[0]);
  close(fds[0]);
  EXPECT_THAT(conn->Write(Text("abc")), IsOk());
  conn->Close();
  char byte = 0;
  EXPECT_EQ(recv(fds[1], &byte, 1, 0), 1);
  close(fds[1]);
  EXPECT_THAT(Conn::Dup(-1), ErrnoIs(EBADF));
}

TEST(Conn, AddressesAreForNetlinkSocketsOnly) {
  FakeKernel kernel;
  EXPECT_THAT(kernel.conn().LocalAddress(), ErrnoIs(EAFNOSUPPORT));
  EXPECT_EQ(kernel.conn().port_id(), 0u);
}

TEST(Conn, EverythingFailsAfterClose) {
  FakeKernel kernel;
  Conn& conn = kernel.conn();
  conn.Close();
  conn.Close();
  EXPECT_EQ(conn.fd(), -1);
  std::array<std::byte, 4> buffer;
  EXPECT_THAT(conn.Send(DumpRequest()), EndedByClose());
  EXPECT_THAT(conn.Receive(Conn::IgnoreMessage), EndedByClose());
  EXPECT_THAT(conn.TryReceive(Conn::IgnoreMessage), EndedByClose());
  EXPECT_THAT(conn.Dump(DumpRequest(), Conn::IgnoreMessage), EndedByClose());
  EXPECT_THAT(conn.Execute(Request(20, 0)), EndedByClose());
  EXPECT_THAT(conn.Read(buffer), EndedByClose());
  EXPECT_THAT(conn.Write(buffer), EndedByClose());
  EXPECT_THAT(conn.ReceiveDatagram([](const Datagram&) {}), EndedByClose());
  EXPECT_THAT(conn.SendTo(buffer, {}), EndedByClose());
  EXPECT_THAT(conn.WithFd([](int) { return absl::OkStatus(); }), EndedByClose());
  EXPECT_THAT(conn.LocalAddress(), EndedByClose());
  EXPECT_THAT(conn.RemoteAddress(), EndedByClose());
  EXPECT_THAT(conn.JoinGroup(1), EndedByClose());
  EXPECT_THAT(conn.ReadBuffer(), EndedByClose());
  EXPECT_THAT(conn.SetReadBuffer(1), EndedByClose());
  EXPECT_THAT(conn.RemoveBPF(), EndedByClose());
}

#if defined(__SANITIZE_ADDRESS__)
TEST(Conn, ViewsArePoisonedAfterTheVisitor) {
  FakeKernel kernel([](Bytes request) { return Multipart(request, {Text("one.")}); });
  const std::byte* kept = nullptr;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(),
                                 [&](const Message& message) {
                                   kept = message.payload().data();
                                   EXPECT_FALSE(__asan_address_is_poisoned(kept));
                                   return Flow::kContinue;
                                 }),
              IsOk());
  EXPECT_TRUE(__asan_address_is_poisoned(kept));
}
#endif

}  // namespace
}  // namespace netdiag::netlink
