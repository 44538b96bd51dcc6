// The kernel's list of network namespaces, and what a query of all namespaces saves with it. Other
// namespaces of the host come and go meanwhile.

#include "netdiag/bpf/netns_list.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using netlink::CurrentNetns;

std::unique_ptr<bpf::NetnsList> Load() {
  absl::StatusOr<std::unique_ptr<bpf::NetnsList>> list = bpf::NetnsList::Load();
  Check(list.ok(), list.status().ToString());
  return *std::move(list);
}

// Every test reads the list here: no id is in it twice.
std::set<NetnsId> Read(bpf::NetnsList* list) {
  const absl::StatusOr<std::vector<NetnsId>> all = list->Read();
  EXPECT_TRUE(all.ok()) << all.status();
  if (!all.ok()) return {};
  std::set<NetnsId> once(all->begin(), all->end());
  EXPECT_EQ(once.size(), all->size());
  EXPECT_FALSE(once.contains(NetnsId()));
  return once;
}

// A new namespace, and a descriptor that keeps it alive.
struct Held {
  NetnsId id;
  int fd = -1;
};
Held Hold() {
  Held held;
  InNewNetns([&] {
    held.id = CurrentNetns();
    held.fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  });
  return held;
}

// Namespaces with a process, a name or a mount.
std::set<NetnsId> Known() {
  std::set<NetnsId> known = {CurrentNetns()};
  for (const netlink::FoundNetns& netns : netlink::FindNamespaces("/proc", {}).namespaces) {
    known.insert(netns.id);
  }
  return known;
}

std::set<NetnsId> Without(const std::set<NetnsId>& all, const std::set<NetnsId>& known) {
  std::set<NetnsId> rest;
  std::ranges::set_difference(all, known, std::inserter(rest, rest.end()));
  return rest;
}

NetnsStats Ask(Engine* engine) {
  const absl::StatusOr<Summary> summary =
      engine->Visit(Query(), [](const Row&) { return Flow::kContinue; });
  EXPECT_TRUE(summary.ok() && summary->netns.has_value()) << summary.status();
  return summary.ok() && summary->netns ? *summary->netns : NetnsStats();
}

// Runs `body` while a thread keeps a namespace without a socket alive.
void BesideAThread(const std::function<void(NetnsId)>& body) {
  std::atomic<bool> made = false;
  std::atomic<bool> done = false;
  NetnsId id;
  std::thread thread([&] {
    EnterNewNetns();
    id = CurrentNetns();
    made = true;
    made.notify_one();
    done.wait(false);
  });
  made.wait(false);
  body(id);
  done = true;
  done.notify_one();
  thread.join();
}

class NetnsList : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status status = bpf::NetnsList::Load().status();
    if (IsUnsupported(status)) GTEST_SKIP() << status;  // before 5.17
  }
};
class NetnsSearch : public NetnsList {};

TEST_F(NetnsList, HasEveryNamespaceHoweverItIsKeptAlive) {
  Apart([] {
    const auto list = Load();
    const NetnsId blue = AddNetns("blue");
    const Held held = Hold();
    NetnsId of_socket;
    int socket = -1;
    InNewNetns([&] {
      of_socket = CurrentNetns();
      socket = Listen(Loopback(Family::kInet), 1);
    });
    BesideAThread([&](NetnsId of_thread) {
      const std::set<NetnsId> all = Read(list.get());
      for (const NetnsId id : {CurrentNetns(), blue, held.id, of_socket, of_thread}) {
        EXPECT_TRUE(all.contains(id)) << id.value();
      }
    });
    close(socket);
    close(held.fd);
  });
}

TEST_F(NetnsList, HasWhatProcessesAndNamesShow) {
  Apart([] {
    const auto list = Load();
    const std::set<NetnsId> names = {AddNetns("blue"), AddNetns("red")};
    const std::set<NetnsId> before = Known();
    EXPECT_TRUE(Without(names, before).empty());
    const std::set<NetnsId> all = Read(list.get());
    const std::set<NetnsId> after = Known();
    // What was there before and after was there meanwhile.
    for (const NetnsId id : Without(before, all)) EXPECT_FALSE(after.contains(id)) << id.value();
  });
}

TEST_F(NetnsList, DropsANamespaceThatHasEnded) {
  Apart([] {
    const auto list = Load();
    const Held held = Hold();
    EXPECT_TRUE(Read(list.get()).contains(held.id));
    close(held.fd);
    Await("the namespace's end", [&] { return !Read(list.get()).contains(held.id); });
  });
}

// More than the program's loops of one and two levels can visit.
TEST_F(NetnsList, IsWholeWithManyNamespaces) {
  Apart([] {
    const auto list = Load();
    std::set<NetnsId> made;
    std::vector<int> fds;
    for (int i = 0; i < 600; ++i) {
      const Held held = Hold();
      made.insert(held.id);
      fds.push_back(held.fd);
    }
    ASSERT_EQ(made.size(), 600u);
    EXPECT_TRUE(Without(made, Read(list.get())).empty());
    for (const int fd : fds) close(fd);
  });
}

