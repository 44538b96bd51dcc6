#include "netdiag/process/cgroup.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sched.h>
#include <sstream>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/process/owner_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

namespace fs = std::filesystem;
using testing::OpenDescriptors;
using testing::ProcTree;
using testing::RunInChild;
using testing::RunUnprivileged;

CgroupId IdOf(const std::string& directory) {
  struct stat status {};
  EXPECT_EQ(stat(directory.c_str(), &status), 0) << directory;
  return CgroupId(status.st_ino);
}

// A made-up hierarchy "mount point" (with a blank), and a /proc whose mountinfo names it.
class CgroupPathsTest : public ::testing::Test {
 protected:
  CgroupPathsTest() {
    fs::create_directory(mount_);
    std::string escaped = mount_;
    escaped.replace(escaped.find(' '), 1, "\\040");
    WriteMountInfo(
        "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
        "40 31 0:38 /deep /tmp/elsewhere rw shared:7 master:1 - cgroup2 cgroup2 rw\n"
        "41 31 0:38 / " +
        escaped + " rw,relatime shared:9 - cgroup2 none rw\n");
  }
  void WriteMountInfo(const std::string& text) { tree_.Self("mountinfo", text); }
  std::string Make(const std::string& path) {
    fs::create_directories(mount_ + path);
    return mount_ + path;
  }

  ProcTree tree_;
  const std::string mount_ = tree_.root() + "/mount point";
};

TEST_F(CgroupPathsTest, FindsPathsRelativeToTheMount) {
  const CgroupId deep = IdOf(Make("/system.slice/ssh.service/a b/c"));
  CgroupPaths paths(tree_.root());
  EXPECT_EQ(paths.Find(deep), "/system.slice/ssh.service/a b/c");
  EXPECT_EQ(paths.Find(IdOf(mount_)), "/");
  EXPECT_EQ(paths.Find(IdOf(mount_ + "/system.slice")), "/system.slice");
}

TEST_F(CgroupPathsTest, FindsEveryCgroupOfAWideHierarchy) {
  for (int i = 0; i < 2000; ++i) Make("/user.slice/session-" + std::to_string(i) + ".scope");
  CgroupPaths paths(tree_.root());
  for (int i = 0; i < 2000; ++i) {
    const std::string path = "/user.slice/session-" + std::to_string(i) + ".scope";
    ASSERT_EQ(paths.Find(IdOf(mount_ + path)), path);
  }
}

TEST_F(CgroupPathsTest, WalksAgainForANewIdOnly) {
  const CgroupId first = IdOf(Make("/first"));
  CgroupPaths paths(tree_.root());
  EXPECT_EQ(paths.Find(first), "/first");
  const CgroupId second = IdOf(Make("/second"));
  fs::remove(mount_ + "/first");
  EXPECT_EQ(paths.Find(first), "/first") << "no walk for a known id";
  EXPECT_EQ(paths.Find(second), "/second");
  EXPECT_EQ(paths.Find(first), std::nullopt);
}

TEST_F(CgroupPathsTest, AnUnknownIdCostsOneWalkUntilRefresh) {
  const std::string path = Make("/late");
  const CgroupId late = IdOf(path);
  fs::rename(path, tree_.root() + "/aside");
  CgroupPaths paths(tree_.root());
  EXPECT_EQ(paths.Find(late), std::nullopt);
  fs::rename(tree_.root() + "/aside", path);
  EXPECT_EQ(paths.Find(late), std::nullopt);
  paths.Refresh();
  EXPECT_EQ(paths.Find(late), "/late");
}

TEST_F(CgroupPathsTest, WalksAreBounded) {
  CgroupPaths paths(tree_.root());
  for (uint64_t i = 0; i < CgroupPaths::kMaxWalks; ++i) {
    EXPECT_EQ(paths.Find(CgroupId((uint64_t{1} << 60) + i)), std::nullopt);
  }
  const CgroupId id = IdOf(Make("/a"));
  EXPECT_EQ(paths.Find(id), std::nullopt);
  paths.Refresh();
  EXPECT_EQ(paths.Find(id), "/a");
}

TEST_F(CgroupPathsTest, ZeroIsNoCgroup) {
  CgroupPaths paths(tree_.root());
  EXPECT_EQ(paths.Find(CgroupId(0)), std::nullopt);
}

TEST_F(CgroupPathsTest, TakesAPartialMountIfThereIsNoOther) {
  const CgroupId id = IdOf(Make("/a"));
  fs::rename(mount_, tree_.root() + "/partial");
  WriteMountInfo("40 31 0:38 /deep " + tree_.root() +
                 "/partial rw - cgroup2 cgroup2 rw");  // and no newline
  CgroupPaths paths(tree_.root());
  EXPECT_EQ(paths.Find(id), "/a");
}

