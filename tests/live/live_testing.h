// tests/live/live_testing.h — what the live tests share: a zoo, and rows as text.

#ifndef NETDIAG_TESTS_LIVE_LIVE_TESTING_H_
#define NETDIAG_TESTS_LIVE_LIVE_TESTING_H_

#include <algorithm>
#include <chrono>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "tests/testing/zoo.h"

namespace netdiag::testing {

// A test with a zoo, which needs root. Tests of a suite share the zoo while it is young: some of
// its sockets change their state after a minute.
class LiveTest : public ::testing::Test {
 public:
  static void TearDownTestSuite() { zoo_.reset(); }

 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "making a network namespace needs root";
    RenewZoo();
  }
  // Makes a new zoo if this one is not young. A long test calls it now and then, and opens new
  // engines after it.
  static void RenewZoo() {
    constexpr std::chrono::seconds kYoung(10);
    const auto now = std::chrono::steady_clock::now();
    if (zoo_ != nullptr && now < made_ + kYoung) return;
    zoo_.reset();
    zoo_ = std::make_unique<Zoo>();
    made_ = now;
  }
  static const Zoo& zoo() { return *zoo_; }
  static EngineOptions InZoo() {
    EngineOptions options;
    options.netns = netlink::NetNs::FromFd(zoo_->netns_fd());
    return options;
  }
  static std::unique_ptr<Engine> OpenInZoo() {
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(InZoo());
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : nullptr;
  }
  // All sockets, including bound idle ones.
  static Query Everything() {
    Query query;
    query.states = StateSet::All();
    return query;
  }

 private:
  inline static std::unique_ptr<Zoo> zoo_;
  inline static std::chrono::steady_clock::time_point made_;
};

inline std::string AddressText(const Endpoint& local, const Endpoint& remote) {
  std::string text;
  local.AppendTo(&text);
  text += " > ";
  remote.AppendTo(&text);
  return text;
}

// Identity() is the same text for a socket of the zoo and its row: what does not change while the
// socket lives.
inline std::string Identity(const Row& row) {
  std::string text(Names(row.protocol()).word);
  text += " " + std::string(Names(row.family()).word) + " " + Names(row.type()).ss.data();
  text += " " + std::string(Names(row.state()).ss);
  text += " inode " + std::to_string(row.inode().value()) + " ";
  if (row.inet() != nullptr) text += AddressText(row.inet()->local(), row.inet()->remote());
  if (row.unix_socket() != nullptr) text += row.unix_socket()->name();
  return text;
}

inline std::string Identity(const ZooSocket& socket) {
  std::string text(Names(socket.protocol).word);
  text += " " + std::string(Names(socket.family).word) + " " + Names(socket.type).ss.data();
  text += " " + std::string(Names(socket.state).ss);
  text += " inode " + std::to_string(socket.inode.value()) + " ";
  if (socket.family != Family::kUnix) text += AddressText(socket.local, socket.remote);
  text += socket.name;
  return text;
}

using Identities = std::multiset<std::string>;

// Returns the differences, one a line; empty if there are none.
inline std::string Difference(const Identities& got, const Identities& expected) {
  std::vector<std::string> missed;
  std::vector<std::string> surplus;
  std::ranges::set_difference(expected, got, std::back_inserter(missed));
  std::ranges::set_difference(got, expected, std::back_inserter(surplus));
  std::string text;
  for (const std::string& identity : missed) text += "missed: " + identity + "\n";
  for (const std::string& identity : surplus) text += "not expected: " + identity + "\n";
  return text;
}

// The sockets of the zoo for which `wanted` returns true.
template <class Predicate>
Identities IdentitiesIf(const Zoo& zoo, Predicate wanted) {
  Identities all;
  for (const ZooSocket& socket : zoo.sockets()) {
    if (wanted(socket)) all.insert(Identity(socket));
  }
  return all;
}
inline Identities AllIdentities(const Zoo& zoo) {
  return IdentitiesIf(zoo, [](const ZooSocket&) { return true; });
}

// The rows of a query. Expects that every table was answered.
inline Identities VisitIdentities(Engine* engine, const Query& query) {
  Identities all;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    all.insert(Identity(row));
    return Flow::kContinue;
  });
  EXPECT_TRUE(summary.ok()) << summary.status();
  if (!summary.ok()) return all;
  EXPECT_EQ(summary->rows, all.size());
  for (const TableOutcome& table : summary->tables) {
    EXPECT_TRUE(table.status.ok()) << table.status;
    EXPECT_TRUE(table.refusal.ok()) << table.refusal;
  }
  return all;
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_LIVE_LIVE_TESTING_H_
