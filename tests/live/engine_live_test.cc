// The rows of the engine for every socket of the zoo, compared with what the socket API says.

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/capabilities.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/live/live_testing.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

class EngineLive : public LiveTest {
 protected:
  // Calls `check` with each socket of the zoo and its row.
  template <class Check>
  void ForEach(const ExtensionSet extensions, Check check) {
    Query query = Everything();
    query.extensions = extensions;
    std::multimap<uint64_t, const ZooSocket*> by_cookie;
    for (const ZooSocket& socket : zoo().sockets())
      by_cookie.emplace(socket.cookie.value(), &socket);
    size_t checked = 0;
    const std::unique_ptr<Engine> engine = OpenInZoo();
    const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
      auto [found, end] = by_cookie.equal_range(row.cookie().value());
      if (found == end) {
        // The test could not ask for its cookie, so the addresses identify it.
        std::tie(found, end) = by_cookie.equal_range(0);
        while (found != end && Identity(*found->second) != Identity(row)) ++found;
      }
      EXPECT_NE(found, end) << "not of the zoo, or given twice: " << Identity(row);
      if (found == end) return Flow::kContinue;
      SCOPED_TRACE(found->second->what);
      check(*found->second, row);
      by_cookie.erase(found);
      ++checked;
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    for (const auto& [cookie, socket] : by_cookie) ADD_FAILURE() << "missed: " << socket->what;
    EXPECT_EQ(checked, zoo().sockets().size());
    EXPECT_EQ(summary->rows, checked);
    EXPECT_EQ(summary->damaged, 0u);
    EXPECT_EQ(summary->foreign, 0u);
    EXPECT_EQ(summary->unknown_attributes, 0u);
    EXPECT_FALSE(summary->interrupted || summary->stopped || summary->owners);
  }
};

TEST_F(EngineLive, GivesEverySocketOnceAsTheSocketApiKnowsIt) {
  ForEach({}, [](const ZooSocket& socket, const Row& row) {
    EXPECT_EQ(Identity(row), Identity(socket));
    const bool is_idle = row.protocol() == Protocol::kTcp && row.state() == State::kClose;
    const State selected_by = is_idle ? State::kBoundInactive : row.state();
    EXPECT_TRUE(Describe(row.protocol()).states.contains(selected_by));
    EXPECT_EQ(row.source(), SourceKind::kNetlink);
    EXPECT_EQ(row.uid(), socket.uid);
    EXPECT_EQ(row.no_owner(), NoOwner::kNotAsked);
    EXPECT_FALSE(row.malformed());
    if (socket.receive_queue) {
      EXPECT_EQ(row.receive_queue(), *socket.receive_queue);
    }
    if (socket.send_queue) {
      EXPECT_EQ(row.send_queue(), *socket.send_queue);
    }
    ASSERT_EQ(row.shutdown().has_value(), socket.shutdown.has_value());
    if (socket.shutdown) {
      EXPECT_EQ(row.shutdown()->receive, socket.shutdown->receive);
      EXPECT_EQ(row.shutdown()->send, socket.shutdown->send);
    }
  });
}

