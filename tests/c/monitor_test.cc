// The monitor of the C interface as a C program uses it, against the running kernel.

#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/c/netdiag.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using ::testing::HasSubstr;

const auto* const kNetns = ::testing::AddGlobalTestEnvironment(new NewNetnsEnvironment);

// The columns of every monitor here. The counters among them are the deltas, in this order.
constexpr char kFields[] = "cookie state owners.pid tcp_info.bytes_received tcp_info.bytes_acked";
enum Column { kCookie, kState, kOwner, kReceived };
enum Delta { kReceivedDelta, kAckedDelta };

// What is known of one socket.
struct Known {
  std::vector<int> kinds;
  std::vector<std::string> last_states;
  uint64_t received = 0;  // the sum of the deltas
  uint64_t acked = 0;
  uint64_t value = 0;  // the newest bytes_received
  bool from_start = false, unseen = false, remembered = false;
  uint64_t owner = 0;
};
using Sockets = std::map<uint64_t, Known>;

uint64_t NumberAt(const netdiag_batch& batch, size_t column, size_t row) {
  return batch.column[column].values[row].as.number;
}

void Add(void* data, const netdiag_changes* changes) {
  auto* const sockets = static_cast<Sockets*>(data);
  ASSERT_EQ(changes->values->rows, changes->rows);
  ASSERT_EQ(changes->deltas->rows, changes->rows);
  ASSERT_EQ(changes->deltas->columns, 2u);
  for (size_t r = 0; r < changes->rows; ++r) {
    const netdiag_change& change = changes->change[r];
    Known& known = (*sockets)[NumberAt(*changes->values, kCookie, r)];
    known.kinds.push_back(change.kind);
    known.last_states.emplace_back(change.last_state == nullptr ? "" : change.last_state);
    known.received += NumberAt(*changes->deltas, kReceivedDelta, r);
    known.acked += NumberAt(*changes->deltas, kAckedDelta, r);
    known.value = NumberAt(*changes->values, kReceived, r);
    known.from_start = change.counts_from_start != 0;
    known.unseen |= change.unseen != 0;
    known.remembered = change.owners_remembered != 0;
    const netdiag_column& owners = changes->values->column[kOwner];
    if (owners.first[r] < owners.first[r + 1]) {
      known.owner = owners.values[owners.first[r]].as.number;
    }
  }
}

