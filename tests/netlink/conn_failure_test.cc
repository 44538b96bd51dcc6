// A Conn and a fake kernel that refuses, loses messages, sends damaged data or does not answer.

#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stop_token>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/netlink/conn.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::netlink {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace netdiag::testing;  // NOLINT

constexpr uint16_t kWordsMessage = 1;  // NLMSGERR_ATTR_MSG
constexpr uint16_t kWordsOffset = 2;   // NLMSGERR_ATTR_OFFS

TimePoint Now() { return std::chrono::steady_clock::now(); }
CallOptions Within(int milliseconds) {
  return {.deadline = Now() + std::chrono::milliseconds(milliseconds)};
}

Packet Words() {
  const uint32_t offset = 28;
  return Join({Attribute(kWordsMessage, Bytes(Text(std::string_view("bad thing\0", 10)))),
               Attribute(99, Bytes(Text("later"))),
               Attribute(kWordsOffset, std::as_bytes(std::span(&offset, 1)))});
}

void ExpectWords(const absl::Status& status) {
  const KernelWords words = WordsOfKernel(status);
  EXPECT_EQ(words.message, "bad thing");
  EXPECT_EQ(words.offset, 28u);
  EXPECT_THAT(std::string(status.message()), HasSubstr("bad thing"));
}

// Expects that a dump through the Conn succeeds.
void ExpectUsable(Conn& conn) {
  Collector collector;
  EXPECT_THAT(conn.Dump(DumpRequest(), collector), IsOk());
  EXPECT_THAT(collector.texts, ElementsAre("good"));
}

// Answers the first request with `first` and all others correctly.
FakeKernel::Handler AtFirst(std::function<Packets(Bytes)> first) {
  return [first, count = 0](Bytes request) mutable {
    return count++ == 0 ? first(request) : Multipart(request, {Text("good")});
  };
}

TEST(ConnFailure, ErrnoInDoneIsTheStatus) {
  FakeKernel kernel(AtFirst([](Bytes request) {
    return Packets{Reply(request, 20, kFlagMulti, Text("row.")), Done(request, ENOENT)};
  }));
  Collector collector;
  const absl::StatusOr<DumpResult> result = kernel.conn().Dump(DumpRequest(), collector);
  EXPECT_THAT(result, ErrnoIs(ENOENT));
  EXPECT_TRUE(IsUnsupported(result.status()));
  EXPECT_THAT(collector.texts, ElementsAre("row."));
  ExpectUsable(kernel.conn());
}

TEST(ConnFailure, ErrnoInErrorIsTheStatus) {
  FakeKernel kernel(AtFirst([](Bytes request) { return Packets{Error(request, EPERM)}; }));
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage), ErrnoIs(EPERM));
  ExpectUsable(kernel.conn());
}

TEST(ConnFailure, WordsOfTheKernelFollowTheCappedEcho) {
  FakeKernel kernel([](Bytes request) {
    return Packets{Error(request, EINVAL, Words(), kFlagCapped | kFlagAckTlvs)};
  });
  ExpectWords(kernel.conn().Execute(Request(20, 0, Text("long body"))));
}

TEST(ConnFailure, WordsOfTheKernelFollowTheFullEcho) {
  FakeKernel kernel([](Bytes request) {
    const Packet echo(request.begin() + kHeaderSize, request.end());
    return Packets{Error(request, EINVAL, Join({echo, Words()}), kFlagAckTlvs)};
  });
  ExpectWords(kernel.conn().Execute(Request(20, 0, Text("long body"))));
}

TEST(ConnFailure, WordsOfTheKernelFollowTheErrnoInDone) {
  FakeKernel kernel(
      [](Bytes request) { return Packets{Done(request, EINVAL, Words(), kFlagAckTlvs)}; });
  ExpectWords(kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage).status());
}

TEST(ConnFailure, WordsWithoutTheFlagAreNotRead) {
  FakeKernel kernel([](Bytes request) { return Packets{Error(request, EINVAL, Words())}; });
  const absl::Status status = kernel.conn().Execute(Request(20, 0));
  EXPECT_THAT(status, ErrnoIs(EINVAL));
  EXPECT_EQ(WordsOfKernel(status).message, "");
}

TEST(ConnFailure, DamagedWordsLoseOnlyTheWords) {
  for (const uint32_t echoed : {0u, 1u, 15u, 17u, 4096u, UINT32_MAX - 2, UINT32_MAX}) {
    FakeKernel kernel([&](Bytes request) {
      Packet packet = Error(request, EINVAL, Words(), kFlagAckTlvs);
      std::memcpy(packet.data() + kHeaderSize + 4, &echoed, sizeof(echoed));
      return Packets{packet};
    });
    EXPECT_THAT(kernel.conn().Execute(Request(20, 0)), ErrnoIs(EINVAL)) << echoed;
  }
  for (size_t length = 4; length <= 20 + Words().size(); ++length) {
    FakeKernel kernel([&](Bytes request) {
      const Packet whole = Error(request, EINVAL, Words(), kFlagAckTlvs | kFlagCapped);
      return Packets{Reply(request, kTypeError, kFlagAckTlvs | kFlagCapped,
                           Bytes(whole).subspan(kHeaderSize, length))};
    });
    EXPECT_THAT(kernel.conn().Execute(Request(20, 0)), ErrnoIs(EINVAL)) << length;
  }
}