TEST_F(CgroupPathsTest, AnswersNothingWithoutAHierarchy) {
  const CgroupId id = IdOf(Make("/a"));
  for (const char* text : {"", "\n\n", " - cgroup2 ", "41 - cgroup2 x", "1 2 3 / \\04 - cgroup2 x",
                           "1 2 3 / /nonexistent - cgroup2 x rw\n"}) {
    WriteMountInfo(text);
    CgroupPaths paths(tree_.root());
    EXPECT_EQ(paths.Find(id), std::nullopt) << text;
  }
  CgroupPaths paths("/nonexistent");
  EXPECT_EQ(paths.Find(id), std::nullopt);
}

TEST_F(CgroupPathsTest, SkipsWhatMayNotBeRead) {
  const CgroupId open = IdOf(Make("/open")), closed = IdOf(Make("/closed"));
  const CgroupId inside = IdOf(Make("/closed/inside"));
  fs::permissions(mount_ + "/closed", fs::perms::none);
  const int before = OpenDescriptors();
  RunUnprivileged([&] {
    CgroupPaths paths(tree_.root());
    EXPECT_EQ(paths.Find(open), "/open");
    EXPECT_EQ(paths.Find(closed), "/closed");
    EXPECT_EQ(paths.Find(inside), std::nullopt);
    EXPECT_EQ(OpenDescriptors(), before);
  });
  fs::permissions(mount_ + "/closed", fs::perms::all);
}

// ---- The id of a path ----

TEST_F(CgroupPathsTest, EveryPathThatIsFoundHasItsId) {
  for (const char* path : {"/a", "/a/b c", "/dev-disk-by\\x2duuid.swap", "/a/b:c"}) Make(path);
  CgroupPaths paths(tree_.root());
  EXPECT_EQ(FindCgroupId("/", tree_.root()), IdOf(mount_));
  for (const auto& entry : fs::recursive_directory_iterator(mount_)) {
    const CgroupId id = IdOf(entry.path());
    const std::string path(paths.Find(id).value_or("?"));
    EXPECT_EQ(FindCgroupId(path, tree_.root()), id) << path;
    EXPECT_EQ(FindCgroupId(path.substr(1), tree_.root()), id) << "without the first slash";
    EXPECT_EQ(FindCgroupId(entry.path().string(), tree_.root()), id) << "a path of the file system";
  }
}

TEST_F(CgroupPathsTest, WhatIsNoCgroupHasNoId) {
  std::ofstream(Make("/a") + "/cgroup.procs") << "1\n";
  for (const char* path : {"", "/no/such", "/a/cgroup.procs", "/proc", "/proc/self", "/dev"}) {
    EXPECT_EQ(FindCgroupId(path, tree_.root()), std::nullopt) << path;
  }
  WriteMountInfo("32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n");
  EXPECT_EQ(FindCgroupId("/", tree_.root()), std::nullopt) << "without cgroup2";
  EXPECT_EQ(FindCgroupId("/", "/nonexistent"), std::nullopt);
}

// cgroup2 at a place that only mountinfo tells, as beside cgroups of version 1.
TEST(CgroupPathsLive, FindsTheHierarchyWhereverItIsMounted) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount";
  std::ifstream file("/proc/filesystems");
  const std::string known((std::istreambuf_iterator<char>(file)), {});
  if (known.find("cgroup2") == known.npos) GTEST_SKIP() << "the kernel has no cgroup2";
  const ProcTree place;
  RunInChild([&] {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    for (const char* other : {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"}) {
      umount2(other, MNT_DETACH);
    }
    const std::string mount_point = place.root() + "/some where";
    ASSERT_EQ(mkdir(mount_point.c_str(), 0755), 0);
    ASSERT_EQ(mount("none", mount_point.c_str(), "cgroup2", 0, nullptr), 0);
    const std::string name = "/netdiag-test-" + std::to_string(getpid());
    const std::string made = mount_point + name;
    ASSERT_EQ(mkdir(made.c_str(), 0755), 0);
    CgroupPaths paths;
    const CgroupId id = IdOf(made);
    EXPECT_EQ(paths.Find(id), name);
    EXPECT_EQ(FindCgroupId(name), id);
    EXPECT_EQ(FindCgroupId(made), id);
    EXPECT_EQ(FindCgroupId(place.root()), std::nullopt) << "another file system";
    EXPECT_EQ(rmdir(made.c_str()), 0);
  });
}

