// What different readers of owners see: root, root without CAP_BPF, the user nobody, a process in a
// pid namespace, a process under hidepid. And what can be read of a socket that no dump lists.

#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <fcntl.h>
#include <grp.h>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/bpf/task_files.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/types/error.h"
#include "tests/process/owner_testing.h"
#include "tests/process/process_testing.h"

namespace netdiag::testing {
namespace {

using ::testing::HasSubstr;

constexpr uid_t kNobody = 65534;

class OwnerViews : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "making namespaces and other users' processes needs root";
    const absl::Status status = OwnerIndex::CheckBpf();
    if (IsUnsupported(status)) GTEST_SKIP() << status;  // before 5.17
    ASSERT_TRUE(status.ok()) << status;
  }
};

std::set<pid_t> PidsOf(const OwnerIndex& index, Inode inode) {
  std::set<pid_t> pids;
  for (const Owner& owner : index.Find(inode)) pids.insert(owner.pid.value());
  return pids;
}

// Sockets of this process, of a child of root and of a child of the user nobody. Readers are forked
// from this process, so they hold its sockets too.
struct World {
  World() {
    root = children.Add([&] { close(of_nobody.fd()); });
    nobody = children.Add([&] {
      close(of_root.fd());
      const bool ready = setgroups(0, nullptr) == 0 && setresgid(kNobody, kNobody, kNobody) == 0 &&
                         setresuid(kNobody, kNobody, kNobody) == 0 &&
                         prctl(PR_SET_DUMPABLE, 1) == 0;
      if (!ready) _exit(1);
    });
  }
  void ExpectAllSeen(const OwnerIndex& index) const {
    const pid_t self = getpid();
    EXPECT_EQ(PidsOf(index, of_root.inode()), (std::set<pid_t>{maker, root, self}));
    EXPECT_EQ(PidsOf(index, of_nobody.inode()), (std::set<pid_t>{maker, nobody, self}));
    EXPECT_EQ(PidsOf(index, shared.inode()), (std::set<pid_t>{maker, root, nobody, self}));
    EXPECT_EQ(index.stats().errors, 0u);
    // Elsewhere there can be processes that even root may not read.
    if (maker == 1) {
      EXPECT_EQ(index.stats().denied, 0u);
      EXPECT_FALSE(index.stats().hidepid);
    }
  }
  // The user nobody sees its own sockets. Only processes of root hold `secret`.
  void ExpectOwnSeen(const OwnerIndex& index, Inode secret) const {
    EXPECT_EQ(PidsOf(index, of_nobody.inode()), (std::set<pid_t>{nobody, getpid()}));
    EXPECT_EQ(PidsOf(index, shared.inode()), (std::set<pid_t>{nobody, getpid()}));
    EXPECT_TRUE(index.Find(secret).empty());
    EXPECT_EQ(index.Reason(secret), NoOwner::kHidden);
    EXPECT_EQ(index.Reason(shared.inode()), NoOwner::kNone);
    EXPECT_EQ(index.Reason(Inode(0)), NoOwner::kKernelHeld);
    EXPECT_EQ(index.stats().errors, 0u) << index.stats().first_error;
  }

  const pid_t maker = getpid();
  const Sockets of_root{1}, of_nobody{1}, shared{1};
  Children children;
  pid_t root = 0, nobody = 0;
};

// Reads the world as the user nobody, in a child.
template <class Check>
void AsNobody(const World& world, Check check) {
  RunUnprivileged([&] {
    const Inode secret = world.of_root.inode();
    close(world.of_root.fd());
    OwnerIndex index;
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(index.stats().source, OwnerSource::kProc);
    EXPECT_TRUE(IsPermission(index.stats().no_bpf));
    world.ExpectOwnSeen(index, secret);
    check(index);
  });
}

bool InFirstPidNamespace() {
  struct stat status {};
  return stat("/proc/self/ns/pid", &status) == 0 && status.st_ino == 0xEFFFFFFC;
}