TEST_F(EngineLive, GivesWhatOnlyInetSocketsHave) {
  ForEach({}, [](const ZooSocket& socket, const Row& row) {
    const InetSocket* inet = row.inet();
    ASSERT_EQ(inet != nullptr, socket.family != Family::kUnix);
    if (inet == nullptr) return;
    EXPECT_EQ(inet->interface(), socket.interface);
    EXPECT_EQ(Name(inet->timer()), Name(socket.timer));
    if (socket.timer == Timer::kKeepalive) {
      EXPECT_GT(inet->expires(), 3'000'000u);
      EXPECT_LE(inet->expires(), 3'600'000u);
    }
    if (socket.timer == Timer::kTimeWait) {
      EXPECT_GT(inet->expires(), 10'000u);
      EXPECT_LE(inet->expires(), 60'000u);
    }
    const bool is_full = socket.shutdown.has_value();
    EXPECT_EQ(inet->cgroup().has_value(), is_full);
    EXPECT_EQ(inet->options().has_value(), is_full);
    if (is_full) {
      EXPECT_NE(inet->cgroup(), CgroupId());
      EXPECT_EQ(inet->options()->contains(SocketOption::kIsIcsk),
                socket.protocol == Protocol::kTcp);
    }
    // Older kernels do not tell the mark of sockets that have only their skeleton left.
    if (is_full || inet->mark() || KernelIs(6, 1)) {
      EXPECT_EQ(inet->mark(), socket.mark);
    }
    EXPECT_EQ(inet->v6_only(), socket.v6_only);
    // The query did not ask for these.
    EXPECT_FALSE(inet->tcp_info() || inet->memory() || inet->inet_memory() || inet->tos());
    EXPECT_EQ(inet->congestion(), "");
  });
}

TEST_F(EngineLive, ExtensionsGiveMemoryCongestionAndTypeOfService) {
  const ExtensionSet all = {
      Extension::kMemory,       Extension::kInfo,    Extension::kCongestionDetail,
      Extension::kCongestion,   Extension::kTos,     Extension::kTrafficClass,
      Extension::kSocketMemory, Extension::kUnixFile};
  ForEach(all, [](const ZooSocket& socket, const Row& row) {
    if (socket.fd < 0) return;
    std::array<std::byte, 64> storage;
    const SocketMemory expected = ReadSocketMemory(socket.fd, storage);
    ASSERT_TRUE(row.memory().has_value());
    for (const StructField& field : SocketMemory::fields()) {
      // The peer of a socket that drops everything sends again and again.
      if (field.name == "drops") continue;
      // Older kernels give unused memory back only when the socket is used again.
      if (field.name == "fwd_alloc" && !KernelIs(6, 1)) continue;
      if (!socket.quiet && field.name != "sndbuf" && field.name != "rcvbuf") continue;
      EXPECT_EQ((*row.memory())[field], expected[field]) << field.name;
    }
    const InetSocket* inet = row.inet();
    if (inet == nullptr) return;
    ASSERT_TRUE(inet->inet_memory().has_value());
    if (socket.quiet) {
      EXPECT_EQ((*inet->inet_memory())[InetMemory::Field("rmem")],
                expected[SocketMemory::Field("rmem_alloc")]);
    }
    EXPECT_EQ(inet->tos(), socket.tos);
    EXPECT_EQ(inet->class_id().has_value(), true);
    if (socket.family == Family::kInet6) {
      EXPECT_EQ(inet->traffic_class(), socket.traffic_class);
    }
    if (socket.protocol == Protocol::kTcp && !socket.bound_inactive) {
      char name[16] = "";
      socklen_t size = sizeof(name);
      ASSERT_EQ(getsockopt(socket.fd, IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
      EXPECT_EQ(inet->congestion(), name);
    }
  });
}

// True if the field changes with time, also if nothing is sent.
bool ChangesWithTime(std::string_view field) {
  return field.starts_with("last_") || field == "busy_time" || field == "rwnd_limited" ||
         field == "sndbuf_limited";
}

// True if the field stays the same while TCP retransmits.
bool IsConstant(std::string_view field) {
  return field == "state" || field == "options" || field == "snd_wscale" || field == "rcv_wscale" ||
         field == "advmss" || field == "bytes_received";
}

TEST_F(EngineLive, TcpInfoIsThatOfGetsockopt) {
  size_t compared = 0;
  ForEach(Extension::kInfo, [&](const ZooSocket& socket, const Row& row) {
    if (socket.protocol != Protocol::kTcp || row.inet() == nullptr) return;
    const std::optional<TcpInfo> info = row.inet()->tcp_info();
    const bool held = !socket.shutdown.has_value();
    EXPECT_EQ(info.has_value(), !held && !socket.bound_inactive);
    if (!info || socket.fd < 0) return;
    std::array<std::byte, 512> storage;
    const TcpInfo expected = ReadTcpInfo(socket.fd, storage);
    EXPECT_EQ(info->bytes().size(), expected.bytes().size());
    for (const StructField& field : TcpInfo::fields()) {
      if (ChangesWithTime(field.name) || (!socket.quiet && !IsConstant(field.name))) continue;
      EXPECT_EQ((*info)[field], expected[field]) << field.name;
      ++compared;
    }
  });
  EXPECT_GT(compared, 1000u);
}

TEST_F(EngineLive, GivesWhatOnlyUnixSocketsHave) {
  ForEach(Extension::kUnixFile, [](const ZooSocket& socket, const Row& row) {
    const UnixSocket* unix_socket = row.unix_socket();
    if (socket.family != Family::kUnix) return;
    ASSERT_NE(unix_socket, nullptr);
    EXPECT_EQ(unix_socket->name(), socket.name);
    EXPECT_EQ(unix_socket->abstract(), socket.name.starts_with('\0'));
    // For a peer without a file the kernel reports inode 0.
    if (socket.peer) {
      EXPECT_EQ(unix_socket->peer(), socket.peer);
    } else {
      EXPECT_EQ(unix_socket->peer().value_or(Inode()), Inode());
    }
    ASSERT_EQ(unix_socket->file().has_value(), socket.file.has_value());
    if (socket.file) {
      EXPECT_EQ(unix_socket->file()->inode, socket.file->inode);
      EXPECT_EQ(unix_socket->file()->major, socket.file->major);
      EXPECT_EQ(unix_socket->file()->minor, socket.file->minor);
    }
    EXPECT_FALSE(unix_socket->has_pending_connections());
  });
}

TEST_F(EngineLive, LookupUnixGivesThePeersThatWait) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const ZooSocket& listener = zoo()["unix listener"];
  std::vector<Inode> pending;
  const auto note = [&](const UnixSocket& socket) {
    EXPECT_EQ(socket.inode(), listener.inode);
    EXPECT_EQ(socket.name(), listener.name);
    EXPECT_EQ(socket.state(), State::kListen);
    for (size_t i = 0; socket.pending_connection(i); ++i)
      pending.push_back(*socket.pending_connection(i));
  };
  for (const Cookie cookie : {listener.cookie, Cookie()}) {
    SCOPED_TRACE(::testing::Message() << "cookie " << cookie.value());
    pending.clear();
    const absl::Status status = engine->LookupUnix(listener.inode, cookie, note);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_THAT(pending, ::testing::UnorderedElementsAreArray(listener.pending));
  }
}

TEST_F(EngineLive, LookupUnixWorksDuringAVisitAndReportsNotFound) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const ZooSocket& listener = zoo()["unix listener"];
  const auto ignore = [](const UnixSocket&) { ADD_FAILURE() << "there is no such socket"; };
  size_t found = 0;
  const absl::StatusOr<Summary> summary = engine->Visit(Everything(), [&](const Row& row) {
    if (row.unix_socket() == nullptr) return Flow::kContinue;
    const absl::Status status =
        engine->LookupUnix(row.inode(), row.cookie(), [&](const UnixSocket& socket) {
          EXPECT_EQ(socket.name(), row.unix_socket()->name());
          ++found;
        });
    EXPECT_TRUE(status.ok()) << status;
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(found, IdentitiesIf(zoo(), [](const ZooSocket& s) {
                     return s.family == Family::kUnix;
                   }).size());
  EXPECT_TRUE(absl::IsNotFound(engine->LookupUnix(Inode(4), Cookie(), ignore)));
  // The socket of this inode has another cookie than the one that is looked for.
  EXPECT_TRUE(absl::IsNotFound(engine->LookupUnix(listener.inode, Cookie(12345), ignore)));
}

// ------------------------------------------------------------------------------------- filters

TEST_F(EngineLive, IdleSocketsAreListedOnlyIfAskedFor) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const auto without = [](const ZooSocket& socket) { return !socket.bound_inactive; };
  EXPECT_EQ(Difference(VisitIdentities(engine.get(), Query()), IdentitiesIf(zoo(), without)), "");
}

TEST_F(EngineLive, IdleSocketsAreInDoubtWhereTheDumpDoesNotHaveThem) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  for (const bool asked : {true, false}) {
    Query query{.protocols = {Protocol::kTcp}, .states = State::kListen};
    if (asked) query.states = query.states | State::kBoundInactive;
    const absl::StatusOr<Summary> summary =
        engine->Visit(query, [](const Row&) { return Flow::kContinue; });
    ASSERT_TRUE(summary.ok()) << summary.status();
    for (const TableOutcome& table : summary->tables) {
      EXPECT_EQ(IsUnsupported(table.doubt), asked && !KernelIs(6, 8)) << table.doubt;
    }
  }
}

TEST_F(EngineLive, StatesAloneAndTogether) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  std::vector<StateSet> sets = {StateSet::Connected(), StateSet(State::kListen) | State::kTimeWait};
  for (const StateNames& names : AllStates()) sets.push_back(names.state);
  for (const bool bounded : {false, true}) {
    for (const StateSet states : sets) {
      Query query;
      query.states = states;
      query.bounded_steps = bounded;
      const auto wanted = [&](const ZooSocket& socket) {
        if (socket.bound_inactive) return states.contains(State::kBoundInactive);
        return states.contains(socket.state) ||
               (socket.state == State::kSynReceived && states.contains(State::kNewSynReceived));
      };
      SCOPED_TRACE("states " + std::to_string(states.bits()) + (bounded ? " bounded" : ""));
      EXPECT_EQ(Difference(VisitIdentities(engine.get(), query), IdentitiesIf(zoo(), wanted)), "");
    }
  }
}

TEST_F(EngineLive, FamiliesAndProtocols) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const std::vector<FamilySet> families = {
      Family::kInet,
      Family::kInet6,
      Family::kUnix,
      {Family::kInet, Family::kInet6},
      {Family::kInet6, Family::kUnix},
  };
  for (const FamilySet set : families) {
    SCOPED_TRACE(::testing::Message() << "families " << set.bits());
    Query query = Everything();
    query.families = set;
    const auto wanted = [&](const ZooSocket& socket) { return set.contains(socket.family); };
    EXPECT_EQ(Difference(VisitIdentities(engine.get(), query), IdentitiesIf(zoo(), wanted)), "");
  }
  for (const Protocol protocol : Query().protocols) {
    SCOPED_TRACE(Names(protocol).word);
    Query query = Everything();
    query.protocols = {protocol};
    const auto wanted = [&](const ZooSocket& s) { return s.protocol == protocol; };
    EXPECT_EQ(Difference(VisitIdentities(engine.get(), query), IdentitiesIf(zoo(), wanted)), "");
  }
}

