// The peers of the zoo's unix sockets, compared with getpeername().

#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine/test_options.h"
#include "netdiag/snapshot.h"
#include "tests/live/live_testing.h"

namespace netdiag::testing {
namespace {

// The peer of a row.
struct PeerSays {
  std::string name;
  int owner = 0;  // the first pid
  friend bool operator==(const PeerSays&, const PeerSays&) = default;
  friend std::ostream& operator<<(std::ostream& out, const PeerSays& says) {
    return out << ::testing::PrintToString(says.name) << " held by " << says.owner;
  }
};
using Peers = std::map<Inode, PeerSays>;

// The name of the peer as unix_diag writes it: a path without its NUL.
std::string NameOfPeer(int fd) {
  sockaddr_un address = {};
  socklen_t size = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "?";
  if (size <= offsetof(sockaddr_un, sun_path)) return "";
  std::string name(address.sun_path, size - offsetof(sockaddr_un, sun_path));
  if (name[0] != '\0') name.resize(name.find_last_not_of('\0') + 1);
  return name;
}

class PeersLive : public LiveTest {
 protected:
  static Query UnixPeers(StateSet states = StateSet::All()) {
    Query query;
    query.protocols = {Protocol::kUnix};
    query.states = states;
    query.peers = true;
    query.owners = true;
    return query;
  }
  // The peers of sockets that are connected to an accepted socket, or to a datagram socket.
  static Peers Expected(StateSet states) {
    Peers expected;
    for (const ZooSocket& socket : zoo().sockets()) {
      if (socket.family != Family::kUnix || socket.fd < 0) continue;
      if (!states.contains(socket.state)) continue;
      const std::string name = NameOfPeer(socket.fd);
      if (name != "?") expected[socket.inode] = {name, getpid()};
    }
    return expected;
  }
};

void Note(const Row& row, Peers* peers) {
  const std::optional<UnixSocket> peer = row.peer();
  if (!peer) return;
  EXPECT_EQ(peer->inode(), row.unix_socket()->peer());
  const Owners owners = row.peer_owners();
  (*peers)[row.inode()] = {std::string(peer->name()), owners.empty() ? 0 : owners[0].pid.value()};
}

Peers Visit(Engine* engine, const Query& query) {
  Peers peers;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    Note(row, &peers);
    return Flow::kContinue;
  });
  EXPECT_TRUE(summary.ok()) << summary.status();
  return peers;
}

// A peer that waits for accept() has no inode, so no row names it. The zoo has such pairs.
void ExpectAllButUnaccepted(const Peers& peers, const Peers& expected) {
  EXPECT_FALSE(peers.empty());
  for (const auto& [inode, says] : peers) {
    const auto known = expected.find(inode);
    ASSERT_NE(known, expected.end()) << inode.value();
    EXPECT_EQ(says, known->second) << inode.value();
  }
}

TEST_F(PeersLive, HaveNamesAndOwners) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const Peers peers = Visit(engine.get(), UnixPeers());
  const Peers expected = Expected(StateSet::All());
  ExpectAllButUnaccepted(peers, expected);
  bool path = false;
  bool abstract = false;
  for (const auto& [inode, says] : peers) {
    path |= says.name.starts_with('/');
    abstract |= says.name.starts_with('\0');
  }
  EXPECT_TRUE(path || abstract) << "the zoo has no named pair";
}

TEST_F(PeersLive, AreFoundInStatesThatTheQueryExcludes) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const Query query = UnixPeers(State::kEstablished);
  uint64_t rows = 0;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    EXPECT_EQ(row.state(), State::kEstablished);
    ++rows;
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->rows, rows);
  ASSERT_EQ(summary->tables.size(), 1u);
  EXPECT_EQ(summary->tables[0].rows, rows);
  EXPECT_EQ(Visit(engine.get(), UnixPeers(State::kEstablished)).size() +
                Visit(engine.get(), UnixPeers(StateSet::All() - State::kEstablished)).size(),
            Visit(engine.get(), UnixPeers()).size());
}

TEST_F(PeersLive, RowsAreThoseOfAPlainQuery) {
  for (const size_t connections : {size_t{1}, size_t{3}}) {
    SCOPED_TRACE(::testing::Message() << "connections " << connections);
    EngineOptions options = InZoo();
    options.connections = connections;
    options.threads = connections;
    const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    Query query = Everything();
    query.peers = true;
    EXPECT_EQ(Difference(VisitIdentities(engine->get(), query), AllIdentities(zoo())), "");
    query.owners = true;
    EXPECT_EQ(Difference(VisitIdentities(engine->get(), query), AllIdentities(zoo())), "");
  }
}

TEST_F(PeersLive, AStoppedQueryCountsOnlyVisitedRows) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  Query query = Everything();
  query.peers = true;
  const absl::StatusOr<Summary> summary =
      engine->Visit(query, [](const Row&) { return Flow::kStop; });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->rows, 1u);
  uint64_t of_tables = 0;
  for (const TableOutcome& table : summary->tables) of_tables += table.rows;
  EXPECT_EQ(of_tables, 1u);
}

TEST_F(PeersLive, ASnapshotKeepsThem) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const Peers seen = Visit(engine.get(), UnixPeers());
  absl::StatusOr<Snapshot> snapshot = engine->Take(UnixPeers());
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_TRUE(engine->Begin(Everything()).ok()) << "the engine goes on to other things";
  const Snapshot moved = *std::move(snapshot);
  Peers kept;
  for (const Row& row : moved) Note(row, &kept);
  EXPECT_EQ(kept, seen);
}

TEST_F(PeersLive, ProcfsHasNone) {
  const absl::StatusOr<std::unique_ptr<Engine>> engine =
      internal::OpenForTest(InZoo(), {.prefer_procfs = true});
  ASSERT_TRUE(engine.ok()) << engine.status();
  Query query = UnixPeers();
  // /proc/net/unix does not have the peers, so there are rows without peers.
  uint64_t rows = 0;
  const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [&](const Row& row) {
    EXPECT_FALSE(row.peer());
    EXPECT_TRUE(row.peer_owners().empty());
    ++rows;
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_GT(rows, 0u);
}

}  // namespace
}  // namespace netdiag::testing
