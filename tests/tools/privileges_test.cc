// diag with file capabilities, run by a user who has none.

#include <linux/capability.h>
#include <linux/xattr.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/run_program.h"

namespace diag {
namespace {

using netdiag::testing::kDiag;
using netdiag::testing::Outcome;
using netdiag::testing::RunProgram;
using ::testing::HasSubstr;
using ::testing::Not;

class Privileges : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "giving a file capabilities needs root";
    // Other users can reach /tmp, but perhaps not the directory of the tests.
    directory_ = "/tmp/netdiag_XXXXXX";
    ASSERT_NE(mkdtemp(directory_.data()), nullptr);
    ASSERT_EQ(chmod(directory_.c_str(), 0755), 0);
    program_ = directory_ + "/diag";
    std::filesystem::copy_file(kDiag, program_);
    chmod(program_.c_str(), 0755);
    // What docs/security.md gives to diag.
    constexpr unsigned kGiven = 1u << CAP_SYS_PTRACE | 1u << CAP_DAC_READ_SEARCH;
    const vfs_cap_data capabilities = {
        .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
        .data = {{.permitted = kGiven, .inheritable = 0}, {.permitted = 0, .inheritable = 0}}};
    if (setxattr(program_.c_str(), XATTR_NAME_CAPS, &capabilities, XATTR_CAPS_SZ_2, 0) != 0) {
      GTEST_SKIP() << "this file system keeps no capabilities: " << std::strerror(errno);
    }
    secret_ = directory_ + "/secret";
    std::ofstream(secret_) << "topsecret 1\n";
    chmod(secret_.c_str(), 0600);
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  Outcome Run(std::vector<std::string> words, const std::string& environment = {}) {
    return RunProgram(program_, std::move(words), [&] {
      if (!environment.empty()) putenv(const_cast<char*>(environment.c_str()));
      if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(126);
    });
  }

  std::string directory_, program_, secret_;
};

TEST_F(Privileges, ShowTheOwnersOfOtherUsersSockets) {
  const Outcome outcome = Run({"-xp"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, Not(HasSubstr("CAP_")));
}

TEST_F(Privileges, OpenNoFileThatTheCallerMayNotRead) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"-t", "-F", secret_}, {"--replay", secret_}, {"-tp", "--passwd", secret_}}) {
    const Outcome outcome = Run(words);
    EXPECT_NE(outcome.exit_code, 0) << words[0];
    EXPECT_THAT(outcome.err, HasSubstr("Permission denied")) << words[0];
    EXPECT_THAT(outcome.err + outcome.out, Not(HasSubstr("topsecret"))) << words[0];
  }
}

TEST_F(Privileges, WriteNoFileThatTheCallerMayNotWrite) {
  const Outcome outcome = Run({"-t", "--capture", secret_});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("Permission denied"));
  EXPECT_EQ(std::filesystem::file_size(secret_), std::strlen("topsecret 1\n"));
}

TEST_F(Privileges, ReadNoProcfsOfTheCallers) {
  EXPECT_THAT(Run({"-tp", "--proc", directory_}).err, HasSubstr("Operation not permitted"));
  // The environment is ignored.
  const Outcome outcome = Run({"-tp"}, "HOST_PROC=" + directory_);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

}  // namespace
}  // namespace diag
