#include "tools/diag/contexts.h"

#include <sys/xattr.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/types/error.h"
#include "tests/testing/status_matchers.h"

namespace diag {
namespace {

using netdiag::Pid;
using netdiag::testing::IsOk;

class ContextsTest : public ::testing::Test {
 protected:
  ContextsTest() : root_(::testing::TempDir() + "/contexts") {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~ContextsTest() override { std::filesystem::remove_all(root_); }
  void Write(const std::string& path, std::string_view text) const {
    const std::filesystem::path file = root_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  const std::string root_;
};

TEST_F(ContextsTest, AreRefusedWhereSelinuxIsOff) {
  const absl::Status off = Contexts::Check(root_);
  EXPECT_FALSE(off.ok());
  EXPECT_THAT(std::string(off.message()), ::testing::HasSubstr("SELinux is not enabled"));
  Write("fs/selinux/enforce", "1");
  EXPECT_THAT(Contexts::Check(root_), IsOk());
}

TEST_F(ContextsTest, OfProcessesAreReadOnceAndEscaped) {
  Write("7/attr/current", std::string_view("system_u:system_r:sshd_t:s0\0", 28));
  Write("8/attr/current", "a\x1b[2J\n");
  Contexts contexts(root_);
  const auto of = [&](int pid) {
    std::string out;
    contexts.AppendProcess(Pid(pid), &out);
    return out;
  };
  EXPECT_EQ(of(7), "system_u:system_r:sshd_t:s0");
  EXPECT_EQ(of(8), "a\\x1b[2J");
  EXPECT_EQ(of(9), "unavailable");
  Write("7/attr/current", "changed");
  EXPECT_EQ(of(7), "system_u:system_r:sshd_t:s0");
}

TEST_F(ContextsTest, OfSocketsAreTheirAttribute) {
  Write("7/fd/3", "");
  Write("7/fd/4", "");
  const std::string file = root_ + "/7/fd/3";
  const std::string context = "system_u:object_r:tcp_socket:s0";
  if (setxattr(file.c_str(), "security.selinux", context.c_str(), context.size() + 1, 0) != 0) {
    ASSERT_TRUE(errno == ENOTSUP || errno == EPERM) << std::strerror(errno);
    GTEST_SKIP() << "no security attributes on " << root_ << ": " << std::strerror(errno);
  }
  const Contexts contexts(root_);
  std::string out;
  contexts.AppendSocket(Pid(7), 3, &out);
  EXPECT_EQ(out, context);
  out.clear();
  contexts.AppendSocket(Pid(7), 4, &out);
  EXPECT_EQ(out, "unavailable");
}

}  // namespace
}  // namespace diag