TEST(ConnFailure, ErrorWithoutAnErrnoIsDamage) {
  FakeKernel kernel(
      AtFirst([](Bytes request) { return Packets{Reply(request, kTypeError, 0, Text("abc"))}; }));
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage), ErrnoIs(EBADMSG));
  ExpectUsable(kernel.conn());
}

TEST(ConnFailure, StaleMessagesAreDroppedAndCounted) {
  FakeKernel kernel([](Bytes request) {
    const uint32_t other = HeaderOf(request).sequence - 7;
    Packets packets = StaleSequence(Multipart(request, {Text("old1"), Text("old2")}), other);
    for (Packet& packet : Multipart(request, {Text("good")})) packets.push_back(packet);
    return packets;
  });
  ExpectUsable(kernel.conn());
  EXPECT_EQ(kernel.conn().stats().stale, 3u);
}

TEST(ConnFailure, MessagesBeforeDamageAreVisited) {
  FakeKernel kernel(AtFirst([](Bytes request) {
    Packets packets = Multipart(request, {Text("one."), Text("two.")});
    packets[0] = Truncated(packets[0], 3);
    return packets;
  }));
  Collector collector;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), collector), ErrnoIs(EBADMSG));
  EXPECT_THAT(collector.texts, ElementsAre("one."));
  ExpectUsable(kernel.conn());
}

TEST(ConnFailure, StrayBytesAreDamage) {
  FakeKernel kernel(AtFirst([](Bytes request) {
    return Packets{Join({Reply(request, 20, kFlagMulti, Text("one.")), Text("stray")})};
  }));
  Collector collector;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), collector), ErrnoIs(EBADMSG));
  EXPECT_THAT(collector.texts, ElementsAre("one."));
  ExpectUsable(kernel.conn());
}

TEST(ConnFailure, DatagramLargerThanTheBufferIsAnError) {
  FakeKernel kernel(AtFirst([](Bytes request) {
                      return Multipart(request, {Text("one."), Packet(200)});
                    }),
                    {.receive_buffer = 128});
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage), ErrnoIs(EMSGSIZE));
  ExpectUsable(kernel.conn());
}

TEST(ConnFailure, OverrunIsCountedAndRetryable) {
  FakeKernel kernel(AtFirst([](Bytes request) {
    return Packets{Reply(request, kTypeOverrun, 0, {}), Done(request)};
  }));
  const absl::StatusOr<DumpResult> result = kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage);
  EXPECT_THAT(result, ErrnoIs(ENOBUFS));
  EXPECT_TRUE(IsRetryable(result.status()));
  EXPECT_EQ(kernel.conn().stats().overruns, 1u);
  ExpectUsable(kernel.conn());
}

TEST(ConnFailure, RetriesAfterBusy) {
  FakeKernel kernel(AtFirst([](Bytes request) { return Packets{Error(request, EBUSY)}; }));
  ExpectUsable(kernel.conn());
  EXPECT_EQ(kernel.conn().stats().busy_retries, 1u);
  EXPECT_EQ(kernel.requests(), 2);
}

TEST(ConnFailure, GivesUpIfBusyPersists) {
  FakeKernel kernel([](Bytes request) { return Packets{Error(request, EBUSY)}; });
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage), ErrnoIs(EBUSY));
  EXPECT_EQ(kernel.conn().stats().busy_retries, static_cast<uint64_t>(kernel.requests() - 1));
  EXPECT_GT(kernel.requests(), 1);
}

TEST(ConnFailure, ClosedPeerIsAnError) {
  FakeKernel kernel;
  kernel.HangUp();
  EXPECT_THAT(kernel.conn().Receive(Conn::IgnoreMessage), ErrnoIs(ECONNRESET));
  EXPECT_THAT(kernel.conn().TryReceive(Conn::IgnoreMessage), ErrnoIs(ECONNRESET));
  EXPECT_THAT(kernel.conn().Send(DumpRequest()), ErrnoIs(EPIPE));
  std::array<std::byte, 4> buffer;
  EXPECT_EQ(kernel.conn().Read(buffer).value(), 0u);
}

TEST(ConnFailure, ClosedPeerEndsTheDrainOfAnUnfinishedDump) {
  FakeKernel kernel;
  EXPECT_THAT(kernel.conn().Send(DumpRequest()), IsOk());
  kernel.HangUp();
  // Dump() first drops the rest of the unfinished dump, which never arrives.
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage), ErrnoIs(EPIPE));
}