void MountProc(const char* options) {
  ASSERT_EQ(unshare(CLONE_NEWNS), 0);
  ASSERT_EQ(mount("none", "/proc", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(mount("proc", "/proc", "proc", 0, options), 0);
}

TEST_F(OwnerViews, RootSeesAllOwnersByBothSources) {
  const World world;
  for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
    const OwnerIndex index = Scanned(source);
    world.ExpectAllSeen(index);
    EXPECT_EQ(index.stats().other_pid_namespace, !InFirstPidNamespace());
    const bool is_whole = index.stats().denied == 0 && !index.stats().hidepid;
    EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), !is_whole ? NoOwner::kHidden
                                               : InFirstPidNamespace()
                                                   ? NoOwner::kVanished
                                                   : NoOwner::kOtherPidNamespace);
    EXPECT_TRUE(is_whole || source == OwnerSource::kProc);
    EXPECT_EQ(index.Reason(Inode(0)), NoOwner::kKernelHeld);
  }
}

TEST_F(OwnerViews, RootWithoutCapBpfSeesAllOwnersInProc) {
  const World world;
  constexpr int kSysAdmin = 21, kPerfmon = 38, kBpf = 39;
  for (const std::vector<int>& lost :
       {std::vector<int>{kSysAdmin, kBpf}, {kSysAdmin, kPerfmon}, {kSysAdmin, kPerfmon, kBpf}}) {
    RunInChild([&] {
      DropCapabilities(lost);
      OwnerIndex index;
      ASSERT_TRUE(index.Refresh().ok());
      world.ExpectAllSeen(index);
      EXPECT_TRUE(IsPermission(index.stats().no_bpf)) << index.stats().no_bpf;
      EXPECT_TRUE(IsPermission(OwnerIndex({.source = OwnerSource::kBpf}).Refresh()));
    });
  }
}

TEST_F(OwnerViews, CapBpfAndCapPerfmonAreEnoughForBpf) {
  const World world;
  RunInChild([&] {
    std::vector<int> others;
    for (int bit = 0; bit < 38; ++bit) others.push_back(bit);
    others.push_back(40);
    DropCapabilities(others);
    const OwnerIndex index = Scanned(OwnerSource::kBpf);
    world.ExpectAllSeen(index);
  });
}

TEST_F(OwnerViews, NobodySeesItsOwnAndHowManyAreHidden) {
  const World world;
  AsNobody(world, [](const OwnerIndex& index) {
    EXPECT_GE(index.stats().denied, 2u) << "the maker and root's child";
    EXPECT_FALSE(index.stats().hidepid);
  });
}

TEST_F(OwnerViews, APidNamespaceHasItsOwnOwnersAndPerhapsSomeOutside) {
  const Sockets outside(1);
  const Inode of_outside = outside.inode();
  RunAlone([&] {
    const World world;
    close(outside.fd());
    for (const pid_t child : {world.root, world.nobody}) EXPECT_LE(child, 10);
    RunInChild([&] {
      for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
        const OwnerIndex index = Scanned(source);
        world.ExpectAllSeen(index);
        // The children of World have inherited it.
        EXPECT_EQ(PidsOf(index, of_outside), (std::set<pid_t>{world.root, world.nobody}));
        EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), NoOwner::kOtherPidNamespace);
      }
    });
    AsNobody(world, [](const OwnerIndex& index) { EXPECT_GE(index.stats().denied, 2u); });
  });
  RunAlone([&] {
    close(outside.fd());
    for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
      const OwnerIndex index = Scanned(source);
      EXPECT_TRUE(index.Find(of_outside).empty());
      EXPECT_EQ(index.Reason(of_outside), NoOwner::kOtherPidNamespace);
      EXPECT_TRUE(index.stats().other_pid_namespace);
    }
  });
}