// An engine, a query of TCP and a monitor, which are closed at the end of a test.
struct Watch {
  explicit Watch(const netdiag_monitor_options* options = nullptr, const char* filter = nullptr) {
    netdiag_query_options text = {};
    text.size = sizeof(text);
    text.fields = kFields;
    text.protocols = "tcp";
    text.states = "all";
    text.filter = filter;
    EXPECT_EQ(netdiag_open(nullptr, &engine, &error), 0) << error.text;
    EXPECT_EQ(netdiag_query_new(&text, &query, &error), 0) << error.text;
    EXPECT_EQ(netdiag_monitor_open(engine, query, options, &monitor, &error), 0) << error.text;
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() {
    netdiag_query_free(query);
    netdiag_close(engine);
    netdiag_monitor_close(monitor);  // after its engine
  }

  void Poll() {
    EXPECT_EQ(netdiag_monitor_poll(monitor, 10'000'000, Add, &sockets, &error), 0) << error.text;
  }
  void Step() {
    for (int more = NETDIAG_MORE; more != NETDIAG_DONE;) {
      const netdiag_changes* changes = nullptr;
      more = netdiag_monitor_step(monitor, 500, &changes, &error);
      ASSERT_GE(more, 0) << error.text;
      Add(&sockets, changes);
      pollfd waits = {.fd = netdiag_fd(engine), .events = POLLIN, .revents = 0};
      if (more == NETDIAG_WAIT) {
        EXPECT_EQ(poll(&waits, 1, 10'000), 1);
      }
    }
  }
  netdiag_look Look() {
    netdiag_look look = {};
    look.size = sizeof(look);
    EXPECT_EQ(netdiag_monitor_look(monitor, &look, &error), 0) << error.text;
    return look;
  }

  netdiag_engine* engine = nullptr;
  netdiag_query* query = nullptr;
  netdiag_monitor* monitor = nullptr;
  netdiag_error error = {};
  Sockets sockets;
};

void Receive(int fd, size_t bytes) {
  char buffer[4096];
  while (bytes > 0) {
    const ssize_t got = read(fd, buffer, std::min(sizeof(buffer), bytes));
    ASSERT_GT(got, 0);
    bytes -= static_cast<size_t>(got);
  }
}

// A connection that sends 500 bytes before the second look and 70 after it, and ends.
void FollowAConnection(Watch* watch, void (Watch::*look)()) {
  const Pair pair = MakePair(Family::kInet);
  const uint64_t server = CookieOf(pair.server).value();
  (watch->*look)();
  EXPECT_EQ(watch->sockets[server].kinds, std::vector<int>{NETDIAG_CHANGE_OPENED});
  EXPECT_EQ(watch->sockets[server].received, 0u) << "it is older than the first look";
  EXPECT_FALSE(watch->sockets[server].from_start);

  Send(pair.client, 500);
  Receive(pair.server, 500);
  (watch->*look)();
  EXPECT_EQ(watch->sockets[server].received, 500u);
  EXPECT_EQ(watch->sockets[server].value, 500u);
  EXPECT_EQ(watch->sockets[server].owner, static_cast<uint64_t>(getpid()));
  EXPECT_EQ(watch->Look().number, 2u);
  EXPECT_GE(watch->Look().lived, 2u);

  Send(pair.client, 70);
  Receive(pair.server, 70);
  close(pair.client);
  Await("the FIN", [&] { return TcpState(pair.server) == State::kCloseWait; });
  close(pair.server);
  const auto closed = [&] {
    (watch->*look)();
    return watch->sockets[server].kinds.back() == NETDIAG_CHANGE_CLOSED;
  };
  Await("the event", closed);
  EXPECT_EQ(watch->sockets[server].received, 571u) << "the FIN counts one";
  EXPECT_EQ(watch->sockets[server].last_states.back(), "established");
  EXPECT_TRUE(watch->sockets[server].remembered);
  EXPECT_EQ(watch->sockets[server].owner, static_cast<uint64_t>(getpid()));
}

TEST(CMonitor, CountsAConnectionToTheByte) {
  Watch watch;
  FollowAConnection(&watch, &Watch::Poll);
  // Older kernels do not list bound idle sockets of TCP, which the query asks for.
  EXPECT_EQ(watch.Look().exact, KernelIs(6, 8) ? 1 : 0) << watch.Look().gaps;
}

TEST(CMonitor, LooksInStepsAsInOneCall) {
  Watch watch;
  FollowAConnection(&watch, &Watch::Step);
}

TEST(CMonitor, CountsWhatLivesBetweenTwoLooks) {
  Watch watch;
  watch.Poll();
  const Pair pair = MakePair(Family::kInet);
  const uint64_t client = CookieOf(pair.client).value();
  Send(pair.server, 9);
  Receive(pair.client, 9);
  // The end that closes last has no TIME_WAIT, which a look could give.
  close(pair.server);
  Await("the FIN", [&] { return TcpState(pair.client) == State::kCloseWait; });
  close(pair.client);
  Await("the event", [&] {
    watch.Poll();
    return watch.sockets.contains(client);
  });
  EXPECT_TRUE(watch.sockets[client].unseen);
  EXPECT_TRUE(watch.sockets[client].from_start);
  EXPECT_EQ(watch.sockets[client].received, 10u) << "with the FIN";
  EXPECT_EQ(watch.sockets[client].owner, 0u);
}

TEST(CMonitor, WithoutEventsASocketIsGone) {
  netdiag_monitor_options options = {};
  options.size = sizeof(options);
  options.no_events = 1;
  const int listener = Listen(Loopback(Family::kInet), 1);
  const std::string filter = "sport = " + std::to_string(LocalOf(listener).port.value());
  Watch watch(&options, filter.c_str());
  const uint64_t cookie = CookieOf(listener).value();
  watch.Poll();
  close(listener);
  watch.Poll();
  EXPECT_EQ(watch.sockets[cookie].kinds,
            (std::vector<int>{NETDIAG_CHANGE_OPENED, NETDIAG_CHANGE_GONE}));
  EXPECT_EQ(watch.Look().gone, 1u);
  EXPECT_EQ(watch.Look().followed, 0u);
}

TEST(CMonitor, SaysWhyALookIsNotExact) {
  Watch watch(nullptr, "inode = 1");
  const Pair pair = MakePair(Family::kInet);
  watch.Poll();
  close(pair.client);
  close(pair.server);
  Await("the events", [&] {
    watch.Poll();
    return watch.Look().exact == 0;
  });
  EXPECT_THAT(watch.Look().gaps, HasSubstr("cannot be judged by the filter"));
}

TEST(CMonitor, AnotherQueryOfTheEngineDropsAnUnfinishedLook) {
  Watch watch;
  const int listener = Listen(Loopback(Family::kInet), 1);
  const uint64_t cookie = CookieOf(listener).value();
  const netdiag_changes* changes = nullptr;
  ASSERT_GE(netdiag_monitor_step(watch.monitor, 0, &changes, &watch.error), 0);
  size_t rows = 0;
  const auto count = [](void* data, const netdiag_batch* batch) {
    *static_cast<size_t*>(data) += batch->rows;
    return 0;
  };
  ASSERT_EQ(netdiag_visit(watch.engine, watch.query, -1, count, &rows, nullptr), 0);
  EXPECT_GE(rows, 1u);
  watch.Step();
  EXPECT_EQ(watch.sockets[cookie].kinds, std::vector<int>{NETDIAG_CHANGE_OPENED});
  close(listener);
}

TEST(CMonitor, RefusesWhatIsOutOfOrder) {
  Watch watch;
  netdiag_look look = {};
  EXPECT_EQ(netdiag_monitor_look(watch.monitor, &look, nullptr), NETDIAG_NOT_FOUND);
  watch.Poll();
  EXPECT_EQ(netdiag_monitor_look(watch.monitor, &look, nullptr), NETDIAG_INVALID) << "no size";
  EXPECT_EQ(netdiag_monitor_poll(nullptr, -1, Add, nullptr, nullptr), NETDIAG_INVALID);
  EXPECT_EQ(netdiag_monitor_poll(watch.monitor, -1, nullptr, nullptr, nullptr), NETDIAG_INVALID);
  EXPECT_EQ(netdiag_monitor_step(watch.monitor, 1, nullptr, nullptr), NETDIAG_INVALID);
  netdiag_monitor* other = nullptr;
  EXPECT_EQ(netdiag_monitor_open(watch.engine, nullptr, nullptr, &other, nullptr), NETDIAG_INVALID);
  netdiag_monitor_options options = {};
  options.size = sizeof(options);
  options.receive_buffer = 1u << 31;
  EXPECT_EQ(netdiag_monitor_open(watch.engine, watch.query, &options, &other, nullptr),
            NETDIAG_INVALID);
  EXPECT_EQ(netdiag_monitor_poll(watch.monitor, 0, Add, &watch.sockets, nullptr), NETDIAG_TIMEOUT);
  const auto nested = [](void* data, const netdiag_changes*) {
    auto* const self = static_cast<Watch*>(data);
    EXPECT_EQ(netdiag_monitor_poll(self->monitor, -1, Add, &self->sockets, nullptr), NETDIAG_BUSY);
  };
  const int listener = Listen(Loopback(Family::kInet), 1);
  EXPECT_EQ(netdiag_monitor_poll(watch.monitor, -1, nested, &watch, nullptr), 0);
  close(listener);
}

TEST(CMonitor, ALookEndsWhenItIsCancelled) {
  Watch watch;
  const Pair pair = MakePair(Family::kInet);
  const auto cancel = [](void* data, const netdiag_changes*) {
    netdiag_cancel(static_cast<Watch*>(data)->engine);
  };
  // The look has a second table, unix sockets, behind the one whose changes the visitor gets first.
  netdiag_query_options text = {};
  text.size = sizeof(text);
  text.protocols = "tcp unix";
  netdiag_query* query = nullptr;
  ASSERT_EQ(netdiag_query_new(&text, &query, nullptr), 0);
  netdiag_monitor* monitor = nullptr;
  ASSERT_EQ(netdiag_monitor_open(watch.engine, query, nullptr, &monitor, nullptr), 0);
  std::vector<Pair> pairs;
  for (int i = 0; i < 600; ++i) pairs.push_back(MakePair(Family::kInet));
  EXPECT_EQ(netdiag_monitor_poll(monitor, -1, cancel, &watch, nullptr), NETDIAG_CANCELLED);
  const auto ignore = [](void*, const netdiag_changes*) {};
  EXPECT_EQ(netdiag_monitor_poll(monitor, -1, ignore, nullptr, nullptr), 0);
  netdiag_monitor_close(monitor);
  netdiag_query_free(query);
  for (const Pair& each : pairs) close(each.client), close(each.server);
  close(pair.client);
  close(pair.server);
}

TEST(CMonitor, OfTheParentIsNotForTheChild) {
  Watch watch;
  watch.Poll();
  const pid_t child = fork();
  if (child == 0) {
    const bool good = netdiag_monitor_poll(watch.monitor, -1, Add, &watch.sockets, nullptr) ==
                      NETDIAG_WRONG_PROCESS;
    netdiag_monitor_close(watch.monitor);
    _exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
  watch.Poll();
}

TEST(CMonitor, CostsNoAllocationPerSocket) {
  std::vector<int> listeners;
  Watch watch;
  size_t rows = 0;
  const auto count = [](void* data, const netdiag_changes* changes) {
    *static_cast<size_t*>(data) += changes->rows;
  };
  const auto allocations = [&] {
    for (int i = 0; i < 300; ++i) listeners.push_back(Listen(Loopback(Family::kInet), 1));
    // The second gives the sockets again, and what it needs has grown by then.
    for (int i = 0; i < 2; ++i) netdiag_monitor_poll(watch.monitor, -1, count, &rows, nullptr);
    const AllocCounter counter(AllocCounter::Scope::kProcess);
    EXPECT_EQ(netdiag_monitor_poll(watch.monitor, -1, count, &rows, nullptr), 0);
    return counter.count();
  };
  const uint64_t few = allocations();
  EXPECT_LT(allocations(), few + 50);
  EXPECT_GE(rows, 3 * (300u + 600u));
  for (const int fd : listeners) close(fd);
}

TEST(CMonitor, OutOfMemoryIsAnErrorAndAnotherMonitorWorks) {
  Watch watch;
  const int listener = Listen(Loopback(Family::kInet), 1);
  int result = 0;
  {
    const FailingNew failing(2);
    result = netdiag_monitor_poll(watch.monitor, -1, Add, &watch.sockets, &watch.error);
  }
  EXPECT_EQ(result, NETDIAG_NO_MEMORY);
  EXPECT_EQ(netdiag_monitor_poll(watch.monitor, -1, Add, &watch.sockets, &watch.error),
            NETDIAG_INVALID);
  EXPECT_THAT(watch.error.text, HasSubstr("open another monitor"));
  netdiag_monitor_close(watch.monitor);
  watch.monitor = nullptr;
  uint64_t failures = 0;
  for (;; ++failures) {
    const FailingNew failing(failures);
    if (netdiag_monitor_open(watch.engine, watch.query, nullptr, &watch.monitor, &watch.error) == 0)
      break;
    EXPECT_EQ(watch.error.code, NETDIAG_NO_MEMORY) << watch.error.text;
  }
  EXPECT_GT(failures, 5u);
  watch.Poll();
  EXPECT_EQ(watch.sockets.count(CookieOf(listener).value()), 1u);
  close(listener);
}

}  // namespace
}  // namespace netdiag::testing