TEST_F(EngineLive, PortsSelectInetSockets) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const Port busy = zoo()["tcp4 listen with connections waiting"].local.port;
  for (const bool bounded : {false, true}) {
    SCOPED_TRACE(::testing::Message() << "bounded " << bounded);
    Query query = Everything();
    query.bounded_steps = bounded;
    query.source_port = busy;
    const auto from = [&](const ZooSocket& s) {
      return s.family != Family::kUnix && s.local.port == busy;
    };
    EXPECT_EQ(Difference(VisitIdentities(engine.get(), query), IdentitiesIf(zoo(), from)), "");
    EXPECT_GE(IdentitiesIf(zoo(), from).size(), 3u);

    query.source_port = std::nullopt;
    query.destination_port = busy;
    const auto to = [&](const ZooSocket& s) {
      return s.family != Family::kUnix && s.remote.port == busy;
    };
    EXPECT_EQ(Difference(VisitIdentities(engine.get(), query), IdentitiesIf(zoo(), to)), "");
    EXPECT_GE(IdentitiesIf(zoo(), to).size(), 2u);
  }
}

// ------------------------------------------------------------------------------------- other ways

TEST_F(EngineLive, BoundedStepsAndSeveralConnectionsGiveTheSame) {
  Query query = Everything();
  query.bounded_steps = true;
  EXPECT_EQ(Difference(VisitIdentities(OpenInZoo().get(), query), AllIdentities(zoo())), "");
  for (const size_t connections : {2, 3, 8}) {
    SCOPED_TRACE(::testing::Message() << "connections " << connections);
    EngineOptions options = InZoo();
    options.connections = connections;
    const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    for (int again = 0; again < 2; ++again)
      EXPECT_EQ(Difference(VisitIdentities(engine->get(), Everything()), AllIdentities(zoo())), "");
  }
}

