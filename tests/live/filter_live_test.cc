// Filters against the kernel: for every predicate, the rows that the kernel sends for its part of a
// filter equal the rows that Matches() selects from a dump without a filter.

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <memory>
#include <sched.h>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/capture.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/filter/filter.h"
#include "netdiag/filter/kernel_part.h"
#include "tests/live/live_testing.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

class FilterLive : public LiveTest {
 protected:
  static std::shared_ptr<const Filter> Make(std::string_view text) {
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
    return std::make_shared<const Filter>(filter.ok() ? *filter : Filter());
  }

  // The rows that Matches() selects from all rows.
  static Identities Picked(Engine* engine, const std::shared_ptr<const Filter>& filter) {
    Query query = Everything();
    filter->AddNeeds(&query);
    Identities picked;
    const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
      if (filter->Matches(row)) picked.insert(Identity(row));
      return Flow::kContinue;
    });
    EXPECT_TRUE(summary.ok()) << summary.status();
    return picked;
  }

  // The rows of a query with the filter.
  static Identities Told(Engine* engine, const std::shared_ptr<const Filter>& filter,
                         bool bounded = false) {
    Query query = Everything();
    query.filter = filter;
    query.bounded_steps = bounded;
    return VisitIdentities(engine, query);
  }

  static std::vector<std::string> Atoms() {
    const Port busy = zoo()["tcp4 listen with connections waiting"].local.port;
    const std::string port = std::to_string(busy.value());
    return {"sport = " + port,
            "dport != " + port,
            "dport = 0",
            "sport >= " + port,
            "sport < " + port,
            "src = 127/8",
            "dst = 127.0.0.1",
            "src = [::1]:" + port,
            "dst = ::/0",
            "src = inet:*",
            "src != inet6:*",
            "family = inet6",
            "protocol = udp",
            "dev = 1",
            "dev != 1",
            "fwmark = 0",
            "fwmark != 0",
            "cgroup != 1",
            "autobound",
            "state = listening",
            "state = syn-recv,time-wait",
            "uid = 1234",
            "recvq > 0",
            "rtt > 0",
            "src = unix:@*"};
  }
};

TEST_F(FilterLive, TheKernelAgreesOnEveryPairOfPredicates) {
  size_t found = 0;
  const size_t count = Atoms().size();
  for (size_t i = 0; i < count; ++i) {
    RenewZoo();
    const std::unique_ptr<Engine> engine = OpenInZoo();
    const std::vector<std::string> atoms = Atoms();  // some name a port of the zoo
    const std::string& a = atoms[i];
    for (const std::string& text : {a, "not " + a}) {
      found += Told(engine.get(), Make(text)).size();
      EXPECT_EQ(Difference(Told(engine.get(), Make(text)), Picked(engine.get(), Make(text))), "")
          << text;
    }
    for (const std::string& b : atoms) {
      for (const std::string& text : {a + " and not (" + b + ")", "not (" + a + ") or " + b}) {
        ASSERT_EQ(Difference(Told(engine.get(), Make(text)), Picked(engine.get(), Make(text))), "")
            << text;
      }
    }
  }
  EXPECT_GT(found, 500u);
}

TEST_F(FilterLive, BoundedStepsAndSeveralConnectionsGiveTheSameRows) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  EngineOptions options = InZoo();
  options.connections = 3;
  options.threads = 2;
  const absl::StatusOr<std::unique_ptr<Engine>> several = Engine::Open(options);
  ASSERT_TRUE(several.ok()) << several.status();
  for (const char* text : {"src = 127/8 and state = established", "not dport = 0", "fwmark != 0",
                           "comm = * and dst = ::1", "not pid = 1"}) {
    const Identities expected = Picked(engine.get(), Make(text));
    EXPECT_EQ(Difference(Told(engine.get(), Make(text), /*bounded=*/true), expected), "") << text;
    EXPECT_EQ(Difference(Told(several->get(), Make(text)), expected), "") << text;
    EXPECT_FALSE(expected.empty()) << text;
  }
}