// hidepid=1: the directories of other users are listed, but may not be entered. 2: they are not
// listed.
TEST_F(OwnerViews, HidepidHidesOthersFromNobodyAndNothingFromRoot) {
  for (const std::string& options : {std::string("hidepid=1"), std::string("hidepid=2")}) {
    SCOPED_TRACE(options);
    const bool lists = options == "hidepid=1";
    const auto body = [&] {
      MountProc(options.c_str());
      const World world;
      RunInChild([&] {
        for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
          world.ExpectAllSeen(Scanned(source));
        }
      });
      AsNobody(world, [&](const OwnerIndex& index) {
        EXPECT_EQ(index.stats().denied > 0, lists);
        EXPECT_EQ(index.stats().hidepid, !lists);
      });
    };
    RunInChild(body);
    RunAlone(body);
  }
}

// ----------------------------------------------------------------------------------- user ids

TEST_F(OwnerViews, AllFourUserIdsAreTheSameByBothSources) {
  const Sockets held(1);
  Children children;
  std::map<pid_t, Uids> truth;
  for (uid_t id = 100; id < 104; ++id) {
    const pid_t child = children.Add([&] {
      setfsuid(id + 30);
      if (setresuid(id, id + 10, id + 20) != 0) _exit(1);
      setfsuid(id);  // it follows the effective one, and may go back to the real one
    });
    truth[child] = {Uid(id), Uid(id + 10), Uid(id + 20), Uid(id)};
  }
  // The ids are those of the first thread, which are those of the process.
  const pid_t threaded =
      children.Add([] { std::thread([] { syscall(SYS_setresuid, 7, 7, 7); }).join(); });
  truth[threaded] = {Uid(0), Uid(0), Uid(0), Uid(0)};
  for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
    OwnerIndex index = Scanned(source);
    size_t found = 0;
    for (const Owner& owner : index.Find(held.inode())) {
      const auto expected = truth.find(owner.pid.value());
      if (expected == truth.end()) continue;
      ++found;
      const absl::StatusOr<Uids> uids = index.ReadUids(owner);
      ASSERT_TRUE(uids.ok()) << uids.status();
      EXPECT_EQ(uids->real, expected->second.real);
      EXPECT_EQ(uids->effective, expected->second.effective);
      EXPECT_EQ(uids->saved, expected->second.saved);
      EXPECT_EQ(uids->filesystem, expected->second.filesystem);
    }
    EXPECT_EQ(found, truth.size());
  }
}

TEST_F(OwnerViews, UserIdsOfBpfAreThoseOfTheScanEvenOfAnEndedProcess) {
  const Sockets held(1);
  OwnerIndex proc({.source = OwnerSource::kProc});
  OwnerIndex bpf({.source = OwnerSource::kBpf});
  pid_t ended = 0;
  {
    Children children;
    ended = children.Add([] {
      if (setresuid(kNobody, kNobody, kNobody) != 0) _exit(1);
    });
    ASSERT_TRUE(proc.Refresh().ok());
    ASSERT_TRUE(bpf.Refresh().ok());
  }
  const auto read = [&](OwnerIndex* index) {
    for (const Owner& owner : index->Find(held.inode())) {
      if (owner.pid == Pid(ended)) return index->ReadUids(owner);
    }
    return absl::StatusOr<Uids>(absl::UnknownError("it was not found"));
  };
  const absl::StatusOr<Uids> kept = read(&bpf);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->effective, Uid(kNobody));
  EXPECT_TRUE(absl::IsNotFound(read(&proc).status()));
}

// ------------------------------------------------------------------- sockets that no dump lists

TEST_F(OwnerViews, EachOwnedSocketIsVisitedOnceWithItsOwners) {
  const Sockets held(50);
  const int again = dup(held.fd(7));
  const OwnerIndex index = Scanned(OwnerSource::kBpf);
  std::map<Inode, size_t> visited;
  size_t owners_seen = 0;
  index.ForEachSocket([&](Inode inode, const Owners& owners) {
    EXPECT_EQ(++visited[inode], 1u);
    EXPECT_EQ(owners.size(), index.Find(inode).size());
    owners_seen += owners.size();
  });
  EXPECT_EQ(owners_seen, index.stats().sockets);
  for (const Inode inode : held.inodes()) EXPECT_EQ(visited.count(inode), 1u);
  EXPECT_EQ(index.Find(held.inode(7)).size(), 2u);
  close(again);
}

