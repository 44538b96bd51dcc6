#include "tools/diag/resolver.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <signal.h>
#include <span>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace diag {
namespace {

using netdiag::IpAddress;

IpAddress Address(int n) {
  return IpAddress::V4(10, 0, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n));
}

std::string TextOf(const IpAddress& address) {
  std::string text;
  address.AppendTo(&text);
  return text;
}

// What lookups wait for, and what they have seen.
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

TEST(Resolver, FindsNamesAndRemembersThatThereIsNone) {
  const auto calls = std::make_shared<std::atomic<int>>(0);
  Resolver resolver([calls](const IpAddress& address) {
    ++*calls;
    return address == Address(1) ? "one.example" : "";
  });
  for (int round = 0; round < 3; ++round) {
    resolver.Ask(Address(1));
    resolver.Ask(Address(2));
    resolver.Wait();
    EXPECT_EQ(resolver.Find(Address(1)), "one.example");
    EXPECT_EQ(resolver.Find(Address(2)), "");
    EXPECT_EQ(resolver.Find(Address(3)), "");
  }
  EXPECT_EQ(*calls, 2);
}

TEST(Resolver, AsksSeveralAtOnceAndNoMoreThanItMay) {
  const auto gate = std::make_shared<Gate>();
  Resolver resolver([gate](const IpAddress& address) { return gate->Pass(address); },
                    {.threads = 4, .patience = std::chrono::minutes(10)});
  for (int i = 0; i < 100; ++i) resolver.Ask(Address(i));
  gate->AwaitInside(4);
  gate->Open();
  resolver.Wait();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(resolver.Find(Address(i)), "host-" + TextOf(Address(i)));
  EXPECT_EQ(gate->most, 4);
  EXPECT_EQ(gate->calls, 100);
}

TEST(Resolver, LeavesTheUnansweredAloneWhenItsPatienceEnds) {
  const auto gate = std::make_shared<Gate>();
  {
    Resolver resolver([gate](const IpAddress& address) { return gate->Pass(address); },
                      {.threads = 2, .patience = std::chrono::milliseconds(20)});
    resolver.Ask(Address(1));
    resolver.Wait();
    EXPECT_EQ(resolver.Find(Address(1)), "");
    // Its patience is for all calls together; a second one does not wait again, and the end of the
    // resolver waits for nobody.
    resolver.Ask(Address(2));
    resolver.Wait();
  }
  gate->Open();
}

TEST(Resolver, KeepsNoMoreAddressesThanItMay) {
  const auto calls = std::make_shared<std::atomic<int>>(0);
  Resolver resolver(
      [calls](const IpAddress&) {
        ++*calls;
        return std::string("name");
      },
      {.addresses = 10});
  for (int i = 0; i < 100; ++i) resolver.Ask(Address(i));
  resolver.Wait();
  EXPECT_EQ(*calls, 10);
  EXPECT_EQ(resolver.Find(Address(9)), "name");
  EXPECT_EQ(resolver.Find(Address(10)), "");
}

TEST(Resolver, LeavesSignalsToTheCaller) {
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
  resolver.Wait();
  EXPECT_TRUE(*blocked);
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  EXPECT_EQ(sigismember(&after, SIGINT), sigismember(&before, SIGINT));
}

TEST(Resolver, KnowsTheNameOfThisHost) {
  // /etc/hosts names it on every machine.
  EXPECT_NE(SystemLookup(IpAddress::V4(127, 0, 0, 1)), "");
  constexpr std::array<uint8_t, 16> kMapped = {0, 0, 0,    0,    0,   0, 0, 0,
                                               0, 0, 0xff, 0xff, 127, 0, 0, 1};
  EXPECT_EQ(SystemLookup(
                IpAddress::FromNetwork(netdiag::Family::kInet6, std::as_bytes(std::span(kMapped)))),
            SystemLookup(IpAddress::V4(127, 0, 0, 1)));
  // TEST-NET-1 has no names. Source: RFC 5737.
  EXPECT_EQ(SystemLookup(IpAddress()), "");
}

}  // namespace
}  // namespace diag
