// The executable and the arguments of processes, in made-up process trees and of real processes.

#include "netdiag/process/program.h"

#include <sys/prctl.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>

#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"
#include "tests/process/process_testing.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

using testing::Child;
using testing::ProcTree;

Owner OwnerOf(int32_t pid, uint64_t start_time) {
  return {.pid = Pid(pid), .start_time = start_time};
}

// The arguments that Programs reads of a file with this text; "(none)" if the program is not known.
std::string ArgsOf(std::string_view cmdline) {
  ProcTree tree;
  tree.Pid(42, "nginx", 1000);
  std::ofstream(tree.path("cmdline"), std::ios::binary) << cmdline;
  Programs programs(tree.root());
  const Program* const program = programs.Of(OwnerOf(42, 1000));
  return program != nullptr ? program->args : "(none)";
}

std::string Bytes(std::string_view text) { return std::string(text); }

TEST(Programs, HaveTheExecutableAndTheArgumentsOfTheProcess) {
  using namespace std::string_view_literals;
  ProcTree tree;
  tree.Pid(42, "nginx", 1000);
  std::filesystem::create_symlink("/usr/sbin/nginx (deleted)", tree.path("exe"));
  std::ofstream(tree.path("cmdline"), std::ios::binary) << "nginx\0-g\0daemon off;\0"sv;
  Programs programs(tree.root());
  const Program* const program = programs.Of(OwnerOf(42, 1000));
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(program->exe, "/usr/sbin/nginx (deleted)");
  EXPECT_EQ(program->args, "nginx\0-g\0daemon off;"sv);
}

TEST(Programs, KeepEmptyArgumentsExceptAtTheEnd) {
  using namespace std::string_view_literals;
  EXPECT_EQ(ArgsOf("a\0\0b\0"sv), "a\0\0b"sv);
  EXPECT_EQ(ArgsOf("\0a\0"sv), "\0a"sv);
  EXPECT_EQ(ArgsOf("nginx: worker process\0\0\0\0"sv), "nginx: worker process");
  EXPECT_EQ(ArgsOf("no end"), "no end");
  EXPECT_EQ(ArgsOf("\0\0\0"sv), "");
  EXPECT_EQ(ArgsOf(""), "");
}

TEST(Programs, KeepAnyBytesOfTheArguments) {
  std::string any;
  for (int byte = 1; byte < 256; ++byte) any.push_back(static_cast<char>(byte));
  EXPECT_EQ(ArgsOf(any), any);
}

TEST(Programs, MarkArgumentsThatWereCut) {
  using namespace std::string_literals;
  constexpr size_t kMax = Programs::kMaxArgs;
  const std::string whole(kMax, 'x');
  EXPECT_EQ(ArgsOf(whole), whole);
  EXPECT_EQ(ArgsOf(whole + '\0'), whole);
  EXPECT_EQ(ArgsOf(whole + "y"), whole + '\0' + Bytes(Programs::kCut));
  EXPECT_EQ(ArgsOf(whole + "\0y"s), whole + '\0' + Bytes(Programs::kCut));
  const std::string ends_there(kMax - 1, 'x');
  EXPECT_EQ(ArgsOf(ends_there + "\0y\0"s), ends_there + '\0' + Bytes(Programs::kCut));
  EXPECT_EQ(ArgsOf(std::string(10 * kMax, 'x')), whole + '\0' + Bytes(Programs::kCut));
}

TEST(Programs, AreUnknownIfThePidHasPassedToAnotherProcess) {
  ProcTree tree;
  tree.Pid(42, "nginx", 1000);
  std::ofstream(tree.path("cmdline")) << "nginx";
  Programs programs(tree.root());
  EXPECT_EQ(programs.Of(OwnerOf(42, 999)), nullptr);
  EXPECT_EQ(programs.Of(OwnerOf(42, 0)), nullptr);
  EXPECT_EQ(programs.Of(OwnerOf(43, 1000)), nullptr);
  ASSERT_NE(programs.Of(OwnerOf(42, 1000)), nullptr);
  EXPECT_EQ(programs.Of(OwnerOf(42, 1000))->args, "nginx");
}

TEST(Programs, AreReadOnceForEachProcess) {
  ProcTree tree;
  tree.Pid(42, "nginx", 1000);
  std::ofstream(tree.path("cmdline")) << "before";
  Programs programs(tree.root());
  const Program* const program = programs.Of(OwnerOf(42, 1000));
  std::ofstream(tree.path("cmdline")) << "after";
  EXPECT_EQ(programs.Of(OwnerOf(42, 1000)), program);
  EXPECT_EQ(program->args, "before");
  EXPECT_GE(programs.memory(), sizeof(programs) + sizeof(Program));
  programs.Refresh();
  EXPECT_EQ(programs.Of(OwnerOf(42, 1000))->args, "after");
}

TEST(Programs, HaveNoTextsIfTheProcessHasNone) {
  ProcTree tree;
  tree.Pid(42, "kthreadd", 1000);
  Programs programs(tree.root());
  const Program* const program = programs.Of(OwnerOf(42, 1000));
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(program->exe, "");
  EXPECT_EQ(program->args, "");
}

// An owner of this process's own kind: the pid and the start time of a real process.
std::optional<Owner> RealOwner(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t close = text.rfind(')');
  if (close == text.npos) return std::nullopt;
  size_t at = close;
  for (int blanks = 0; blanks < 20; ++blanks) at = text.find(' ', at + 1);
  return OwnerOf(pid, std::stoull(text.substr(at + 1)));
}

TEST(Programs, OfThisProcessAreWhatTheKernelSays) {
  Programs programs;
  const Program* const program = programs.Of(*RealOwner(getpid()));
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(program->exe, std::filesystem::read_symlink("/proc/self/exe"));
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string args((std::istreambuf_iterator<char>(file)), {});
  while (args.ends_with('\0')) args.pop_back();
  EXPECT_EQ(program->args, args);
}

TEST(Programs, OfAProcessThatHasEndedAreUnknown) {
  Child child([] {});
  const std::optional<Owner> owner = RealOwner(child.pid());
  ASSERT_TRUE(owner.has_value());
  child.End();
  Programs programs;
  EXPECT_EQ(programs.Of(*owner), nullptr);
}

TEST(Programs, OfAnotherUserHaveNoExecutableWithoutPermission) {
  if (geteuid() != 0) GTEST_SKIP() << "a process of another user needs root";
  Child child([] { prctl(PR_SET_DUMPABLE, 0); });
  const std::optional<Owner> owner = RealOwner(child.pid());
  ASSERT_TRUE(owner.has_value());
  testing::RunUnprivileged([&] {
    Programs programs;
    const Program* const program = programs.Of(*owner);
    ASSERT_NE(program, nullptr);
    EXPECT_EQ(program->exe, "");
    EXPECT_NE(program->args, "");  // the kernel shows these to every user
  });
}

}  // namespace
}  // namespace netdiag
