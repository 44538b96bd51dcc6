// The C interface as a C program uses it, against the running kernel.

#include "netdiag/c/netdiag.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/c/c_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const auto* const kNetns = ::testing::AddGlobalTestEnvironment(new NewNetnsEnvironment);

std::vector<std::string> Stepped(netdiag_engine* engine, const netdiag_query* query,
                                 uint64_t budget_us, size_t* steps) {
  std::vector<std::string> rows;
  netdiag_error error;
  EXPECT_EQ(netdiag_begin(engine, query, &error), 0) << error.text;
  for (int more = NETDIAG_MORE; more != NETDIAG_DONE; ++*steps) {
    const netdiag_batch* batch = nullptr;
    more = netdiag_step(engine, budget_us, &batch, &error);
    EXPECT_GE(more, 0) << error.text;
    if (more < 0) break;
    AddRows(*batch, &rows);
    pollfd waits = {.fd = netdiag_fd(engine), .events = POLLIN, .revents = 0};
    if (more == NETDIAG_WAIT) {
      EXPECT_EQ(poll(&waits, 1, 10'000), 1);
    }
  }
  return rows;
}

std::string PortOf(int fd) { return std::to_string(LocalOf(fd).port.value()); }

// ---- Rows ----

TEST(CRows, AreThoseOfTheKernelWhicheverWayTheyAreRead) {
  const int listener = Listen(Loopback(Family::kInet), 7);
  const int six = Listen(Loopback(Family::kInet6), 7);
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "state = listen",
                              "local_address local_port state inode cookie tcp_info.rtt "
                              "owners.pid owners.fd"));
  const auto expected = [](const char* address, int fd) {
    return std::string(address) + " " + PortOf(fd) + " listening " +
           std::to_string(InodeOf(fd).value()) + " " + std::to_string(CookieOf(fd).value()) +
           " - " + std::to_string(getpid()) + " " + std::to_string(fd);
  };
  const std::vector<std::string> both = {expected("127.0.0.1", listener), expected("::1", six)};
  EXPECT_THAT(Visited(engine.get, query.get), ::testing::UnorderedElementsAreArray(both));
  for (const uint64_t budget : {uint64_t{0}, uint64_t{500}, ~uint64_t{0}}) {
    size_t steps = 0;
    EXPECT_THAT(Stepped(engine.get, query.get, budget, &steps),
                ::testing::UnorderedElementsAreArray(both));
    EXPECT_GT(steps, 0u);
  }
  netdiag_summary summary = {};
  summary.size = sizeof(summary);
  netdiag_error error;
  ASSERT_EQ(netdiag_engine_summary(engine.get, &summary, &error), 0) << error.text;
  EXPECT_EQ(summary.rows, 2u);
  EXPECT_EQ(summary.stopped, 0);
  EXPECT_EQ(summary.complete, *summary.gaps == '\0' ? 1 : 0);

  SnapshotHandle snapshot;
  ASSERT_EQ(netdiag_take(engine.get, query.get, -1, &snapshot.get, &error), 0) << error.text;
  netdiag_close(std::exchange(engine.get, nullptr));  // a snapshot does not need its engine
  EXPECT_EQ(netdiag_snapshot_rows(snapshot.get), 2u);
  std::vector<int> fields;
  for (size_t i = 0; i < netdiag_query_columns(query.get); ++i) {
    fields.push_back(netdiag_query_column(query.get, i));
  }
  std::vector<std::string> rows;
  for (size_t i = 0; i < 2; ++i) {
    BatchHandle batch;
    ASSERT_EQ(
        netdiag_snapshot_read(snapshot.get, i, 1, fields.data(), fields.size(), &batch.get, &error),
        0)
        << error.text;
    AddRows(*batch.get, &rows);
  }
  EXPECT_THAT(rows, ::testing::UnorderedElementsAreArray(both));
  BatchHandle none;
  ASSERT_EQ(netdiag_snapshot_read(snapshot.get, 2, 9, fields.data(), 1, &none.get, &error), 0);
  EXPECT_EQ(none.get->rows, 0u);
  netdiag_batch* refused = nullptr;
  EXPECT_EQ(netdiag_snapshot_read(snapshot.get, 3, 1, fields.data(), 1, &refused, &error),
            NETDIAG_INVALID);
  const int not_asked = netdiag_field_find("cgroup_path", nullptr);
  EXPECT_EQ(netdiag_snapshot_read(snapshot.get, 0, 1, &not_asked, 1, &refused, &error),
            NETDIAG_INVALID);
  EXPECT_THAT(error.text, HasSubstr("cgroup_path"));
  close(listener);
  close(six);
}

