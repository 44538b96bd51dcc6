// The Monitor over a capture and a fake kernel. Each look gives the sockets of the capture; the
// fake kernel sends the events. tests/live/monitor_live_test.cc has the running kernel.

#include "netdiag/monitor.h"

#include <cstdint>
#include <memory>
#include <poll.h>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/events.h"
#include "netdiag/filter/filter.h"
#include "netdiag/monitor/adopt.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using netlink::Conn;
using netlink::Ready;
using testing::CaptureOf;
using ::testing::ElementsAre;
using testing::ErrnoIs;
using testing::InetMessage;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::Packet;

Packet Connection(uint32_t cookie) {
  InetMessage message;
  message.fixed.id.idiag_cookie[0] = cookie;
  message.Add(INET_DIAG_INFO, Packet(TcpInfo::size()));
  return message.Build();
}

// "opened 1", "closed 7": in the order in which they were visited.
using Log = std::vector<std::string>;

// A Monitor of TCP. Its Engine gives the connections 1 and 2 at each look.
class FakeHost {
 public:
  explicit FakeHost(Query query = {.protocols = {Protocol::kTcp}})
      : capture_(CaptureOf({{Protocol::kTcp, {Connection(1), Connection(2)}}})),
        engine_(*Engine::Open({.replay = capture_})) {
    auto [ours, kernels] = testing::ConnPair();
    kernel_ = std::move(kernels);
    absl::StatusOr<std::unique_ptr<Events>> events =
        Events::Adopt(std::move(ours), {.protocols = {Protocol::kTcp}}, NetnsId(42));
    EXPECT_THAT(events, IsOk());
    monitor_ = *internal::AdoptEvents(engine_.get(), std::move(query), *std::move(events));
  }

  void SendEvent(uint32_t cookie, uint16_t local = 8080, uint16_t remote = 4660) {
    InetMessage event;
    event.fixed.idiag_state = 7;
    event.fixed.idiag_inode = 0;
    event.fixed.id.idiag_cookie[0] = cookie;
    event.SetLocal("\x7f\x00\x00\x01", local);
    event.SetRemote("\x0a\x01\x02\x03", remote);
    event.Add(INET_DIAG_PROTOCOL, static_cast<uint8_t>(Protocol::kTcp));
    event.Add(INET_DIAG_INFO, Packet(TcpInfo::size()));
    const Packet built = event.Build();
    const netlink::Header no_request{};
    Send(testing::Reply(std::as_bytes(std::span(&no_request, 1)), netlink::abi::kSockDiagByFamily,
                        0, Bytes(built).subspan(netlink::kHeaderSize)));
  }
  void SendOverrun() {
    const netlink::Header no_request{};
    Send(testing::Reply(std::as_bytes(std::span(&no_request, 1)), netlink::kTypeOverrun, 0, {}));
  }

  Log Poll() {
    log_.clear();
    const absl::StatusOr<Look> look = monitor_->Poll(visitor_);
    EXPECT_THAT(look, IsOk());
    SetLook(*look);
    return log_;
  }
  Log Step() {
    log_.clear();
    EXPECT_THAT(monitor_->Begin(), IsOk());
    absl::StatusOr<Ready> ready = Ready::kSome;
    while (ready.ok() && *ready == Ready::kSome) ready = monitor_->Step(visitor_, {.datagrams = 1});
    EXPECT_THAT(ready, IsOk());
    SetLook(monitor_->look());
    return log_;
  }
  Log Drain() {
    log_.clear();
    EXPECT_THAT(monitor_->Drain(visitor_), IsOk());
    return log_;
  }
  const Look& look() const { return look_; }
  Monitor* operator->() { return monitor_.get(); }

 private:
  // The rows of a capture are always in doubt.
  void SetLook(const Look& look) {
    look_ = look;
    for (TableOutcome& table : look_.query.tables) {
      EXPECT_FALSE(table.doubt.ok());
      table.doubt = absl::OkStatus();
    }
  }
  void Send(Bytes datagram) { EXPECT_THAT(kernel_->Write(datagram), IsOk()); }
  void Note(const Change& change) {
    log_.push_back(std::string(Name(change.kind())) + " " +
                   std::to_string(change.row().cookie().value()));
  }