TEST_F(OwnerViews, ProtocolsAreReadThroughADescriptor) {
  const std::map<std::string, std::pair<int, int>> kinds = {
      {"TCP", {AF_INET, SOCK_STREAM}},     {"TCPv6", {AF_INET6, SOCK_STREAM}},
      {"UDP", {AF_INET, SOCK_DGRAM}},      {"UNIX-STREAM", {AF_UNIX, SOCK_STREAM}},
      {"NETLINK", {AF_NETLINK, SOCK_RAW}},
  };
  for (const auto& [name, kind] : kinds) {
    const int fd = socket(kind.first, kind.second | SOCK_CLOEXEC, 0);
    ASSERT_GE(fd, 0) << name;
    for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
      OwnerIndex index = Scanned(source);
      ASSERT_EQ(index.Find(InodeOf(fd)).size(), 1u);
      const Owner owner = index.Find(InodeOf(fd))[0];
      ASSERT_TRUE(index.ReadSocketProtocol(owner, InodeOf(fd)).ok()) << "opens /proc, once";
      const int before = OpenDescriptors();
      const auto protocol = index.ReadSocketProtocol(owner, InodeOf(fd));
      ASSERT_TRUE(protocol.ok()) << protocol.status();
      EXPECT_EQ(*protocol, name);
      EXPECT_EQ(OpenDescriptors(), before);
    }
    close(fd);
  }
}

TEST_F(OwnerViews, AProtocolIsNotReadOfAnotherSocketOrProcess) {
  const Sockets held(1), other(1);
  const Inode inode = held.inode();
  OwnerIndex index = Scanned(OwnerSource::kProc);
  ASSERT_EQ(index.Find(inode).size(), 1u);
  Owner owner = index.Find(inode)[0];
  EXPECT_TRUE(index.ReadSocketProtocol(owner, inode).ok());
  RunUnprivileged([&] {
    const absl::Status status = index.ReadSocketProtocol(owner, inode).status();
    EXPECT_TRUE(IsPermission(status)) << status;
  });
  Owner earlier = owner;
  --earlier.start_time;
  EXPECT_TRUE(absl::IsNotFound(index.ReadSocketProtocol(earlier, inode).status()));
  owner.fd = other.fd();
  EXPECT_TRUE(absl::IsNotFound(index.ReadSocketProtocol(owner, inode).status()));
  owner.fd = 999;
  EXPECT_TRUE(absl::IsNotFound(index.ReadSocketProtocol(owner, inode).status()));
  owner.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_TRUE(absl::IsNotFound(index.ReadSocketProtocol(owner, inode).status()));
  close(owner.fd);
}

TEST_F(OwnerViews, ProtocolsAreReadFromTheOwnTableOfAThread) {
  Children children;
  int inode_of[2];
  ASSERT_EQ(pipe2(inode_of, O_CLOEXEC), 0);
  children.Add([&] {
    std::thread([&] {
      if (unshare(CLONE_FILES) != 0) _exit(1);
      const uint32_t inode = InodeOf(SocketOrDie()).value();
      if (write(inode_of[1], &inode, sizeof(inode)) != sizeof(inode)) _exit(1);
      for (;;) pause();
    }).detach();
  });
  uint32_t inode = 0;
  ASSERT_EQ(read(inode_of[0], &inode, sizeof(inode)), static_cast<ssize_t>(sizeof(inode)));
  close(inode_of[0]);
  close(inode_of[1]);
  OwnerIndex bpf = Scanned(OwnerSource::kBpf);
  ASSERT_EQ(bpf.Find(Inode(inode)).size(), 1u);
  const auto protocol = bpf.ReadSocketProtocol(bpf.Find(Inode(inode))[0], Inode(inode));
  ASSERT_TRUE(protocol.ok()) << protocol.status();
  EXPECT_EQ(*protocol, "UNIX");
}