TEST(CRows, HaveAllOwners) {
  const int listener = Listen(Loopback(Family::kInet), 1);
  const int copy = dup(listener);
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "sport = " + PortOf(listener), "owners.fd owners.pid"));
  const std::string fds = std::to_string(listener) + "," + std::to_string(copy);
  const std::string pid = std::to_string(getpid());
  EXPECT_THAT(Visited(engine.get, query.get), ElementsAre(fds + " " + pid + "," + pid));
  close(copy);
  close(listener);
}

TEST(CRows, AreCountedWithoutColumns) {
  const int listener = Listen(Loopback(Family::kInet), 1);
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "sport = " + PortOf(listener), nullptr));
  EXPECT_THAT(Visited(engine.get, query.get), ElementsAre(""));
  close(listener);
}

TEST(CRows, EndWhenTheVisitorSaysSo) {
  const int listener = Listen(Loopback(Family::kInet), 1);
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "", "local_port"));
  const auto stop = [](void*, const netdiag_batch*) { return 1; };
  EXPECT_EQ(netdiag_visit(engine.get, query.get, -1, stop, nullptr, nullptr), 0);
  netdiag_summary summary = {};
  summary.size = sizeof(summary);
  ASSERT_EQ(netdiag_engine_summary(engine.get, &summary, nullptr), 0);
  EXPECT_EQ(summary.stopped, 1);
  close(listener);
}

// Both rows and their texts.
TEST(CRows, CostNoAllocationEach) {
  std::vector<int> sockets;
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "", "local_address local_port state owners.command"));
  size_t rows = 0;
  const auto count = [](void* data, const netdiag_batch* batch) {
    *static_cast<size_t*>(data) += batch->rows;
    return 0;
  };
  for (int i = 0; i < 300; ++i) sockets.push_back(Listen(Loopback(Family::kInet), 1));
  ASSERT_EQ(netdiag_visit(engine.get, query.get, -1, count, &rows, nullptr), 0);
  const AllocCounter first(AllocCounter::Scope::kProcess);
  ASSERT_EQ(netdiag_visit(engine.get, query.get, -1, count, &rows, nullptr), 0);
  const uint64_t few = first.count();
  for (int i = 0; i < 300; ++i) sockets.push_back(Listen(Loopback(Family::kInet), 1));
  ASSERT_EQ(netdiag_visit(engine.get, query.get, -1, count, &rows, nullptr), 0);
  const AllocCounter second(AllocCounter::Scope::kProcess);
  ASSERT_EQ(netdiag_visit(engine.get, query.get, -1, count, &rows, nullptr), 0);
  EXPECT_EQ(rows, 1800u);
  EXPECT_LT(second.count(), few + 50);
  for (const int fd : sockets) close(fd);
}

// ---- Engines ----

TEST(CEngine, OptionsThatCannotBeAreErrors) {
  netdiag_options options = {};
  options.size = sizeof(options);
  netdiag_engine* engine = nullptr;
  netdiag_error error;
  options.netns = "/nonexistent/netns";
  EXPECT_EQ(netdiag_open(&options, &engine, &error), NETDIAG_NOT_FOUND) << error.text;
  EXPECT_EQ(error.error_number, ENOENT);
  EXPECT_THAT(error.text, HasSubstr("/nonexistent/netns"));
  options.netns = nullptr;
  options.owner_source = 9;
  EXPECT_EQ(netdiag_open(&options, &engine, &error), NETDIAG_INVALID);
  EXPECT_EQ(netdiag_open(nullptr, nullptr, &error), NETDIAG_INVALID);
  EXPECT_EQ(engine, nullptr);
}

TEST(CEngine, RefusesWhatIsOutOfOrder) {
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  netdiag_error error;
  const netdiag_batch* batch = nullptr;
  EXPECT_EQ(netdiag_step(engine.get, 0, &batch, &error), NETDIAG_INVALID);
  netdiag_summary summary = {};
  summary.size = sizeof(summary);
  EXPECT_EQ(netdiag_engine_summary(engine.get, &summary, &error), NETDIAG_NOT_FOUND);
  EXPECT_EQ(netdiag_visit(engine.get, nullptr, -1, Keep, nullptr, &error), NETDIAG_INVALID);
  EXPECT_EQ(netdiag_visit(nullptr, nullptr, -1, Keep, nullptr, &error), NETDIAG_INVALID);
  EXPECT_EQ(netdiag_fd(engine.get), -1);
}

