// Events against a fake kernel: what is passed, and what losses, damage and ends are. The kernel's
// own events are in tests/live/events_live_test.cc.

#include "netdiag/events.h"

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/fields.h"
#include "netdiag/filter/filter.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "tests/testing/emulator.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using netlink::Conn;
using netlink::Ready;
using ::testing::ElementsAre;
using testing::EndedByDeadline;
using testing::EndedByStop;
using testing::ErrnoIs;
using ::testing::HasSubstr;
using testing::InetMessage;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::Packet;

const Query kTcpAndUdp = {.protocols = {Protocol::kTcp, Protocol::kUdp}};

// An event as the kernel sends it: no flags, no sequence number, the protocol as an attribute.
class Event : public InetMessage {
 public:
  explicit Event(uint32_t cookie, Protocol protocol = Protocol::kTcp) {
    fixed.idiag_state = 7;
    fixed.idiag_inode = 0;
    fixed.id.idiag_cookie[0] = cookie;
    Add(INET_DIAG_PROTOCOL, static_cast<uint8_t>(protocol));
    if (protocol == Protocol::kTcp) Add(INET_DIAG_INFO, Packet(TcpInfo::size()));
  }
  Packet Build() const {
    const Packet built = InetMessage::Build();
    const netlink::Header no_request{};
    return testing::Reply(std::as_bytes(std::span(&no_request, 1)), netlink::abi::kSockDiagByFamily,
                          0, Bytes(built).subspan(netlink::kHeaderSize));
  }
};

// Events over one end of a socketpair, and the kernel at the other end.
class FakeEvents {
 public:
  explicit FakeEvents(const Query& query = kTcpAndUdp) {
    auto [ours, kernels] = testing::ConnPair();
    kernel_ = std::move(kernels);
    absl::StatusOr<std::unique_ptr<Events>> events =
        Events::Adopt(std::move(ours), query, NetnsId(42));
    EXPECT_THAT(events, IsOk());
    events_ = *std::move(events);
  }

  Events* operator->() { return events_.get(); }
  void Send(Bytes datagram) { EXPECT_THAT(kernel_->Write(datagram), IsOk()); }
  void Send(const InetMessage& event) { Send(event.Build()); }
  void Send(const Event& event) { Send(event.Build()); }
  void HangUp() { kernel_.reset(); }

  // The cookies of the events that have arrived. Ends at the first call that would wait.
  std::vector<uint64_t> Drain() {
    std::vector<uint64_t> cookies;
    const auto add = [&](const Row& row) {
      cookies.push_back(row.cookie().value());
      return Flow::kContinue;
    };
    absl::StatusOr<Ready> ready = Ready::kSome;
    while (ready.ok() && *ready == Ready::kSome) ready = events_->TryReceive(add);
    EXPECT_THAT(ready, IsOk());
    return cookies;
  }

 private:
  std::unique_ptr<Events> events_;
  std::unique_ptr<Conn> kernel_;
};

Query WithFilter(const std::string& text, Query query = kTcpAndUdp) {
  absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_THAT(filter, IsOk());
  query.filter = std::make_shared<const Filter>(*std::move(filter));
  return query;
}

TEST(Events, AreRowsOfTheirTable) {
  FakeEvents events;
  Event udp(7, Protocol::kUdp);
  udp.SetLocal("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 5000);
  events.Send(udp);
  int seen = 0;
  const auto ready = events->TryReceive([&](const Row& row) {
    ++seen;
    EXPECT_EQ(row.protocol(), Protocol::kUdp);
    EXPECT_EQ(row.table().families, FamilySet(Family::kInet6));
    EXPECT_EQ(row.table().netns, NetnsId(42));
    EXPECT_EQ(row.source(), SourceKind::kEvent);
    EXPECT_EQ(row.cookie(), Cookie(7));
    EXPECT_TRUE(IsAbsent(FindField("inode")->get(row, 0)));
    EXPECT_TRUE(IsAbsent(FindField("uid")->get(row, 0)));
    return Flow::kContinue;
  });
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kWouldBlock);
  EXPECT_EQ(seen, 1);
  EXPECT_EQ(events->stats().events, 1u);
}

