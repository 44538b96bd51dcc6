// Look-ups on other threads: their limits, their answers, and giving up; names of ports.

#include "netdiag/net/resolver.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <signal.h>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "netdiag/net/services.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

IpAddress Address(int n) {
  return IpAddress::V4(10, 0, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n));
}

std::string TextOf(const IpAddress& address) {
  std::string text;
  address.AppendTo(&text);
  return text;
}

// A look-up that blocks until the gate is open, and counts of the calls.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int inside = 0;
  int most = 0;
  int calls = 0;

  std::string Pass(const IpAddress& address) {
    std::unique_lock lock(mutex);
    ++calls;
    most = std::max(most, ++inside);
    changed.notify_all();
    changed.wait(lock, [this] { return open; });
    --inside;
    return "host-" + TextOf(address);
  }
  void Open() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
  void AwaitInside(int count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside == count; });
  }
};

TEST(Resolver, RemembersNamesAndTheirAbsence) {
  const auto calls = std::make_shared<std::atomic<int>>(0);
  Resolver resolver([calls](const IpAddress& address) {
    ++*calls;
    return address == Address(1) ? "one.example" : "";
  });
  for (int round = 0; round < 3; ++round) {
    resolver.Ask(Address(1));
    resolver.Ask(Address(2));
    EXPECT_THAT(resolver.Wait(), testing::IsOk());
    EXPECT_EQ(resolver.Find(Address(1)), "one.example");
    EXPECT_EQ(resolver.Find(Address(2)), "");
    EXPECT_EQ(resolver.Find(Address(3)), "");
  }
  EXPECT_EQ(*calls, 2);
}

TEST(Resolver, RunsAtMostItsLimitOfThreads) {
  const auto gate = std::make_shared<Gate>();
  Resolver resolver([gate](const IpAddress& address) { return gate->Pass(address); }, LookUpHost,
                    {.threads = 4, .patience = std::chrono::minutes(10)});
  for (int i = 0; i < 100; ++i) resolver.Ask(Address(i));
  gate->AwaitInside(4);
  gate->Open();
  EXPECT_THAT(resolver.Wait(), testing::IsOk());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(resolver.Find(Address(i)), "host-" + TextOf(Address(i)));
  EXPECT_EQ(gate->most, 4);
  EXPECT_EQ(gate->calls, 100);
}

TEST(Resolver, StopsWaitingWhenItsPatienceEnds) {
  const auto gate = std::make_shared<Gate>();
  {
    Resolver resolver([gate](const IpAddress& address) { return gate->Pass(address); }, LookUpHost,
                      {.threads = 2, .patience = std::chrono::milliseconds(20)});
    resolver.Ask(Address(1));
    EXPECT_THAT(resolver.Wait(), testing::EndedByDeadline());
    EXPECT_EQ(resolver.Find(Address(1)), "");
    // The patience is for all calls together: the second one does not wait. The destructor does not
    // wait either.
    resolver.Ask(Address(2));
    EXPECT_THAT(resolver.Wait(), testing::EndedByDeadline());
  }
  gate->Open();
}

TEST(Resolver, WaitEndsWithTheCallersDeadlineOrStop) {
  const auto gate = std::make_shared<Gate>();
  Resolver resolver([gate](const IpAddress& address) { return gate->Pass(address); }, LookUpHost,
                    {.threads = 1, .patience = std::chrono::minutes(10)});
  resolver.Ask(Address(1));
  EXPECT_THAT(resolver.Wait({.deadline = std::chrono::steady_clock::now()}),
              testing::EndedByDeadline());
  std::stop_source stop;
  std::thread stopper([&] {
    gate->AwaitInside(1);
    stop.request_stop();
  });
  EXPECT_THAT(resolver.Wait({.stop = stop.get_token()}), testing::EndedByStop());
  stopper.join();
  gate->Open();
  EXPECT_THAT(resolver.Wait(), testing::IsOk());  // the look-up has continued
  EXPECT_EQ(resolver.Find(Address(1)), "host-" + TextOf(Address(1)));
}

TEST(Resolver, LooksUpTheAddressesOfANameOnce) {
  const auto calls = std::make_shared<std::atomic<int>>(0);
  Resolver resolver(LookUpAddress, [calls](const std::string& name) -> std::vector<IpAddress> {
    ++*calls;
    if (name != "two.example") return {};
    return {Address(1), Address(2)};
  });
  for (int round = 0; round < 3; ++round) {
    resolver.AskHost("two.example");
    resolver.AskHost("none.example");
    EXPECT_THAT(resolver.Wait(), testing::IsOk());
    EXPECT_EQ(resolver.FindHost("two.example"), (std::vector<IpAddress>{Address(1), Address(2)}));
    EXPECT_TRUE(resolver.FindHost("none.example").empty());
    EXPECT_TRUE(resolver.FindHost("never.example").empty());
  }
  EXPECT_EQ(*calls, 2);
}

TEST(Resolver, KeepsAtMostItsLimitOfEntries) {
  const auto calls = std::make_shared<std::atomic<int>>(0);
  Resolver resolver(
      [calls](const IpAddress&) {
        ++*calls;
        return std::string("name");
      },
      LookUpHost, {.entries = 10});
  for (int i = 0; i < 100; ++i) resolver.Ask(Address(i));
  EXPECT_THAT(resolver.Wait(), testing::IsOk());
  EXPECT_EQ(*calls, 10);
  EXPECT_EQ(resolver.Find(Address(9)), "name");
  EXPECT_EQ(resolver.Find(Address(10)), "");
}