TEST(CEngine, ServesOneCallAtATime) {
  const int listener = Listen(Loopback(Family::kInet), 1);
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "", "local_port"));
  struct Both {
    netdiag_engine* engine;
    const netdiag_query* query;
    int answer;
  } both = {engine.get, query.get, 0};
  const auto again = [](void* data, const netdiag_batch*) {
    auto* const in = static_cast<Both*>(data);
    in->answer = netdiag_begin(in->engine, in->query, nullptr);
    return 0;
  };
  EXPECT_EQ(netdiag_visit(engine.get, query.get, -1, again, &both, nullptr), 0);
  EXPECT_EQ(both.answer, NETDIAG_BUSY);
  EXPECT_THAT(Visited(engine.get, query.get), ElementsAre(PortOf(listener)));
  close(listener);
}

TEST(CEngine, CallsEndAtTheirTimeoutAndWhenTheyAreCancelled) {
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "", "local_port"));
  netdiag_error error;
  std::vector<std::string> rows;
  EXPECT_EQ(netdiag_visit(engine.get, query.get, 0, Keep, &rows, &error), NETDIAG_TIMEOUT);
  EXPECT_EQ(error.error_number, ETIMEDOUT);

  // More than a batch, so that the visitor is called before the end.
  rlimit descriptors = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
  descriptors.rlim_cur = std::min<rlim_t>(4096, descriptors.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &descriptors), 0);
  std::vector<int> sockets;
  for (int i = 0; i < 1500; ++i) sockets.push_back(Listen(Loopback(Family::kInet), 1));
  const auto cancel = [](void* data, const netdiag_batch*) {
    std::thread([data] { netdiag_cancel(static_cast<netdiag_engine*>(data)); }).join();
    return 0;
  };
  EXPECT_EQ(netdiag_visit(engine.get, query.get, -1, cancel, engine.get, &error),
            NETDIAG_CANCELLED);
  EXPECT_EQ(Visited(engine.get, query.get).size(), sockets.size());
  for (const int fd : sockets) close(fd);
}

TEST(CEngine, OfTheParentIsNotForTheChild) {
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "", "local_port"));
  const pid_t child = fork();
  if (child == 0) {
    netdiag_engine* own = nullptr;
    const bool good = netdiag_begin(engine.get, query.get, nullptr) == NETDIAG_WRONG_PROCESS &&
                      netdiag_fd(engine.get) == -1 && netdiag_open(nullptr, &own, nullptr) == 0 &&
                      netdiag_begin(own, query.get, nullptr) == 0;
    netdiag_close(own);
    netdiag_close(engine.get);
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_THAT(Visited(engine.get, query.get), IsEmpty());
}

TEST(CEngine, TellsWhatTheKernelCanAnswer) {
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  std::map<std::string, int> tables, features;
  for (size_t i = 0;; ++i) {
    netdiag_capability found = {};
    found.size = sizeof(found);
    const int result = netdiag_capability_at(engine.get, i, &found, nullptr);
    if (result == NETDIAG_NOT_FOUND) break;
    ASSERT_EQ(result, 0);
    EXPECT_EQ(found.available, *found.text == '\0' ? 1 : 0) << found.name;
    (found.is_table ? tables : features)[found.name] = found.available;
  }
  EXPECT_EQ(tables["tcp inet"], 1);
  EXPECT_TRUE(features.contains("bpf_owners"));
  EXPECT_STRNE(netdiag_kernel(engine.get), "");
}

TEST(CDestroy, ClosesTheSocketOfTheName) {
  const Pair pair = MakePair(Family::kInet);
  EngineHandle engine;
  ASSERT_NO_FATAL_FAILURE(Open(&engine));
  QueryHandle query;
  ASSERT_NO_FATAL_FAILURE(Ask(&query, "sport = " + PortOf(pair.client), "cookie"));
  netdiag_socket sockets[2] = {};
  for (netdiag_socket& socket : sockets) {
    socket.size = sizeof(socket);
    socket.protocol = "tcp";
    for (netdiag_value* end : {&socket.local_address, &socket.remote_address}) {
      end->type = NETDIAG_ADDRESS;
      end->size = 4;
      const uint8_t loopback[4] = {127, 0, 0, 1};
      std::memcpy(end->as.address, loopback, 4);
    }
    socket.local_port = LocalOf(pair.client).port.value();
    socket.remote_port = LocalOf(pair.server).port.value();
    socket.cookie = CookieOf(pair.client).value();
  }
  sockets[0].cookie = 0;
  int outcomes[2] = {};
  netdiag_error reasons[2], error;
  ASSERT_EQ(netdiag_destroy(engine.get, sockets, 2, outcomes, reasons, &error), 0) << error.text;
  EXPECT_EQ(outcomes[0], NETDIAG_REFUSED);
  EXPECT_EQ(reasons[0].code, NETDIAG_INVALID);
  EXPECT_EQ(outcomes[1], NETDIAG_CLOSED);
  EXPECT_EQ(reasons[1].code, 0);
  char byte = 0;
  EXPECT_EQ(read(pair.client, &byte, 1), -1);
  EXPECT_EQ(errno, ECONNABORTED);
  sockets[1].protocol = "carrots";
  EXPECT_EQ(netdiag_destroy(engine.get, sockets, 2, outcomes, nullptr, &error), NETDIAG_INVALID);
  close(pair.client);
  close(pair.server);
}