// The hierarchy of the host, if it has one. The test finds it without mountinfo.
TEST(CgroupPathsLive, FindsTheCgroupsOfTheMachine) {
  std::string mount;
  for (const char* path : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    if (fs::exists(std::string(path) + "/cgroup.procs")) mount = path;
  }
  if (mount.empty()) GTEST_SKIP() << "no cgroup2 hierarchy in /sys/fs/cgroup";
  const std::string made = mount + "/netdiag-test-" + std::to_string(getpid());
  const bool can_make = mkdir(made.c_str(), 0755) == 0;
  EXPECT_TRUE(can_make || geteuid() != 0);
  CgroupPaths paths;
  size_t count = 0;
  EXPECT_EQ(paths.Find(IdOf(mount)), "/");
  for (const auto& entry : fs::recursive_directory_iterator(mount)) {
    if (!entry.is_directory()) continue;
    ++count;
    EXPECT_EQ(paths.Find(IdOf(entry.path())), entry.path().string().substr(mount.size()));
  }
  EXPECT_GE(count, can_make ? 1u : 0u);
  EXPECT_EQ(rmdir(made.c_str()) == 0, can_make);
}

// ---- What a path says ----

const std::string kId = "3f4e0a9b6c1d2e8f70a1b2c3d4e5f60718293a4b5c6d7e8f9001122334455667";
const std::string kUid = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
const std::string kUidSystemd = "0a1b2c3d_4e5f_6071_8293_a4b5c6d7e8f9";
const std::string kStatic = "5f3dcf64e1e4c2d8f0b7a6958473625a";

struct PathForm {
  std::string path, container, pod, unit;
};

TEST(ParseCgroup, KnowsThePathsOfRuntimesAndDrivers) {
  const std::string slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod";
  const std::string user = "/user.slice/user-1000.slice/user@1000.service/";
  const PathForm forms[] = {
      // Hosts
      {"/", "", "", ""},
      {"", "", "", ""},
      {"/init.scope", "", "", "init.scope"},
      {"/system.slice/ssh.service", "", "", "ssh.service"},
      {"/system.slice/system-getty.slice/getty@tty1.service", "", "", "getty@tty1.service"},
      {"/system.slice/dev-disk-by\\x2duuid-1.swap", "", "", "dev-disk-by\\x2duuid-1.swap"},
      {"/system.slice/docker.socket", "", "", "docker.socket"},
      {"/user.slice/user-1000.slice/session-3.scope", "", "", "session-3.scope"},
      {user + "app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope", "", "",
       "vte-spawn-1.scope"},
      {user + "init.scope", "", "", "init.scope"},
      {"/user.slice", "", "", ""},
      {"/.service", "", "", ""},
      // docker
      {"/system.slice/docker-" + kId + ".scope", kId, "", "docker-" + kId + ".scope"},
      {"/docker/" + kId, kId, "", ""},
      {"/docker/" + kId + "/init.scope", kId, "", "init.scope"},
      {"/system.slice/docker-" + kId + ".scope/system.slice/cron.service", kId, "", "cron.service"},
      {"/docker/" + std::string(64, 'a') + "/docker/" + kId, kId, "", ""},
      {user + "user.slice/docker-" + kId + ".scope", kId, "", "docker-" + kId + ".scope"},
      // podman
      {"/machine.slice/libpod-" + kId + ".scope", kId, "", "libpod-" + kId + ".scope"},
      {"/machine.slice/libpod-" + kId + ".scope/container", kId, "", "libpod-" + kId + ".scope"},
      {"/libpod_parent/libpod-" + kId, kId, "", ""},
      {user + "user.slice/libpod-" + kId + ".scope", kId, "", "libpod-" + kId + ".scope"},
      {user + "user.slice/user-libpod_pod_" + kId + ".slice/libpod-" + kId + ".scope", kId, "",
       "libpod-" + kId + ".scope"},
      {"/machine.slice/libpod-conmon-" + kId + ".scope", "", "", "libpod-conmon-" + kId + ".scope"},
      // Kubernetes
      {slice + kUidSystemd + ".slice/cri-containerd-" + kId + ".scope", kId, kUid,
       "cri-containerd-" + kId + ".scope"},
      {slice + kUidSystemd + ".slice/crio-" + kId + ".scope", kId, kUid, "crio-" + kId + ".scope"},
      {slice + kUidSystemd + ".slice/crio-conmon-" + kId + ".scope", "", kUid,
       "crio-conmon-" + kId + ".scope"},
      {slice + kUidSystemd + ".slice/docker-" + kId + ".scope", kId, kUid,
       "docker-" + kId + ".scope"},
      {"/kubepods.slice/kubepods-pod" + kUidSystemd + ".slice", "", kUid, ""},
      {"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
       "kubelet-kubepods-besteffort-pod" +
           kUidSystemd + ".slice/cri-containerd-" + kId + ".scope",
       kId, kUid, "cri-containerd-" + kId + ".scope"},
      {"/kubepods/burstable/pod" + kUid + "/" + kId, kId, kUid, ""},
      {"/kubepods/pod" + kUid + "/" + kId, kId, kUid, ""},
      {"/kubepods/besteffort/pod" + kStatic + "/" + kId, kId, kStatic, ""},
      {slice + kStatic + ".slice/cri-containerd-" + kId + ".scope", kId, kStatic,
       "cri-containerd-" + kId + ".scope"},
      {"/system.slice/containerd.service/kubepods-burstable-pod" + kUidSystemd +
           ".slice:cri-containerd:" + kId,
       kId, kUid, "containerd.service"},
      // Paths that only look like those of a container
      {"/docker/" + kId.substr(1), "", "", ""},
      {"/docker/x" + kId, "", "", ""},
      {"/docker/" + kId.substr(1) + "g", "", "", ""},
      {"/pod" + kUid, "", "", ""},
      {"/kubepods/pod" + kUid.substr(1), "", "", ""},
      {"/kubepods/podcast", "", "", ""},
  };
  for (const PathForm& form : forms) {
    SCOPED_TRACE(form.path);
    const Cgroup cgroup = ParseCgroup(form.path);
    EXPECT_EQ(cgroup.path, form.path);
    EXPECT_EQ(cgroup.container, form.container);
    EXPECT_EQ(cgroup.pod, form.pod);
    EXPECT_EQ(cgroup.unit, form.unit);
  }
}