// Walks, captures and the fallback to /proc/net do not translate the filter again.
TEST_F(FilterLive, AFilterIsTranslatedOnceForEachTable) {
  for (const bool procfs : {false, true}) {
    SCOPED_TRACE(procfs ? "/proc/net" : "dumps");
    const auto engine = internal::OpenForTest(InZoo(), {.prefer_procfs = procfs});
    ASSERT_TRUE(engine.ok()) << engine.status();
    Query query = Everything();
    query.filter = Make("not sport = 22");
    const uint64_t before = internal::FilterTranslations();
    const auto summary = (*engine)->Visit(query, [](const Row&) { return Flow::kContinue; });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(internal::FilterTranslations() - before, summary->tables.size());
    CaptureWriter writer([](Bytes) { return absl::OkStatus(); });
    const auto captured = (*engine)->Capture(query, &writer);
    ASSERT_TRUE(captured.ok()) << captured.status();
    EXPECT_EQ(internal::FilterTranslations() - before, 2 * summary->tables.size());
  }
}

// The kernel accepts programs up to its limit.
TEST_F(FilterLive, LargeProgramsAreTaken) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  std::string text = "src = 127.0.0.1";
  for (int i = 1; i < 2000; ++i) text += "|src = ::" + std::to_string(i);
  const Table tcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId()};
  EXPECT_GT(internal::KernelPartOf(*Make(text), tcp).bytecode.size(), 60000u);
  const Identities told = Told(engine.get(), Make(text));
  EXPECT_EQ(Difference(told, Picked(engine.get(), Make(text))), "");
  EXPECT_FALSE(told.empty());
}

std::string TupleOf(const ZooSocket& socket) {
  std::string text = "src = ";
  socket.local.AppendTo(&text);
  socket.remote.AppendTo(&(text += " and dst = "));
  return text;
}

// The number of rows that match, and true if they were found without a dump.
std::pair<uint64_t, bool> Found(Engine* engine, const std::shared_ptr<const Filter>& filter) {
  Query query;
  query.protocols = {Protocol::kTcp};
  query.filter = filter;
  const auto summary = engine->Visit(query, [](const Row&) { return Flow::kContinue; });
  EXPECT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->tables.size(), 1u);
  return {summary->rows, summary->tables[0].looked_up};
}

// Both addresses and the interface identify one socket, so it is looked up and nothing is dumped.
TEST_F(FilterLive, AConnectionOfADeviceIsLookedUp) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  for (const char* family : {"tcp4 ", "tcp6 "}) {
    SCOPED_TRACE(family);
    const ZooSocket& marked = zoo()[std::string(family) + "marked, tos, bound to lo"];
    const std::string ends = TupleOf(marked);
    EXPECT_EQ(Found(engine.get(), Make(ends + " and dev = 1")), std::pair(uint64_t{1}, true));
    EXPECT_EQ(Found(engine.get(), Make(ends + " and dev = 1 and state = established")),
              std::pair(uint64_t{1}, true));
    EXPECT_EQ(Found(engine.get(), Make(ends + " and dev = 1 and state = time-wait")),
              std::pair(uint64_t{0}, true));
    EXPECT_EQ(Found(engine.get(), Make(ends + " and dev = 7")), std::pair(uint64_t{0}, true));
    // Several sockets can have these addresses, and only the bytecode of a dump can test a mark.
    EXPECT_EQ(Found(engine.get(), Make(ends)), std::pair(uint64_t{1}, false));
    EXPECT_EQ(Found(engine.get(), Make(ends + " and dev = 1 and fwmark != 0")),
              std::pair(uint64_t{1}, false));
    // This socket is not bound to an interface, and the kernel finds it for every interface.
    const ZooSocket& peer = zoo()[std::string(family) + "peer of the marked"];
    EXPECT_EQ(Found(engine.get(), Make(TupleOf(peer) + " and dev = 1")),
              std::pair(uint64_t{0}, false));
  }
}