TEST_F(NetnsList, HasTheOthersWhileNamespacesComeAndGo) {
  Apart([] {
    const auto list = Load();
    const Held first = Hold();
    const NetnsId blue = AddNetns("blue");
    std::atomic<bool> stop = false;
    std::thread churn([&] {
      while (!stop) close(Hold().fd);
    });
    for (int i = 0; i < 300; ++i) {
      const std::set<NetnsId> all = Read(list.get());
      EXPECT_TRUE(all.contains(first.id) && all.contains(blue) && all.contains(CurrentNetns()));
    }
    stop = true;
    churn.join();
    close(first.fd);
  });
}

TEST_F(NetnsList, WithoutPrivilegesTheErrorSaysWhatIsMissing) {
  if (geteuid() != 0) GTEST_SKIP() << "dropping privileges needs root";
  AsNobody([] {
    const auto list = bpf::NetnsList::Load();
    EXPECT_EQ(Errno(list.status()), EPERM);
    EXPECT_NE(list.status().message().find("CAP_BPF"), std::string::npos) << list.status();
  });
}

// ---- Queries ----

TEST_F(NetnsSearch, ReadsNoDescriptorIfNoNamespaceIsHidden) {
  Apart([] {
    const auto list = Load();
    AddNetns("blue");
    const auto engine = OpenForAll();
    bool hidden = true;
    for (int i = 0; i < 50; ++i) {
      hidden = !Without(Read(list.get()), Known()).empty();
      if (hidden) continue;
      const NetnsStats stats = Ask(engine.get());
      if (stats.socket_search) continue;  // a namespace of another program has come or gone
      EXPECT_TRUE(stats.no_socket_search.ok()) << stats.no_socket_search;
      EXPECT_EQ(stats.unreached, 0u);
      EXPECT_EQ(stats.hidden, 0u) << "processes that cannot be read hide nothing";
      return;
    }
    if (hidden) GTEST_SKIP() << "another program has namespaces without process, name and mount";
    ADD_FAILURE() << "every query searched the sockets, although no namespace was hidden";
  });
}

TEST_F(NetnsSearch, SearchesSocketsIfADescriptorIsNotEnough) {
  Apart([] {
    const Held held = Hold();
    int socket = -1;
    NetnsId of_socket;
    InNewNetns([&] {
      of_socket = CurrentNetns();
      socket = Listen(Loopback(Family::kInet), 1);
    });
    const auto engine = OpenForAll();
    const NetnsStats stats = Ask(engine.get());
    EXPECT_TRUE(stats.socket_search);
    const auto nothing = [] { return absl::OkStatus(); };
    EXPECT_TRUE(engine->RunIn(held.id, nothing).ok());
    EXPECT_TRUE(engine->RunIn(of_socket, nothing).ok());
    close(socket);
    close(held.fd);
  });
}

TEST_F(NetnsSearch, CountsANamespaceThatOnlyAThreadKeepsAlive) {
  Apart([] {
    const auto engine = OpenForAll();
    BesideAThread([&](NetnsId of_thread) {
      const NetnsStats stats = Ask(engine.get());
      EXPECT_GE(stats.unreached, 1u);
      EXPECT_TRUE(stats.no_socket_search.ok()) << stats.no_socket_search;
      EXPECT_TRUE(absl::IsNotFound(engine->RunIn(of_thread, [] { return absl::OkStatus(); })));
    });
  });
}

TEST_F(NetnsSearch, IsNotRepeatedForANamespaceThatItDidNotReach) {
  Apart([] {
    const auto list = Load();
    const auto engine = OpenForAll();
    BesideAThread([&](NetnsId) {
      EXPECT_TRUE(Ask(engine.get()).socket_search);
      std::set<std::set<NetnsId>> lists;
      bool repeated = true;
      for (int i = 0; i < 50 && repeated; ++i) {
        lists.insert(Read(list.get()));
        const NetnsStats stats = Ask(engine.get());
        repeated = stats.socket_search;  // another program has made a hidden namespace
        EXPECT_GE(stats.unreached, 1u);
      }
      const bool disturbed = lists.size() > 10;
      if (repeated && disturbed) GTEST_SKIP() << "other programs make namespaces all the time";
      EXPECT_FALSE(repeated);
    });
    const Held held = Hold();
    Ask(engine.get());
    const auto nothing = [] { return absl::OkStatus(); };
    EXPECT_TRUE(engine->RunIn(held.id, nothing).ok()) << "a new namespace is searched for";
    close(held.fd);
  });
}

// BPF would number the processes of /proc.
TEST(NetnsSearchOfProc, AnotherProcfsIsSearchedWithoutBpf) {
  Apart([] {
    EngineOptions options;
    options.proc_root = "/proc/./";
    const Held held = Hold();
    const auto engine = OpenForAll(options);
    const NetnsStats stats = Ask(engine.get());
    EXPECT_FALSE(stats.socket_search);
    EXPECT_EQ(Errno(stats.no_socket_search), EXDEV);
    EXPECT_EQ(stats.unreached, 0u);
    EXPECT_TRUE(engine->RunIn(held.id, [] { return absl::OkStatus(); }).ok());
    close(held.fd);
  });
}

}  // namespace
}  // namespace netdiag::testing
