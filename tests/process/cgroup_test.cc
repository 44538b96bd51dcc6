#include "netdiag/process/cgroup.h"

#include <sys/stat.h>

#include <filesystem>
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

// A made-up hierarchy "mount point" (with a blank), and a /proc that tells of it.
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

// The live hierarchy, if the machine has one: mountinfo is asked by other means.
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

}  // namespace
}  // namespace netdiag