  Packet capture_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Conn> kernel_;
  std::unique_ptr<Monitor> monitor_;
  Log log_;
  std::function<void(const Change&)> visitor_ = [this](const Change& change) { Note(change); };
  Look look_;
};

Query WithFilter(const std::string& text) {
  Query query{.protocols = {Protocol::kTcp}};
  query.filter = std::make_shared<const Filter>(*Filter::Parse(text));
  return query;
}

TEST(Monitor, LooksInSlicesAsInOneCall) {
  FakeHost whole, slices;
  for (FakeHost* host : {&whole, &slices}) {
    const auto look = [&] { return host == &whole ? host->Poll() : host->Step(); };
    EXPECT_THAT(look(), ElementsAre("opened 1", "opened 2"));
    host->SendEvent(7);
    host->SendEvent(2);
    EXPECT_THAT(look(), ElementsAre("closed 7", "closed 2", "lived 1", "lingers 2"));
    EXPECT_EQ(host->look().number, 2u);
    EXPECT_EQ(host->look().closed, 2u);
    EXPECT_EQ(host->look().unseen, 1u);
    EXPECT_EQ(host->look().lived, 1u);
    EXPECT_EQ(host->look().query.rows, 2u);
    EXPECT_TRUE(host->look().exact());
  }
}

TEST(Monitor, EventsCanBeDrainedBetweenLooks) {
  FakeHost host;
  host.Poll();
  pollfd wait = {host->event_fd(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 0), 0);
  host.SendEvent(1);
  EXPECT_EQ(poll(&wait, 1, 60'000), 1);
  EXPECT_THAT(host.Drain(), ElementsAre("closed 1"));
  EXPECT_THAT(host.Drain(), IsEmpty());
  EXPECT_THAT(host.Poll(), ElementsAre("lingers 1", "lived 2"));
  EXPECT_EQ(host.look().closed, 1u);
}

TEST(Monitor, ALookThatRunsCannotBeDrainedBesides) {
  FakeHost host;
  EXPECT_THAT(host->Begin(), IsOk());
  EXPECT_THAT(host->Drain([](const Change&) {}), ErrnoIs(EBUSY));
}

TEST(Monitor, AnOverrunIsSaidByTheLookAfterIt) {
  FakeHost host;
  host.Poll();
  EXPECT_TRUE(host.look().exact());
  host.SendOverrun();
  host.Poll();
  EXPECT_EQ(host.look().overruns, 1u);
  EXPECT_FALSE(host.look().exact());
  host.Poll();
  EXPECT_EQ(host.look().overruns, 0u);
  EXPECT_TRUE(host.look().exact());
}

TEST(Monitor, UnseenSocketsAreThoseThatTheQuerySelects) {
  Query port{.protocols = {Protocol::kTcp}};
  port.source_port = Port::FromHost(8080);
  Query listeners{.protocols = {Protocol::kTcp}, .states = State::kListen};
  const struct {
    Query query;
    Log closed;
  } rows[] = {
      {{.protocols = {Protocol::kTcp}}, {"closed 10", "closed 11", "closed 12"}},
      {{.protocols = {Protocol::kTcp}, .states = StateSet(State::kEstablished)},
       {"closed 10", "closed 11"}},
      {port, {"closed 10", "closed 12"}},
      {listeners, {"closed 12"}},
      {WithFilter("sport = 22"), {"closed 11"}},
  };
  for (const auto& [query, closed] : rows) {
    FakeHost host(query);
    host.Poll();
    host.SendEvent(10);
    host.SendEvent(11, 22);
    host.SendEvent(12, 8080, 0);  // a listener
    host.SendEvent(13, 0, 0);     // never bound
    EXPECT_EQ(host.Drain(), closed);
    EXPECT_EQ(host->look().unjudged, 0u);
  }
}

TEST(Monitor, EventsThatTheFilterCannotJudgeAreCounted) {
  FakeHost host(WithFilter("inode = 5001"));
  EXPECT_THAT(host.Poll(), ElementsAre("opened 1", "opened 2"));
  host.SendEvent(10);
  host.SendEvent(1);
  EXPECT_THAT(host.Poll(), ElementsAre("closed 1", "lingers 1", "lived 2"));
  EXPECT_EQ(host.look().unjudged, 1u);
  EXPECT_FALSE(host.look().exact());
}

}  // namespace
}  // namespace netdiag