// The kernel subtracts a reference that the socket has given up.
TEST(Events, HaveNoSendQueueOfMinusOne) {
  FakeEvents events;
  Event udp(7, Protocol::kUdp);
  udp.fixed.idiag_wqueue = std::numeric_limits<uint32_t>::max();
  udp.fixed.idiag_rqueue = 832;
  events.Send(udp);
  const auto ready = events->TryReceive([](const Row& row) {
    EXPECT_EQ(row.send_queue(), 0u);
    EXPECT_EQ(row.receive_queue(), 832u);
    return Flow::kContinue;
  });
  EXPECT_THAT(ready, IsOk());
}

TEST(Events, AreThoseThatTheQuerySelects) {
  const auto send = [](FakeEvents* events) {
    events->Send(Event(1));
    events->Send(Event(2, Protocol::kUdp));
    Event six(3);
    six.SetLocal("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 9000);
    events->Send(six);
    Event other(4);
    other.SetLocal("\x7f\x00\x00\x01", 22);
    other.SetRemote("\x0a\x01\x02\x03", 9);
    events->Send(other);
  };
  const struct {
    Query query;
    std::vector<uint64_t> cookies;
  } rows[] = {
      {kTcpAndUdp, {1, 2, 3, 4}},
      {{.protocols = {Protocol::kTcp}}, {1, 3, 4}},
      {{.protocols = {Protocol::kUdp}}, {2}},
      {{.protocols = {Protocol::kTcp, Protocol::kUnix}, .families = Family::kInet6}, {3}},
      {{.source_port = Port::FromHost(22)}, {4}},
      {{.destination_port = Port::FromHost(9)}, {4}},
      // States are ignored: an event has none that a query means.
      {{.protocols = {Protocol::kTcp}, .states = State::kEstablished}, {1, 3, 4}},
      {WithFilter("sport = 22"), {4}},
      {WithFilter("src 2001:db8::/32 or protocol = udp"), {2, 3}},
      {WithFilter("cookie = 1 and bytes_acked = 0 and netns = 42"), {1}},
      {WithFilter("source = event and not cookie > 1"), {1}},
  };
  for (const auto& [query, cookies] : rows) {
    FakeEvents events(query);
    send(&events);
    EXPECT_EQ(events.Drain(), cookies);
    EXPECT_EQ(events->stats().events, cookies.size());
    EXPECT_EQ(events->stats().unmatched, 4 - cookies.size());
    EXPECT_EQ(events->stats().damaged, 0u);
  }
}

TEST(Events, GoOnAfterAVisitorStops) {
  FakeEvents events;
  for (uint32_t i = 1; i <= 3; ++i) events.Send(Event(i));
  const auto stop = [](const Row&) { return Flow::kStop; };
  for (int i = 0; i < 2; ++i) {
    const auto ready = events->TryReceive(stop);
    ASSERT_THAT(ready, IsOk());
    EXPECT_EQ(*ready, Ready::kDone);
  }
  const auto ready = events->Receive(stop);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kDone);
  EXPECT_THAT(events.Drain(), IsEmpty());
  EXPECT_EQ(events->stats().events, 3u);
}

TEST(Events, ReceiveAsManyAsTheLimit) {
  FakeEvents events;
  for (uint32_t i = 1; i <= 5; ++i) events.Send(Event(i));
  std::vector<uint64_t> cookies;
  const auto add = [&](const Row& row) {
    cookies.push_back(row.cookie().value());
    return Flow::kContinue;
  };
  EXPECT_EQ(*events->TryReceive(add, 2), Ready::kSome);
  EXPECT_THAT(cookies, ElementsAre(1, 2));
  EXPECT_EQ(*events->TryReceive(add, 2), Ready::kSome);
  EXPECT_EQ(*events->TryReceive(add, 2), Ready::kWouldBlock);
  EXPECT_THAT(cookies, ElementsAre(1, 2, 3, 4, 5));
}

// ---- Losses and damage ----

TEST(Events, OverrunsAreValues) {
  FakeEvents events;
  const netlink::Header no_request{};
  const Packet overrun =
      testing::Reply(std::as_bytes(std::span(&no_request, 1)), netlink::kTypeOverrun, 0, {});
  events.Send(Event(1));
  events.Send(overrun);
  events.Send(Event(2));
  events.Send(overrun);
  const auto add = [](const Row&) { return Flow::kContinue; };
  // A call that waits returns, so that the loss is seen although no event follows.
  for (int i = 0; i < 4; ++i) {
    const auto ready = events->Receive(add);
    ASSERT_THAT(ready, IsOk());
    EXPECT_EQ(*ready, Ready::kSome);
  }
  EXPECT_EQ(events->stats().events, 2u);
  EXPECT_EQ(events->stats().overruns, 2u);
  if (testing::Emulated()) {
    EXPECT_EQ(events->stats().lost, std::nullopt) << "qemu-user has no SO_MEMINFO";
  } else {
    EXPECT_EQ(events->stats().lost, 0u) << "the counter of a socketpair does not move";
  }
}

