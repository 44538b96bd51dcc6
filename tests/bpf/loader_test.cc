// The loader that the build makes, with programs of its own (probe.bpf.c).

#include "netdiag/bpf/loader.h"

#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "netdiag/bpf/calls.h"
#include "tests/bpf/probe_format.h"

namespace netdiag::bpf {
namespace {

#include "tests/bpf/probe.inc"

int FirstFreeDescriptor() {
  const int fd = dup(0);
  close(fd);
  return fd;
}

// Runs the program once for each map of the kernel.
void RunPass(int program) {
  const Made link = LinkIterator(program, 0);
  ASSERT_EQ(link.error, 0);
  const Made pass = StartIterator(link.fd.get());
  ASSERT_EQ(pass.error, 0);
  char nothing = 0;
  ASSERT_EQ(read(pass.fd.get(), &nothing, 1), 0);
}

class BpfLoader : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "BPF programs need root";
    if (CheckRelocations() == -E2BIG) GTEST_SKIP() << "this kernel is older than 5.17";
    if (access("/sys/kernel/btf/vmlinux", R_OK) != 0) GTEST_SKIP() << "this kernel has no BTF";
    before_ = FirstFreeDescriptor();
  }
  void TearDown() override {
    if (IsSkipped()) return;
    EXPECT_EQ(FirstFreeDescriptor(), before_);
  }
  int LoadProbe(const Choice& choice) { return Load(kLoaders, choice, &object_, &words_); }
  ProbeOutput Output() {
    const internal::UniqueFd map = object_.Take(".bss");
    ProbeOutput output = {};
    const uint32_t key = 0;
    EXPECT_EQ(LookupElement(map.get(), &key, &output), 0);
    return output;
  }
  // The value of the last of five cells, or an error.
  int LastCell() {
    const internal::UniqueFd map = object_.Take("cells");
    const uint32_t key = 4;
    uint32_t value = 0;
    const int error = LookupElement(map.get(), &key, &value);
    return error < 0 ? error : static_cast<int>(value);
  }
  void Unload() { object_ = LoadedObject(); }

  std::string words_;
  LoadedObject object_;

 private:
  int before_ = -1;
};

TEST_F(BpfLoader, LoadsWhatTheSourceSays) {
  ASSERT_EQ(LoadProbe({.program = "Works"}), 0) << words_;
  RunPass(object_.program.get());
  const ProbeOutput output = Output();
  EXPECT_EQ(output.constant, 7u);
  EXPECT_GE(output.runs, 1u);
  EXPECT_EQ(LastCell(), -ENOENT) << "the source has three cells";
  EXPECT_FALSE(object_.Take("absent").ok());
  Unload();
}

TEST_F(BpfLoader, TakesConstantsAndTheSizeOfAMap) {
  const uint32_t constant = 42;
  ASSERT_EQ(LoadProbe({.program = "Works",
                       .sized = "cells",
                       .elements = 5,
                       .constants = std::as_bytes(std::span(&constant, 1))}),
            0)
      << words_;
  RunPass(object_.program.get());
  EXPECT_EQ(Output().constant, 42u);
  EXPECT_EQ(LastCell(), 42);
  Unload();
}

TEST_F(BpfLoader, RefusesConstantsOfAnotherSize) {
  const uint64_t constant = 42;
  EXPECT_EQ(LoadProbe({.program = "Works", .constants = std::as_bytes(std::span(&constant, 1))}),
            -EINVAL);
}

TEST_F(BpfLoader, EveryDescriptorIsClosedOnExec) {
  ASSERT_EQ(LoadProbe({.program = "Works"}), 0) << words_;
  EXPECT_EQ(object_.maps.size(), 3u);
  for (const internal::UniqueFd& map : object_.maps) {
    EXPECT_NE(fcntl(map.get(), F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_NE(fcntl(object_.program.get(), F_GETFD) & FD_CLOEXEC, 0);
  Unload();
}

TEST_F(BpfLoader, TellsWhyTheVerifierRefusesAProgram) {
  EXPECT_LT(LoadProbe({.program = "ReadsAnyAddress"}), 0);
  EXPECT_NE(words_.find("invalid mem access"), std::string::npos) << words_;
  EXPECT_EQ(words_.find('\n'), std::string::npos);
}

TEST_F(BpfLoader, AProgramThatIsNotThereIsNamedByAnError) {
  EXPECT_EQ(LoadProbe({.program = "Absent"}), -ENOENT);
  EXPECT_EQ(words_, "");
}

// The loader needs some descriptors for a moment, and closes what it has when the next one fails.
TEST_F(BpfLoader, LeavesNothingOpenWhereverDescriptorsEnd) {
  rlimit old = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const auto first = static_cast<rlim_t>(FirstFreeDescriptor());
  int failures = 0, error = -EMFILE;
  for (rlim_t more = 0; more < 20 && error != 0; ++more) {
    const rlimit limit = {.rlim_cur = first + more, .rlim_max = old.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    error = LoadProbe({.program = "Works"});
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
    if (error == 0) break;
    EXPECT_EQ(error, -EMFILE) << more;
    EXPECT_EQ(FirstFreeDescriptor(), static_cast<int>(first)) << more;
    ++failures;
  }
  EXPECT_EQ(error, 0);
  EXPECT_GT(failures, 4);
  Unload();
}

}  // namespace
}  // namespace netdiag::bpf