TEST_F(OwnerViews, TheNamespaceOfEachSocketIsKeptWhenAsked) {
  struct stat own {};
  ASSERT_EQ(stat("/proc/self/ns/net", &own), 0);
  const Sockets held(40);
  Children children;
  const Elsewhere theirs = AddElsewhere(&children);
  OwnerIndex asked({.source = OwnerSource::kBpf, .netns = true});
  ASSERT_TRUE(asked.Refresh().ok());
  const auto expect_known = [&](const OwnerIndex& index) {
    for (const Inode inode : held.inodes()) {
      EXPECT_EQ(index.NetnsOf(inode), NetnsId(static_cast<uint32_t>(own.st_ino)));
    }
    EXPECT_EQ(index.NetnsOf(theirs.inode), theirs.netns);
    EXPECT_EQ(index.NetnsOf(Inode(UINT32_MAX)), NetnsId());
  };
  expect_known(asked);
  EXPECT_NE(theirs.netns.value(), own.st_ino);
  OwnerIndex next = asked.Successor();
  ASSERT_TRUE(next.Refresh().ok());
  expect_known(next);
  // The old index loads the program again.
  ASSERT_TRUE(asked.Refresh().ok());
  expect_known(asked);
  EXPECT_EQ(Scanned(OwnerSource::kBpf).NetnsOf(held.inode()), NetnsId());
  OwnerIndex proc({.source = OwnerSource::kProc, .netns = true});
  ASSERT_TRUE(proc.Refresh().ok());
  EXPECT_EQ(proc.NetnsOf(held.inode()), NetnsId());
}

// --------------------------------------------------------------------------- what fails meanwhile

constexpr int kManySockets = 9000;

// More descriptors than loading costs.
void HoldMany() {
  for (int n = 0; n < kManySockets; ++n) SocketOrDie();
}

// The descriptor of the running pass.
int IteratorDescriptor() {
  for (int fd = 3; fd < 1000; ++fd) {
    char target[64] = {};
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    if (readlink(link.c_str(), target, sizeof(target) - 1) < 0) continue;
    if (std::string_view(target).find("bpf_iter") != std::string_view::npos) return fd;
  }
  return -1;
}

// Makes the pass fail from now on: a directory cannot be read as a pass.
void Sabotage() {
  const int iterator = IteratorDescriptor();
  ASSERT_GE(iterator, 0);
  const int directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(dup3(directory, iterator, O_CLOEXEC), iterator);
  close(directory);
}

TEST_F(OwnerViews, APassOfBpfThatFailsIsReadFromProcInstead) {
  const Sockets held(1);
  RunAlone([&] {
    Children children;
    children.Add(HoldMany);
    OwnerIndex index;
    ASSERT_TRUE(index.Refresh().ok());
    ASSERT_EQ(index.stats().source, OwnerSource::kBpf);
    const std::string whole = Describe(index, held.inode());
    for (int moment = 0; moment < 3; ++moment) {
      ASSERT_TRUE(index.Begin().ok());
      for (int step = 0; step < moment; ++step) ASSERT_TRUE(index.Step(1).ok());
      Sabotage();
      for (bool done = false; !done;) {
        EXPECT_TRUE(index.Find(held.inode()).empty());
        const absl::StatusOr<bool> step = index.Step(1000);
        ASSERT_TRUE(step.ok()) << step.status();
        done = *step;
      }
      EXPECT_EQ(index.stats().source, OwnerSource::kProc);
      EXPECT_EQ(Errno(index.stats().no_bpf), EISDIR) << index.stats().no_bpf;
      EXPECT_THAT(index.stats().no_bpf.ToString(), HasSubstr("BPF iterator"));
      EXPECT_EQ(Describe(index, held.inode()), whole);
      EXPECT_GE(index.stats().sockets, static_cast<uint64_t>(kManySockets));
      ASSERT_TRUE(index.Refresh().ok());
      EXPECT_EQ(index.stats().source, OwnerSource::kBpf) << "it is tried again the next time";
      EXPECT_TRUE(index.stats().no_bpf.ok());
      EXPECT_EQ(Describe(index, held.inode()), whole);
    }
    OwnerIndex only({.source = OwnerSource::kBpf});
    ASSERT_TRUE(only.Begin().ok());
    Sabotage();
    EXPECT_EQ(Errno(only.Step(1).status()), EISDIR) << "with kBpf there is nothing else to try";
    EXPECT_TRUE(only.stats().partial);
  });
}