TEST(Events, DamagedMessagesAreCountedAndTheOthersPassed) {
  FakeEvents events;
  const Packet good = Event(1).Build();
  std::vector<Packet> damaged;
  damaged.push_back(testing::Truncated(good, good.size() - 40));  // its length is wrong
  damaged.emplace_back(10);                                       // no header
  Packet shorter = good;
  shorter.resize(netlink::kHeaderSize + 60);  // less than a socket
  const auto length = static_cast<uint32_t>(shorter.size());
  std::memcpy(shorter.data(), &length, sizeof(length));
  damaged.push_back(shorter);
  damaged.emplace_back(40'000);                          // more than a datagram has
  damaged.push_back(InetMessage().Build());              // no protocol
  damaged.push_back(Event(9, Protocol::kIcmp).Build());  // no protocol that has events
  for (const Packet& packet : damaged) events.Send(packet);
  events.Send(good);
  EXPECT_THAT(events.Drain(), ElementsAre(1));
  EXPECT_EQ(events->stats().damaged, damaged.size());
  // The attributes before the damage are good.
  Packet cut = Event(2).Build();
  cut[netlink::kHeaderSize + 72 + 8] = std::byte{3};  // the length of the second attribute
  events.Send(cut);
  EXPECT_THAT(events.Drain(), ElementsAre(2));
  EXPECT_EQ(events->stats().damaged, damaged.size() + 1);
}

TEST(Events, CountUnknownAttributes) {
  FakeEvents events;
  Event event(1);
  event.Add(200, uint32_t{5});
  events.Send(event);
  EXPECT_THAT(events.Drain(), ElementsAre(1));
  EXPECT_EQ(events->stats().unknown_attributes, 1u);
}

// ---- Ends ----

TEST(Events, WaitingEndsByDeadlineStopTokenAndTheOtherEnd) {
  FakeEvents events;
  const auto none = [](const Row&) { return Flow::kContinue; };
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_THAT(events->Receive(none, {.deadline = soon}), EndedByDeadline());
  std::stop_source stop;
  std::thread stopper([&] { stop.request_stop(); });
  EXPECT_THAT(events->Receive(none, {.stop = stop.get_token()}), EndedByStop());
  stopper.join();
  // Nothing was lost by that.
  events.Send(Event(1));
  EXPECT_THAT(events.Drain(), ElementsAre(1));
  events.HangUp();
  EXPECT_THAT(events->Receive(none), ErrnoIs(ECONNRESET));
}

// ---- Queries that cannot be answered ----

std::string Refusal(const Query& query) {
  auto [ours, kernels] = testing::ConnPair();
  const absl::Status adopted = Events::Adopt(std::move(ours), query).status();
  const absl::Status opened = Events::Open(query).status();
  EXPECT_TRUE(absl::IsInvalidArgument(adopted)) << adopted;
  EXPECT_EQ(adopted, opened);
  return adopted.ToString();
}

TEST(Events, RefuseAQueryWithoutTcpAndUdp) {
  EXPECT_THAT(Refusal({.protocols = {Protocol::kUnix, Protocol::kUdpLite}}),
              HasSubstr("TCP and UDP"));
  EXPECT_THAT(Refusal({.families = Family::kUnix}), HasSubstr("TCP and UDP"));
}

TEST(Events, RefuseFiltersThatReadWhatNoEventHas) {
  for (const char* text : {"comm = nginx", "not pid = 1", "sport = 22 or exe = /bin/x"}) {
    EXPECT_THAT(Refusal(WithFilter(text)), HasSubstr("does not tell who held the socket")) << text;
  }
  for (const char* text :
       {"uid = 0", "inode = 5", "fwmark = 1", "cgroup = 1", "unit = x.service", "no_owner = hidden",
        "timer = on", "memory.rmem_alloc > 0", "congestion = cubic", "v6_only"}) {
    EXPECT_THAT(Refusal(WithFilter(text)), HasSubstr("does not send it in an event")) << text;
  }
  EXPECT_THAT(Events::CheckFilter(WithFilter("rtt > 1ms and src 10/8 and state = closed")), IsOk());
}

}  // namespace
}  // namespace netdiag