TEST(CgroupPathOfProcess, TakesTheHierarchyThatSaysMost) {
  EXPECT_EQ(CgroupPathOfProcess("0::/system.slice/a b.service\n"), "/system.slice/a b.service");
  EXPECT_EQ(CgroupPathOfProcess("0::/\n"), "/");
  // Hybrid: v1 with v2 beside it, which the runtime may not use.
  EXPECT_EQ(CgroupPathOfProcess("12:cpu,cpuacct:/docker/1\n1:name=systemd:/docker/2\n0::/\n"),
            "/docker/2");
  EXPECT_EQ(CgroupPathOfProcess("12:cpu,cpuacct:/docker/1\n1:name=systemd:/x\n0::/y\n"), "/y");
  EXPECT_EQ(CgroupPathOfProcess("4:memory:/\n12:cpu:/docker/1\n"), "/docker/1");
  EXPECT_EQ(CgroupPathOfProcess("0::/with:colon"), "/with:colon");
  for (const char* none : {"", "\n", "0", "0:", "::"}) {
    EXPECT_EQ(CgroupPathOfProcess(none), "") << none;
  }
}

// ---- Hosts with cgroups of version 1 ----

const std::string kPodPath = "/kubepods/burstable/pod" + kUid + "/" + kId;

struct TextForm {
  std::string text, container, pod, unit;
};

TEST(ParseV1Cgroups, TakesTheNamesOfAnyHierarchy) {
  const TextForm forms[] = {
      {"", "", "", ""},
      {"0::/system.slice/docker-" + kId + ".scope\n", "", "", ""},
      {"9:memory:/docker/" + kId + "\n0::/\n", kId, "", ""},
      {"9:memory:/\n8:cpu:" + kPodPath + "\n1:name=systemd:/\n", kId, kUid, ""},
      {"4:cpu:" + kPodPath + "\n1:name=systemd:/system.slice/kubelet.service\n", kId, kUid,
       "kubelet.service"},
      {"4:cpu:/a.service\n1:name=systemd:/system.slice/b.service\n", "", "", "b.service"},
      {"1:name=systemd:/system.slice/b.service\n4:cpu:/a.service\n", "", "", "b.service"},
  };
  for (const TextForm& form : forms) {
    SCOPED_TRACE(form.text);
    const Cgroup names = ParseV1Cgroups(form.text);
    EXPECT_EQ(names.path, "");
    EXPECT_EQ(names.container, form.container);
    EXPECT_EQ(names.pod, form.pod);
    EXPECT_EQ(names.unit, form.unit);
  }
}