TEST_F(OwnerViews, WithoutDescriptorsToLoadBpfProcIsReadUntilThereAreSome) {
  const Sockets held(1);
  RunAlone([&] {
    Children children;
    children.Add(HoldMany);
    const int next = dup(held.fd());
    close(next);
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    // Reading /proc needs three descriptors: itself, a process's directory, and a file in it.
    const rlimit few = {static_cast<rlim_t>(next) + 3, limit.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    OwnerIndex index;
    const absl::Status refreshed = index.Refresh();
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ASSERT_TRUE(refreshed.ok()) << refreshed;
    EXPECT_EQ(index.stats().source, OwnerSource::kProc);
    EXPECT_EQ(Errno(index.stats().no_bpf), EMFILE) << index.stats().no_bpf;
    EXPECT_EQ(index.Find(held.inode()).size(), 2u);
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(index.stats().source, OwnerSource::kBpf);
    EXPECT_TRUE(index.stats().no_bpf.ok());
    EXPECT_EQ(index.Find(held.inode()).size(), 2u);
  });
}

// A read(2) of the iterator ends after a million descriptors. If none was a socket, it gives
// EAGAIN.
TEST_F(OwnerViews, AMillionDescriptorsThatAreNoSocketsDoNotEndAPass) {
  RunAlone([] {
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const int each = static_cast<int>(std::min<rlim_t>(limit.rlim_max, 100'000)) - 10;
    Children children;
    for (int filled = 0; filled < 1'010'000; filled += each) {
      children.Add([&] {
        while (dup(0) >= 0) {
        }
        // The byte that tells the parent that the child is ready needs no new descriptor.
      });
    }
    int inode_of[2];
    ASSERT_EQ(pipe2(inode_of, O_CLOEXEC), 0);
    children.Add([&] {
      const uint32_t inode = InodeOf(SocketOrDie()).value();
      if (write(inode_of[1], &inode, sizeof(inode)) != sizeof(inode)) _exit(1);
    });
    uint32_t inode = 0;
    ASSERT_EQ(read(inode_of[0], &inode, sizeof(inode)), static_cast<ssize_t>(sizeof(inode)));
    const auto files = bpf::TaskFiles::Load(false);
    ASSERT_TRUE(files.ok()) << files.status();
    ASSERT_TRUE((*files)->Begin().ok());
    int reads = 0, empty = 0, seen = 0;
    for (bool more = true; more; ++reads) {
      const int before = seen;
      const auto read_more = (*files)->Read(
          [](const bpf::Task&) {},
          [&](const bpf::SocketFile& file) { seen += file.inode == Inode(inode) ? 1 : 0; });
      ASSERT_TRUE(read_more.ok()) << read_more.status();
      more = *read_more;
      empty += more && seen == before ? 1 : 0;
    }
    EXPECT_EQ(seen, 1);
    EXPECT_GE(empty, 1) << "the kernel did not stop in between";
    EXPECT_EQ(Scanned(OwnerSource::kBpf).Find(Inode(inode)).size(), 1u);
    close(inode_of[0]);
    close(inode_of[1]);
  });
}

}  // namespace
}  // namespace netdiag::testing
