// tests/testing/run_program.h — runs a program to its end and returns what it wrote.
//
//   const Outcome outcome = RunProgram(kDiag, {"-tan"}, [&] { setns(netns, CLONE_NEWNET); });
//   EXPECT_EQ(outcome.exit_code, 0) << outcome.err;

#ifndef NETDIAG_TESTS_TESTING_RUN_PROGRAM_H_
#define NETDIAG_TESTS_TESTING_RUN_PROGRAM_H_

#include <sys/mman.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/testing/emulator.h"

namespace netdiag::testing {

// Relative to the working directory of a test. The Bazel target :run_program has the program in
// `data`.
inline constexpr char kDiag[] = "tools/diag/diag";

struct Outcome {
  int exit_code = -1;  // 128 + N if signal N killed it
  std::string out;
  std::string err;
};

inline std::string ReadAndClose(int file) {
  std::string text(static_cast<size_t>(lseek(file, 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(file, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  close(file);
  return text;
}

// Runs `program`, which is a path or is searched for in PATH. The child runs `prepare` first, in
// the namespaces of the calling thread. Its standard output is captured, or is `out`.
inline Outcome RunProgram(const std::string& program, std::vector<std::string> words,
                          const std::function<void()>& prepare = nullptr, int out = -1) {
  const int out_file = memfd_create("out", MFD_CLOEXEC);
  const int err_file = memfd_create("err", MFD_CLOEXEC);
  // Opened before `prepare`, which may enter another root or become a user who cannot reach it.
  const bool is_path = program.find('/') != program.npos;
  const int file = is_path ? open(program.c_str(), O_RDONLY | O_CLOEXEC) : -1;
  EXPECT_EQ(file >= 0, is_path) << program;
  const std::vector<std::string> emulator = is_path ? Emulator() : std::vector<std::string>{};
  words.insert(words.begin(), emulator.empty() ? program.substr(program.rfind('/') + 1) : program);
  words.insert(words.begin(), emulator.begin(), emulator.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(out >= 0 ? out : out_file, STDOUT_FILENO);
    dup2(err_file, STDERR_FILENO);
    if (prepare) prepare();
    if (is_path && emulator.empty()) fexecve(file, argv.data(), environ);
    if (!is_path || !emulator.empty()) execvp(argv[0], argv.data());
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", program.c_str(), std::strerror(errno));
    _exit(127);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (file >= 0) close(file);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), ReadAndClose(out_file),
          ReadAndClose(err_file)};
}

inline Outcome RunDiag(std::vector<std::string> words,
                       const std::function<void()>& prepare = nullptr, int out = -1) {
  return RunProgram(kDiag, std::move(words), prepare, out);
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_RUN_PROGRAM_H_