// A host whose sockets are all in the cgroup "/system.slice/docker.service" of version 2, and a
// process with this text in its file "cgroup".
class HybridTest : public CgroupPathsTest {
 protected:
  static constexpr uint64_t kStart = 77;

  CgroupId Process(const std::string& text) {
    tree_.Pid(5, "nginx", kStart).File("cgroup", text);
    tree_.Self("cgroup", text);
    return IdOf(Make("/system.slice/docker.service"));
  }
};

TEST_F(HybridTest, NamesTheContainerThatOnlyVersionOneNames) {
  const CgroupId id =
      Process("8:memory:" + kPodPath + "\n1:name=systemd:/\n0::/system.slice/docker.service\n");
  Cgroups cgroups(tree_.root());
  EXPECT_EQ(cgroups.Find(id)->container, "") << "without the process";
  for (int i = 0; i < 2; ++i) {
    const Cgroup* const cgroup = cgroups.FindHeldBy(id, Pid(5), kStart);
    ASSERT_NE(cgroup, nullptr);
    EXPECT_EQ(cgroup->path, "/system.slice/docker.service") << "still the socket's own";
    EXPECT_EQ(cgroup->container, kId);
    EXPECT_EQ(cgroup->pod, kUid);
    EXPECT_EQ(cgroup->unit, "docker.service");
    EXPECT_EQ(cgroups.FindHeldBy(id, Pid(5), kStart), cgroup) << "made once";
    cgroups.Refresh();
  }
  const Cgroup* const own = cgroups.OfProcess(Pid(5), kStart);
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->path, "/system.slice/docker.service");
  EXPECT_EQ(own->container, kId);
  EXPECT_EQ(cgroups.FindHeldBy(id, Pid(5), kStart + 1)->container, "") << "another process";
}

TEST_F(HybridTest, ASocketsOwnContainerIsNotReplaced) {
  Process("8:memory:/docker/" + std::string(64, 'e') + "\n0::/x\n");
  const CgroupId id = IdOf(Make("/docker/" + kId));
  Cgroups cgroups(tree_.root());
  EXPECT_EQ(cgroups.FindHeldBy(id, Pid(5), kStart)->container, kId);
}

// With version 2 alone, the process can be in another cgroup than its socket.
TEST_F(HybridTest, WithoutVersionOneTheProcessIsNotAsked) {
  const CgroupId id = Process("0::/docker/" + kId + "\n");
  Cgroups cgroups(tree_.root());
  EXPECT_FALSE(HasV1Cgroups(tree_.root()));
  EXPECT_EQ(cgroups.FindHeldBy(id, Pid(5), kStart)->container, "");
}

TEST_F(HybridTest, WithoutVersionTwoTheNamesAreThoseOfTheProcess) {
  Process("8:memory:/docker/" + kId + "\n1:name=systemd:/system.slice/docker.service\n");
  WriteMountInfo("");
  Cgroups cgroups(tree_.root());
  EXPECT_TRUE(HasV1Cgroups(tree_.root()));
  EXPECT_EQ(cgroups.Find(CgroupId(1)), nullptr);
  const Cgroup* const cgroup = cgroups.FindHeldBy(CgroupId(1), Pid(5), kStart);
  ASSERT_NE(cgroup, nullptr);
  EXPECT_EQ(cgroup->path, "") << "the socket's cgroup is not known";
  EXPECT_EQ(cgroup->container, kId);
  EXPECT_EQ(cgroup->unit, "docker.service");
  EXPECT_EQ(cgroups.FindHeldBy(CgroupId(1), Pid(6), kStart), nullptr);
}

TEST(Cgroups, OfAProcessIsItsOwnAndOfNoSuccessor) {
  Cgroups cgroups;
  std::ifstream file("/proc/self/stat");
  const std::string stat((std::istreambuf_iterator<char>(file)), {});
  std::istringstream rest(stat.substr(stat.rfind(')') + 2));
  std::string word;
  for (int field = 3; field <= 22; ++field) rest >> word;
  const uint64_t start = std::stoull(word);
  std::ifstream own("/proc/self/cgroup");
  const std::string text((std::istreambuf_iterator<char>(own)), {});
  const Cgroup* const cgroup = cgroups.OfProcess(Pid(getpid()), start);
  ASSERT_NE(cgroup, nullptr);
  EXPECT_EQ(cgroup->path, CgroupPathOfProcess(text));
  EXPECT_EQ(cgroups.OfProcess(Pid(getpid()), start), cgroup);
  EXPECT_EQ(cgroups.OfProcess(Pid(getpid()), start + 1), nullptr);
}

}  // namespace
}  // namespace netdiag