TEST(ConnFailure, TimedOutDumpLeavesTheConnUsable) {
  Packet late;
  FakeKernel kernel([&](Bytes request) {
    if (late.empty()) {
      late = Packet(request.begin(), request.end());
      return Packets{Reply(request, 20, kFlagMulti, Text("old."))};
    }
    Packets packets{Reply(late, 20, kFlagMulti, Text("old.")), Done(late)};
    for (Packet& packet : Multipart(request, {Text("good")})) packets.push_back(packet);
    return packets;
  });
  Collector collector;
  // Long enough for the first row on a busy machine.
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), collector, Within(2'000)), EndedByDeadline());
  EXPECT_THAT(collector.texts, ElementsAre("old."));
  ExpectUsable(kernel.conn());
  EXPECT_EQ(kernel.conn().stats().stale, 2u);
}

TEST(ConnFailure, CancelledDumpLeavesTheConnUsable) {
  std::stop_source stop;
  FakeKernel kernel(AtFirst(
      [&](Bytes request) { return Packets{Reply(request, 20, kFlagMulti, Text("old."))}; }));
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(),
                                 [&](const Message&) {
                                   stop.request_stop();
                                   return Flow::kContinue;
                                 },
                                 {.stop = stop.get_token()}),
              EndedByStop());
  ExpectUsable(kernel.conn());
}

TEST(ConnFailure, PastStopFailsBeforeAnySystemCall) {
  FakeKernel kernel;
  std::stop_source stop;
  stop.request_stop();
  const CallOptions options{.stop = stop.get_token()};
  EXPECT_THAT(kernel.conn().Send(DumpRequest(), options), EndedByStop());
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage, options), EndedByStop());
  EXPECT_THAT(kernel.conn().Write(Text("abc"), options), EndedByStop());
  EXPECT_FALSE(kernel.HasRequest());
  kernel.Push({Text("data")});
  std::array<std::byte, 4> buffer;
  EXPECT_THAT(kernel.conn().Read(buffer, options), EndedByStop());
  EXPECT_EQ(kernel.conn().Read(buffer).value(), 4u);
}

TEST(ConnFailure, PastDeadlineFailsThoughDataIsReady) {
  FakeKernel kernel;
  kernel.Push({Text("data")});
  std::array<std::byte, 4> buffer;
  EXPECT_THAT(kernel.conn().Read(buffer, {.deadline = Now()}), EndedByDeadline());
  EXPECT_THAT(kernel.conn().Read(buffer, {.deadline = TimePoint::min()}), EndedByDeadline());
  kernel.conn().SetReadDeadline(Now());
  EXPECT_THAT(kernel.conn().Read(buffer), EndedByDeadline());
  EXPECT_THAT(kernel.conn().TryReceive(Conn::IgnoreMessage), EndedByDeadline());
  kernel.conn().SetReadDeadline(std::nullopt);
  EXPECT_EQ(kernel.conn().Read(buffer, {.deadline = TimePoint::max()}).value(), 4u);
}

TEST(ConnFailure, DeadlineOfACallLeavesTheConnsOwnAlone) {
  FakeKernel kernel;
  std::array<std::byte, 4> buffer;
  kernel.conn().SetDeadline(Now() + std::chrono::hours(1));
  EXPECT_THAT(kernel.conn().Read(buffer, Within(10)), EndedByDeadline());
  kernel.Push({Text("data")});
  EXPECT_EQ(kernel.conn().Read(buffer).value(), 4u);
  kernel.conn().SetDeadline(Now());
  EXPECT_THAT(kernel.conn().Read(buffer, Within(3'600'000)), EndedByDeadline());
}

TEST(ConnFailure, VisitorMayCloseItsConn) {
  FakeKernel kernel(
      [](Bytes request) { return Packets{Reply(request, 20, kFlagMulti, Text("one."))}; });
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(),
                                 [&](const Message&) {
                                   kernel.conn().SetDeadline(std::nullopt);
                                   EXPECT_EQ(kernel.conn().stats().stale, 0u);
                                   kernel.conn().Close();
                                   EXPECT_EQ(kernel.conn().fd(), -1);
                                   return Flow::kContinue;
                                 }),
              EndedByClose());
}

TEST(ConnFailure, VisitorMayNotBeginAnExchange) {
  FakeKernel kernel([](Bytes request) { return Multipart(request, {Text("one.")}); });
  absl::Status waiting, polling;
  EXPECT_THAT(kernel.conn().Dump(DumpRequest(),
                                 [&](const Message&) {
                                   waiting = kernel.conn().Execute(Request(20, 0));
                                   polling = kernel.conn().TryReceive(Conn::IgnoreMessage).status();
                                   return Flow::kContinue;
                                 }),
              IsOk());
  EXPECT_THAT(waiting, ErrnoIs(EDEADLK));
  EXPECT_THAT(polling, ErrnoIs(EDEADLK));
}

// poll(2) refuses more descriptors than RLIMIT_NOFILE.
TEST(ConnFailure, AWaitThatTheLimitOfDescriptorsForbidsIsAnError) {
  FakeKernel kernel([](Bytes) { return Packets{}; });
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit one = {.rlim_cur = 1, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &one), 0);
  const absl::Status status =
      kernel.conn().Dump(DumpRequest(), Conn::IgnoreMessage, Within(60'000)).status();
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(status, ErrnoIs(EINVAL));
}

}  // namespace
}  // namespace netdiag::netlink
