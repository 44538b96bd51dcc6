// tests/live/live_testing.h — what the live tests share: one zoo a program, and rows as text.

#ifndef NETDIAG_TESTS_LIVE_LIVE_TESTING_H_
#define NETDIAG_TESTS_LIVE_LIVE_TESTING_H_

#include <algorithm>
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

// Every live test needs root, which the test machine gives.
class LiveTest : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    if (geteuid() == 0) zoo_ = std::make_unique<Zoo>();
  }
  static void TearDownTestSuite() { zoo_.reset(); }

 protected:
  void SetUp() override {
    if (zoo_ == nullptr) GTEST_SKIP() << "making a network namespace needs root";
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
  // Every socket, idle ones too.
  static Query Everything() {
    Query query;
    query.states = StateSet::All();
    return query;
  }

 private:
  inline static std::unique_ptr<Zoo> zoo_;
};

// What a row and a zoo socket are both known by: what never changes while it lives.
inline std::string AddressText(const Endpoint& local, const Endpoint& remote) {
  std::string text;
  local.AppendTo(&text);
  text += " > ";
  remote.AppendTo(&text);
  return text;
}

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

// What one has and the other has not, line by line; empty: they are the same.
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

// Those of the zoo that `wanted` wants.
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

// Those that a query gives. Every table must have been answered.
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
