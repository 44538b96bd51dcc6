#include "netdiag/process/cgroup.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/process/process_testing.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

namespace fs = std::filesystem;
using testing::OpenDescriptors;
using testing::ProcTree;
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
