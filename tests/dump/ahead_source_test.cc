// A dump that a thread reads beside its visitor, against a fake kernel.

#include "netdiag/dump/ahead_source.h"

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/dump_request.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::internal {
namespace {

using netlink::Ready;
using testing::Done;
using testing::EndedByDeadline;
using testing::ErrnoIs;
using testing::FakeKernel;
using testing::IsOk;
using testing::Multipart;
using testing::NetlinkMessage;
using testing::Packet;
using testing::Packets;

const DumpRequest kRequest = {
    {Protocol::kTcp, {Family::kInet, Family::kInet6}, {}}, StateSet::All(), {}, {}, {}};

std::string TextOf(const netlink::Message& message) {
  const Bytes payload = message.payload();
  return std::string(reinterpret_cast<const char*>(payload.data()), payload.size());
}

// A dump that has begun, read ahead.
class Ahead {
 public:
  explicit Ahead(size_t limit, const netlink::CallOptions& call = {})
      : begun_(&kernel_.conn(), kRequest) {
    EXPECT_THAT(begun_.Begin({}), IsOk());
    request_ = kernel_.Next();
    absl::StatusOr<AheadSource> source = AheadSource::Start(&begun_, call, limit);
    EXPECT_THAT(source, IsOk());
    if (source.ok()) source_ = std::make_unique<AheadSource>(*std::move(source));
  }

  FakeKernel& kernel() { return kernel_; }
  // A datagram with one message.
  Packet Row(std::string_view text) const {
    return Multipart(request_, {testing::Text(text)}).front();
  }
  Packet End(int errnum = 0) const { return Done(request_, errnum); }
  AheadSource& source() { return *source_; }
  void Drop() { source_.reset(); }
  absl::StatusOr<Ready> Step(std::vector<std::string>* texts) {
    return source_->Step({}, [&](const netlink::Message& message) {
      texts->push_back(TextOf(message));
      return Flow::kContinue;
    });
  }
  absl::StatusOr<Ready> ToEnd(std::vector<std::string>* texts) {
    absl::StatusOr<Ready> ready = Ready::kSome;
    while (ready.ok() && *ready == Ready::kSome) ready = Step(texts);
    return ready;
  }

 private:
  FakeKernel kernel_;
  NetlinkSource begun_;
  Packet request_;
  std::unique_ptr<AheadSource> source_;
};

TEST(AheadSource, VisitsEveryMessageInOrder) {
  for (const size_t limit : {size_t{1}, size_t{64}, size_t{1} << 20}) {
    Ahead ahead(limit);
    std::vector<std::string> expected;
    for (int i = 0; i < 300; ++i) expected.push_back(std::string(static_cast<size_t>(i % 7), 'x'));
    std::thread kernel([&] {
      for (const std::string& text : expected) ahead.kernel().Push({ahead.Row(text)});
      ahead.kernel().Push({ahead.End()});
    });
    std::vector<std::string> texts;
    const absl::StatusOr<Ready> ready = ahead.ToEnd(&texts);
    kernel.join();
    ASSERT_THAT(ready, IsOk());
    EXPECT_EQ(*ready, Ready::kDone);
    EXPECT_EQ(texts, expected) << limit;
    EXPECT_EQ(ahead.source().stats().foreign, 0u);
    EXPECT_EQ(*ahead.Step(&texts), Ready::kDone) << "it stays at its end";
  }
}

TEST(AheadSource, GivesRowsBeforeTheErrorThatEndsThem) {
  Ahead ahead(1 << 20);
  ahead.kernel().Push({ahead.Row("one"), ahead.Row("two"), ahead.End(ENOMEM)});
  std::vector<std::string> texts;
  EXPECT_THAT(ahead.ToEnd(&texts), ErrnoIs(ENOMEM));
  EXPECT_THAT(texts, ::testing::ElementsAre("one", "two"));
}

TEST(AheadSource, EndsWithTheDeadlineOfTheCall) {
  netlink::CallOptions call;
  // Long enough for the row on a busy machine.
  call.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  Ahead ahead(1 << 20, call);
  ahead.kernel().Push({ahead.Row("one")});
  std::vector<std::string> texts;
  EXPECT_THAT(ahead.ToEnd(&texts), EndedByDeadline());
  EXPECT_THAT(texts, ::testing::ElementsAre("one"));
}

TEST(AheadSource, EndsWhenTheCallIsStopped) {
  std::stop_source stop;
  Ahead ahead(1 << 20, {.stop = stop.get_token()});
  std::thread stopper([&] { stop.request_stop(); });
  std::vector<std::string> texts;
  EXPECT_TRUE(absl::IsCancelled(ahead.ToEnd(&texts).status()));
  stopper.join();
}

// The thread waits for the kernel in the first case, for room in the second.
TEST(AheadSource, MayBeDroppedAtAnyTime) {
  {
    Ahead ahead(1 << 20);
    ahead.Drop();
  }
  Ahead ahead(1);
  ahead.kernel().Push({ahead.Row("one"), ahead.Row("two"), ahead.Row("three")});
  std::vector<std::string> texts;
  ASSERT_THAT(ahead.Step(&texts), IsOk());
  ahead.Drop();
  EXPECT_THAT(texts, ::testing::ElementsAre("one"));
}

TEST(AheadSource, StopsWhereItsVisitorStops) {
  Ahead ahead(1 << 20);
  ahead.kernel().Push({ahead.Row("one"), ahead.Row("two"), ahead.End()});
  int visited = 0;
  const absl::StatusOr<Ready> ready = ahead.source().Step({}, [&](const netlink::Message&) {
    ++visited;
    return Flow::kStop;
  });
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kDone);
  EXPECT_EQ(visited, 1);
}

// A dump of netlink sockets with these cookies: each inner list is a datagram.
Packets NetlinkDump(Bytes request, const std::vector<std::vector<uint32_t>>& datagrams) {
  const auto body = netlink::Load<netlink_diag_req>(request.subspan(netlink::kHeaderSize)).value();
  Packets packets;
  for (const std::vector<uint32_t>& cookies : datagrams) {
    Packets rows;
    for (const uint32_t cookie : cookies) {
      NetlinkMessage socket;
      socket.fixed.ndiag_cookie[0] = cookie;
      if ((body.ndiag_show & NDIAG_SHOW_GROUPS) != 0) socket.Add(NETLINK_DIAG_GROUPS, uint64_t{5});
      if ((body.ndiag_show & NDIAG_SHOW_FLAGS) != 0) socket.Add(NETLINK_DIAG_FLAGS, uint32_t{2});
      const Packet row = socket.Build();
      rows.push_back(testing::Reply(request, netlink::abi::kSockDiagByFamily, netlink::kFlagMulti,
                                    Bytes(row).subspan(netlink::kHeaderSize)));
    }
    packets.push_back(testing::Join(rows));
  }
  const Packet end = Done(request);
  packets.back().insert(packets.back().end(), end.begin(), end.end());
  return packets;
}

// A dump of netlink sockets leaves one out after each datagram. The thread makes the later dumps
// too.
TEST(AheadSource, DumpsAgainIfOneDumpIsNotEnough) {
  const std::vector<std::vector<std::vector<uint32_t>>> dumps = {
      {{1, 2, 3}, {5, 6, 7}}, {{1, 2, 3, 4, 5}, {7}}, {{1, 2, 3, 4, 5, 6, 7}}};
  size_t next = 0;
  FakeKernel kernel([&](Bytes request) { return NetlinkDump(request, dumps[next++]); });
  NetlinkSource begun(&kernel.conn(),
                      {{Protocol::kNetlink, Family::kNetlink, {}}, StateSet::All(), {}, {}, {}});
  ASSERT_THAT(begun.Begin({}), IsOk());
  absl::StatusOr<AheadSource> source = AheadSource::Start(&begun, {}, 1);
  ASSERT_THAT(source, IsOk());
  std::vector<uint64_t> cookies;
  absl::StatusOr<Ready> ready = Ready::kSome;
  while (ready.ok() && *ready == Ready::kSome) {
    ready = source->Step({}, [&](const netlink::Message& message) {
      const NetlinkSocket socket = NetlinkSocket::Parse(message.payload()).value();
      EXPECT_EQ(socket.groups(0), 5u);
      EXPECT_EQ(socket.flags()->bits(), 2u);
      cookies.push_back(socket.cookie().value());
      return Flow::kContinue;
    });
  }
  ASSERT_THAT(ready, IsOk());
  EXPECT_THAT(cookies, ::testing::ElementsAre(1, 2, 3, 5, 6, 7, 4));
  EXPECT_EQ(kernel.requests(), 3);
}

}  // namespace
}  // namespace netdiag::internal