// Two sockets have the same 4-tuple. The one that is bound to an interface was made first, so the
// other one is in front of it in the table of the kernel.
TEST_F(FilterLive, ASocketThatAnotherHidesIsFound) {
  int listener = -1;
  int first = -1;
  int second = -1;
  const auto connect_as = [&](Endpoint from, bool on_lo) {
    const int fd = testing::Make(Family::kInet, SOCK_STREAM | SOCK_NONBLOCK);
    const int on = 1;
    Check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0, "SO_REUSEADDR");
    if (on_lo) Check(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0, "SO_BINDTODEVICE");
    Bind(fd, from);
    Connect(fd, LocalOf(listener));
    return fd;
  };
  std::thread([&] {
    Check(setns(zoo().netns_fd(), CLONE_NEWNET) == 0, "setns");
    listener = Listen(Loopback(Family::kInet), 8);
    first = connect_as(Loopback(Family::kInet), true);
    second = connect_as(LocalOf(first), false);
  }).join();
  std::string ends = "src = ";
  LocalOf(first).AppendTo(&ends);
  LocalOf(listener).AppendTo(&(ends += " and dst = "));
  const std::unique_ptr<Engine> engine = OpenInZoo();
  EXPECT_EQ(Found(engine.get(), Make(ends)), std::pair(uint64_t{2}, false));
  EXPECT_EQ(Found(engine.get(), Make(ends + " and dev = 1")), std::pair(uint64_t{1}, false));
  for (const int fd : {listener, first, second}) close(fd);
}

TEST_F(FilterLive, TablesWithoutAMatchAreNotDumped) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  Query query = Everything();
  query.filter = Make("protocol = tcp and sport != 0");
  const auto ignore = [](const Row&) { return Flow::kContinue; };
  const absl::StatusOr<Summary> summary = engine->Visit(query, ignore);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ASSERT_EQ(summary->tables.size(), 1u);
  EXPECT_EQ(summary->tables[0].table.protocol, Protocol::kTcp);
  EXPECT_GT(summary->rows, 0u);
}

// Drops the calling thread's CAP_NET_ADMIN.
void DropNetAdmin() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  ASSERT_EQ(syscall(SYS_capget, &header, data), 0);
  data[0].effective &= ~(1u << CAP_NET_ADMIN);
  ASSERT_EQ(syscall(SYS_capset, &header, data), 0);
}

// Without CAP_NET_ADMIN a filter by mark is an error and never a wrong answer. Other filters work.
TEST_F(FilterLive, WithoutThePrivilegeMarksAreAnError) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const Identities listening = Told(engine.get(), Make("state = listening and sport > 0"));
  std::thread([&] {
    DropNetAdmin();
    EXPECT_EQ(Difference(Told(engine.get(), Make("state = listening and sport > 0")), listening),
              "");
    for (const char* text :
         {"fwmark = 5", "not fwmark = 5", "uid = 0 or fwmark != 5", "mark > 1"}) {
      for (const bool bounded : {false, true}) {
        Query query = Everything();
        query.protocols = {Protocol::kTcp};
        query.filter = Make(text);
        query.bounded_steps = bounded;
        const absl::StatusOr<Summary> summary =
            engine->Visit(query, [](const Row&) { return Flow::kContinue; });
        ASSERT_TRUE(summary.ok()) << summary.status();
        EXPECT_EQ(summary->rows, 0u) << text;
        for (const TableOutcome& outcome : summary->tables) {
          EXPECT_THAT(std::string(outcome.status.message()), ::testing::HasSubstr("CAP_NET_ADMIN"))
              << text;
        }
      }
    }
  }).join();
}

}  // namespace
}  // namespace netdiag::testing