// ---- Memory ----

// Calls `work` until it succeeds, while the first, the second, … allocation in it and all after it
// fail. Returns the number of failures.
template <class Work>
uint64_t FailEachAllocation(Work work) {
  for (uint64_t after = 0;; ++after) {
    netdiag_error error = {};
    int result = 0;
    {
      const FailingNew failing(after);
      result = work(&error);
    }
    if (result >= 0) return after;
    if (result != NETDIAG_NO_MEMORY || error.code != NETDIAG_NO_MEMORY) {
      ADD_FAILURE() << "after " << after << ": " << result << " " << error.text;
      return after;
    }
  }
}

// `only_visit`: the rest does not use the threads.
void RunOutOfMemory(const netdiag_options& options, bool only_visit) {
  const int listener = Listen(Loopback(Family::kInet), 1);
  EngineHandle engine;
  EXPECT_GT(FailEachAllocation(
                [&](netdiag_error* error) { return netdiag_open(&options, &engine.get, error); }),
            5u);
  QueryHandle query;
  netdiag_query_options text = {};
  text.size = sizeof(text);
  const std::string filter = "sport = " + PortOf(listener);
  text.filter = filter.c_str();
  text.fields = "local_port owners.fd cgroup_path";
  EXPECT_GT(FailEachAllocation(
                [&](netdiag_error* error) { return netdiag_query_new(&text, &query.get, error); }),
            5u);
  const auto works = [&] {
    const std::vector<std::string> rows = Visited(engine.get, query.get);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_THAT(rows[0], StartsWith(PortOf(listener) + " " + std::to_string(listener)));
  };
  const auto ignore = [](void*, const netdiag_batch*) { return 0; };
  EXPECT_GT(FailEachAllocation([&](netdiag_error* error) {
              return netdiag_visit(engine.get, query.get, -1, ignore, nullptr, error);
            }),
            5u);
  works();
  if (only_visit) {
    close(listener);
    return;
  }
  EXPECT_GT(FailEachAllocation([&](netdiag_error* error) {
              int more = netdiag_begin(engine.get, query.get, error);
              const netdiag_batch* batch = nullptr;
              for (more = more < 0 ? more : NETDIAG_MORE; more > 0;) {
                more = netdiag_step(engine.get, 1000, &batch, error);
                pollfd waits = {.fd = netdiag_fd(engine.get), .events = POLLIN, .revents = 0};
                if (more == NETDIAG_WAIT) poll(&waits, 1, 10'000);
              }
              return more;
            }),
            5u);
  works();
  SnapshotHandle snapshot;
  EXPECT_GT(FailEachAllocation([&](netdiag_error* error) {
              return netdiag_take(engine.get, query.get, -1, &snapshot.get, error);
            }),
            5u);
  works();
  const int field = netdiag_field_find("local_port", nullptr);
  BatchHandle batch;
  EXPECT_GT(FailEachAllocation([&](netdiag_error* error) {
              return netdiag_snapshot_read(snapshot.get, 0, 1, &field, 1, &batch.get, error);
            }),
            1u);
  EXPECT_GT(FailEachAllocation([&](netdiag_error* error) {
              netdiag_capability capability = {};
              capability.size = sizeof(capability);
              return netdiag_capability_at(engine.get, 0, &capability, error);
            }),
            5u);
  works();
  close(listener);
}

TEST(CMemory, OutOfItIsAnErrorAndTheHandlesStayUsable) {
  netdiag_options options = {};
  options.size = sizeof(options);
  RunOutOfMemory(options, /*only_visit=*/false);
}

TEST(CMemory, OutOfItOnAThreadIsAnErrorOfTheCall) {
  netdiag_options options = {};
  options.size = sizeof(options);
  options.threads = 3;
  options.netns = "/proc/thread-self/ns/net";
  options.owner_source = NETDIAG_SOURCE_PROC;
  RunOutOfMemory(options, /*only_visit=*/true);
}

}  // namespace
}  // namespace netdiag::testing
