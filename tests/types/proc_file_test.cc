#include "netdiag/types/proc_file.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <ostream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netdiag::internal {
namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text)
      : path_(::testing::TempDir() + "/proc_file_test_" + std::to_string(getpid())) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(ReadProcFile, GivesTheWholeFile) {
  for (const size_t size : {0, 1, 4095, 32768, 32769, 200'000}) {
    std::string text(size, 'x');
    if (size > 1) text[size / 2] = '\0';
    const TemporaryFile file(text);
    EXPECT_EQ(ReadProcFile(file.path(), kMaxMountInfo), text) << size;
  }
}

// procfs reports a size of 0 and returns about one page per read.
TEST(ReadProcFile, ReadsProcfsWhoseFilesHaveNoSize) {
  const std::string mounts = ReadProcFile("/proc/self/mountinfo", kMaxMountInfo);
  EXPECT_TRUE(mounts.ends_with('\n'));
  const std::string maps = ReadProcFile("/proc/self/smaps", size_t{1} << 20);
  EXPECT_GT(maps.size(), 3u * 4096) << "needs several reads";
  EXPECT_TRUE(maps.ends_with('\n'));
}

TEST(ReadProcFile, StopsSoonAfterItsLimit) {
  const TemporaryFile file(std::string(300'000, 'x'));
  for (const size_t limit : {1, 4096, 40'000, 100'000}) {
    SCOPED_TRACE(limit);
    const std::string text = ReadProcFile(file.path(), limit);
    EXPECT_GE(text.size(), limit);
    EXPECT_LT(text.size(), limit + 32768 + 1);
  }
}

TEST(ReadProcFile, SaysWhyItCouldNotOpen) {
  errno = 0;
  EXPECT_EQ(ReadProcFile("/proc/no/such/file", 4096), "");
  EXPECT_EQ(errno, ENOENT);
}

TEST(ReadProcFile, IsEmptyIfTheFileCannotBeRead) {
  EXPECT_EQ(ReadProcFile("/proc", 4096), "") << "open() succeeds for a directory, and read() fails";
}

TEST(TakeUntil, TakesThePartsInOrder) {
  std::string_view text = "a,,bc";
  EXPECT_EQ(TakeUntil(',', &text), "a");
  EXPECT_EQ(text, ",bc");
  EXPECT_EQ(TakeUntil(',', &text), "");
  EXPECT_EQ(TakeUntil(',', &text), "bc") << "no separator follows the last part";
  EXPECT_EQ(text, "");
  EXPECT_EQ(TakeUntil(',', &text), "");
  text = "a,";
  EXPECT_EQ(TakeUntil(',', &text), "a");
  EXPECT_EQ(text, "");
}

TEST(TakeWord, SkipsBlanksBeforeAWord) {
  std::string_view text = " \ta  bc\t";
  EXPECT_EQ(TakeWord(" \t", &text), "a");
  EXPECT_EQ(text, "  bc\t");
  EXPECT_EQ(TakeWord(" \t", &text), "bc");
  EXPECT_EQ(TakeWord(" \t", &text), "");
  EXPECT_EQ(text, "");
  EXPECT_EQ(TakeWord(" \t", &text), "");
}

struct Mount {
  std::string root, point, type;
  friend bool operator==(const Mount&, const Mount&) = default;
  friend void PrintTo(const Mount& mount, std::ostream* out) {
    *out << mount.root << " | " << mount.point << " | " << mount.type;
  }
};

std::vector<Mount> MountsOf(std::string_view mountinfo) {
  std::vector<Mount> mounts;
  for (MountLine line; NextMount(&mountinfo, &line);) {
    mounts.push_back({std::string(line.root), line.mount_point, std::string(line.type)});
  }
  EXPECT_EQ(mountinfo, "");
  return mounts;
}

TEST(NextMount, ReadsLinesWithAnyNumberOfTags) {
  EXPECT_THAT(MountsOf("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n"
                       "37 35 0:4 net:[4026531840] /run/netns/blue rw - nsfs nsfs rw\n"
                       "38 35 0:5 / /x rw shared:3 master:1 propagate_from:2 - tmpfs tmpfs rw\n"),
              ::testing::ElementsAre(Mount{"/mnt1", "/mnt2", "ext3"},
                                     Mount{"net:[4026531840]", "/run/netns/blue", "nsfs"},
                                     Mount{"/", "/x", "tmpfs"}));
}

TEST(NextMount, ReadsEscapesInMountPoints) {
  const auto point = [](std::string_view text) {
    const std::vector<Mount> mounts =
        MountsOf("1 2 0:4 / " + std::string(text) + " rw - nsfs nsfs rw");
    return mounts.size() == 1 ? mounts[0].point : "not one line";
  };
  EXPECT_EQ(point("/a\\040b\\011c\\012d\\134e"), "/a b\tc\nd\\e");
  EXPECT_EQ(point("/a\\040"), "/a ") << "at the end";
  EXPECT_EQ(point("\\040"), " ") << "alone";
  EXPECT_EQ(point("/\\1340401"), "/\\0401") << "the result of an escape is not an escape";
  EXPECT_EQ(point("/\\377"), "/\xff");
  // Other backslashes are kept.
  for (const char* plain : {"/a\\", "/a\\04", "/a\\0", "/a\\089", "/a\\x20b", "/\\\\"}) {
    EXPECT_EQ(point(plain), plain);
  }
}

TEST(NextMount, SkipsInvalidLines) {
  EXPECT_THAT(MountsOf(""), ::testing::IsEmpty());
  EXPECT_THAT(MountsOf("\n\nrubbish\n1 2 3 4 5 6 nsfs\n"), ::testing::IsEmpty());
  EXPECT_THAT(MountsOf("rubbish\n1 2 0:4 / /x rw - nsfs nsfs rw"),
              ::testing::ElementsAre(Mount{"/", "/x", "nsfs"}));
  // If there are too few fields, the missing ones are empty; the next line is not read.
  EXPECT_THAT(MountsOf("1 - \n2 - x\n - y z"),
              ::testing::ElementsAre(Mount{"", "", ""}, Mount{"", "", "x"}, Mount{"", "", "y"}));
}

TEST(KernelIsAtLeast, ComparesMajorAndMinor) {
  EXPECT_TRUE(KernelIsAtLeast(2, 99));
  EXPECT_TRUE(KernelIsAtLeast(5, 8)) << "no older kernel is supported";
  EXPECT_FALSE(KernelIsAtLeast(99, 0));
}

TEST(NextMount, FindsTheMountsOfThisHost) {
  const std::vector<Mount> mounts = MountsOf(ReadProcFile("/proc/self/mountinfo", kMaxMountInfo));
  EXPECT_THAT(mounts, ::testing::Contains(::testing::Field(&Mount::point, "/")));
  EXPECT_THAT(mounts, ::testing::Contains(Mount{"/", "/proc", "proc"}));
}

}  // namespace
}  // namespace netdiag::internal