TEST(Resolver, ThreadsBlockSignals) {
  const auto blocked = std::make_shared<std::atomic<bool>>(false);
  Resolver resolver([blocked](const IpAddress&) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    *blocked = sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1;
    return std::string();
  });
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  resolver.Ask(Address(1));
  EXPECT_THAT(resolver.Wait(), testing::IsOk());
  EXPECT_TRUE(*blocked);
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}

TEST(Resolver, FindsTheNameOfLocalhost) {
  // /etc/hosts has the loopback address on every host.
  EXPECT_NE(LookUpAddress(IpAddress::V4(127, 0, 0, 1)), "");
  EXPECT_EQ(LookUpAddress(IpAddress::V4(127, 0, 0, 1).Mapped()),
            LookUpAddress(IpAddress::V4(127, 0, 0, 1)));
  // 0.0.0.0 has no name.
  EXPECT_EQ(LookUpAddress(IpAddress()), "");
}

TEST(Resolver, FindsTheAddressesOfLocalhost) {
  const std::vector<IpAddress> addresses = LookUpHost("localhost");
  ASSERT_FALSE(addresses.empty());
  for (const IpAddress& address : addresses) EXPECT_TRUE(address.IsLoopback()) << TextOf(address);
  EXPECT_EQ(LookUpHost("192.0.2.7"), (std::vector<IpAddress>{IpAddress::V4(192, 0, 2, 7)}));
}

// ---- Services ----

constexpr std::string_view kServices =
    "# comment\n"
    "ssh\t\t22/tcp\t\t# the shell\n"
    "domain 53/tcp\n"
    "domain 53/udp\n"
    "http 80/tcp www www-http\n"
    "other 80/tcp\n"
    "quic 443/udp\n"
    "odd 12\n"
    "odd2 70000/tcp\n"
    "odd3 9/sctp\n"
    "unnamed/tcp\n";

TEST(Services, NamePortsOfTheirProtocol) {
  const Services services = Services::Parse(kServices);
  EXPECT_EQ(services.NameOf(Protocol::kTcp, Port::FromHost(22)), "ssh");
  EXPECT_EQ(services.NameOf(Protocol::kMptcp, Port::FromHost(22)), "ssh");
  EXPECT_EQ(services.NameOf(Protocol::kUdp, Port::FromHost(22)), "");
  EXPECT_EQ(services.NameOf(Protocol::kUdpLite, Port::FromHost(443)), "quic");
  EXPECT_EQ(services.NameOf(Protocol::kTcp, Port::FromHost(80)), "http");  // the first entry counts
  EXPECT_EQ(services.NameOf(Protocol::kTcp, Port::FromHost(9)), "");
  EXPECT_EQ(services.NameOf(Protocol::kRaw, Port::FromHost(22)), "");
}

TEST(Services, FindPortsAsGosLookupPortDoes) {
  const Services services = Services::Parse(kServices);
  const struct {
    std::string_view network, service;
    int port;
  } kRows[] = {{"tcp", "ssh", 22},    {"tcp4", "www", 80},   {"tcp6", "www-http", 80},
               {"udp", "domain", 53}, {"udp6", "quic", 443}, {"", "quic", 443},
               {"ip", "ssh", 22},     {"tcp", "0", 0},       {"tcp", "65535", 65535},
               {"tcp", "", 0},        {"udp", "8080", 8080}};
  for (const auto& row : kRows) {
    const absl::StatusOr<Port> port = services.PortOf(row.network, row.service);
    ASSERT_THAT(port, testing::IsOk()) << row.service;
    EXPECT_EQ(port->value(), row.port) << row.service;
  }
  const struct {
    std::string_view network, service, message;
  } kBad[] = {
      {"tcp", "65536", "address: \"65536\": invalid port"},
      {"tcp", "-1", "address: \"-1\": invalid port"},
      {"tcp", "99999999999", "address: \"99999999999\": invalid port"},
      {"tcp", "quic", "lookup: \"quic\": unknown port"},
      {"udp", "ssh", "lookup: \"ssh\": unknown port"},
      {"tcp", "-", "lookup: \"-\": unknown port"},
      {"sctp", "ssh", "network: \"sctp\": unknown network"},
      {"tcp5", "ssh", "network: \"tcp5\": unknown network"},
  };
  for (const auto& row : kBad) {
    SCOPED_TRACE(row.message);
    EXPECT_EQ(services.PortOf(row.network, row.service).status().message(),
              std::string(row.message));
  }
}

TEST(Services, MissingFileGivesGosBuiltInServices) {
  const Services built_in = Services::Load("/nonexistent/services");
  EXPECT_EQ(built_in.PortOf("tcp", "https")->value(), 443);
  EXPECT_EQ(built_in.PortOf("udp", "domain")->value(), 53);
  EXPECT_EQ(built_in.NameOf(Protocol::kTcp, Port::FromHost(25)), "smtp");
  const Services none = Services::Load("/nonexistent/services", Services::Missing::kEmpty);
  EXPECT_FALSE(none.PortOf("tcp", "https").ok());
  EXPECT_EQ(Services::Load().PortOf("tcp", "ssh")->value(), 22);  // from the file of this host
}

}  // namespace
}  // namespace netdiag