// /proc/net has neither idle TCP sockets nor cookies, peers of unix sockets or attributes. Of a TCP
// listener it has the queue but not its limit. It prints each NUL of an abstract name as '@', and a
// line feed in a name ends the line. The other values equal those of netlink.
TEST_F(EngineLive, ProcNetRowsEqualNetlinkRows) {
  const auto printed = [](std::string name) {
    std::ranges::replace(name, '\0', '@');
    return name;
  };
  const auto told = [](const ZooSocket& socket) {
    return !socket.bound_inactive && socket.name.find('\n') == std::string::npos;
  };
  Identities expected;
  for (const std::string& identity : IdentitiesIf(zoo(), told)) expected.insert(printed(identity));
  const absl::StatusOr<std::unique_ptr<Engine>> engine =
      internal::OpenForTest(InZoo(), {.prefer_procfs = true});
  ASSERT_TRUE(engine.ok()) << engine.status();
  Identities got;
  const absl::StatusOr<Summary> summary = (*engine)->Visit(Everything(), [&](const Row& row) {
    EXPECT_EQ(row.source(), SourceKind::kProcfs);
    EXPECT_EQ(row.cookie(), Cookie());
    const UnixSocket* unix_socket = row.unix_socket();
    if (unix_socket == nullptr || unix_socket->name() != std::string_view("\0zoo@\x1b[31m", 10))
      got.insert(printed(Identity(row)));
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(Difference(got, expected), "");
  EXPECT_EQ(summary->damaged, 1u) << "the second half of the name with a line feed";
}

TEST_F(EngineLive, CapabilitiesOfThisKernel) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const Capabilities& capabilities = engine->capabilities();
  EXPECT_FALSE(capabilities.kernel.empty());
  ASSERT_EQ(capabilities.tables.size(), 23u);
  for (const Capability& capability : capabilities.tables) {
    SCOPED_TRACE(Text(capability.table));
    // The kernel may be built without raw_diag and the protocols of modules. Ping sockets have no
    // dump, and MPTCP and the protocols of modules have no file in /proc/net.
    const Protocol protocol = capability.table.protocol;
    const bool of_module = !Describe(protocol).proto.empty() || protocol == Protocol::kXdp;
    if (protocol == Protocol::kIcmp) {
      EXPECT_FALSE(capability.netlink.ok());
    } else if (of_module) {
      // A loaded protocol may lack its dump, but an absent one has none.
      const bool loaded = protocol == Protocol::kXdp || IsLoaded(Describe(protocol));
      EXPECT_TRUE(loaded || !capability.netlink.ok()) << capability.netlink;
    } else if (protocol == Protocol::kMptcp) {
      EXPECT_TRUE(capability.netlink.ok() || !KernelIs(5, 11)) << capability.netlink;
    } else if (protocol != Protocol::kRaw) {
      EXPECT_TRUE(capability.netlink.ok()) << capability.netlink;
    }
    EXPECT_EQ(capability.procfs, protocol != Protocol::kMptcp && !of_module);
  }
  const struct {
    std::string_view name;
    int major, minor;  // the first kernel that has it
  } kFeatures[] = {{"bpf_owners", 5, 17},
                   {"bpf_census", 5, 17},
                   {"bpf_socket_tables", 5, 17},
                   {"bpf_netns_list", 5, 17},
                   {"bpf_kill", 6, 5},
                   {"bpf_kill_tcp", 6, 5},
                   {"kill", 4, 9},
                   {"cgroup_ids", 5, 8},
                   {"idle_tcp", 6, 8}};
  EXPECT_EQ(capabilities.features.size(), std::size(kFeatures));
  for (const auto& row : kFeatures) {
    const Feature* const feature = capabilities.Find(row.name);
    ASSERT_NE(feature, nullptr) << row.name;
    const bool has =
        KernelIs(row.major, row.minor) && (row.name != "bpf_kill_tcp" || KernelWalksTcpSafely());
    EXPECT_EQ(feature->status.ok(), has) << row.name << " " << feature->status;
  }
  EXPECT_EQ(capabilities.Find("bpf_Owners"), nullptr);
  EXPECT_EQ(&engine->capabilities(), &capabilities) << "asked once";
  EXPECT_EQ(Difference(VisitIdentities(engine.get(), Everything()), AllIdentities(zoo())), "");
}

// The query that may load the modules is the last, because it can change what the other answers.
TEST_F(EngineLive, OnlyAQueryThatMayLoadModulesAsksForProtocolsThatAreNotLoaded) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  for (const bool load : {false, true}) {
    std::set<Protocol> expected = {Protocol::kTcp, Protocol::kUdp};
    for (const Protocol protocol : {Protocol::kSctp, Protocol::kDccp}) {
      if (load || IsLoaded(Describe(protocol))) expected.insert(protocol);
    }
    const Query query{
        .protocols = {Protocol::kTcp, Protocol::kSctp, Protocol::kDccp, Protocol::kUdp},
        .load_modules = load};
    const absl::StatusOr<Summary> summary =
        engine->Visit(query, [](const Row&) { return Flow::kContinue; });
    ASSERT_TRUE(summary.ok()) << summary.status();
    std::set<Protocol> asked;
    for (const TableOutcome& outcome : summary->tables) asked.insert(outcome.table.protocol);
    EXPECT_EQ(asked, expected) << load;
  }
}

}  // namespace
}  // namespace netdiag::testing
