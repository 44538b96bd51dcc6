// tests/tools/running_testing.h — diag while it runs, for commands that go on until they are told
// to stop.

#ifndef NETDIAG_TESTS_TOOLS_RUNNING_TESTING_H_
#define NETDIAG_TESTS_TOOLS_RUNNING_TESTING_H_

#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <optional>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {

// diag, running, with its output in a pipe.
class Running {
 public:
  // `pipe_size`: of the output, in bytes; 0: the system's default.
  explicit Running(std::vector<std::string> words, int pipe_size = 0) {
    int out[2];
    Check(pipe2(out, O_CLOEXEC) == 0, "pipe");
    if (pipe_size > 0) Check(fcntl(out[0], F_SETPIPE_SZ, pipe_size) > 0, "F_SETPIPE_SZ");
    out_ = out[0];
    err_ = memfd_create("err", MFD_CLOEXEC);
    words.insert(words.begin(), "diag");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    child_ = fork();
    if (child_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(err_, STDERR_FILENO);
      execv(kDiag, argv.data());
      _exit(127);
    }
    close(out[1]);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (child_ > 0) Wait();
    if (out_ >= 0) close(out_);
    close(err_);
  }

  // The next line; waits for it. nullopt at the end.
  std::optional<std::string> Line() {
    for (;;) {
      const size_t end = text_.find('\n');
      if (end != text_.npos) {
        const std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return line;
      }
      pollfd wait = {out_, POLLIN, 0};
      Check(poll(&wait, 1, 60'000) == 1, "a line of diag");
      char bytes[4096];
      const ssize_t size = read(out_, bytes, sizeof(bytes));
      if (size <= 0) return std::nullopt;
      text_.append(bytes, static_cast<size_t>(size));
    }
  }
  void Signal(int number) { kill(child_, number); }
  // One signal, for a diag that has written a line and so has its handlers. Returns as Wait() does.
  int Stop() {
    Signal(SIGINT);
    Rest();
    return Wait();
  }
  // Returns as Wait() does. More than one signal can reach a slow diag, and the second one ends it.
  int SignalUntilItEnds(int number) {
    siginfo_t ended = {};
    Await("the end of diag", [&] {
      kill(child_, number);
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return waitid(P_PID, static_cast<id_t>(child_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
             ended.si_pid == child_;
    });
    return Wait();
  }
  void CloseOutput() {
    close(out_);
    out_ = -1;
  }
  // Returns the exit code, or 128 + N if signal N killed it.
  int Wait() {
    int status = 0;
    EXPECT_EQ(waitpid(child_, &status, 0), child_);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  // What it has said until now.
  std::string Errors() const {
    std::string text(static_cast<size_t>(lseek(err_, 0, SEEK_END)), '\0');
    EXPECT_EQ(pread(err_, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return text;
  }
  // Reads all lines to the end.
  std::vector<std::string> Rest() {
    std::vector<std::string> lines;
    while (std::optional<std::string> line = Line()) lines.push_back(*std::move(line));
    return lines;
  }

 private:
  pid_t child_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::string text_;
};

// Makes events until it is destroyed. Where no header says that diag follows already, sockets must
// close until it has shown one.
class KeepClosing {
 public:
  explicit KeepClosing(std::function<void()> close_one)
      : thread_([this, close_one] {
          while (!over_) {
            close_one();
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
          }
        }) {}
  KeepClosing(const KeepClosing&) = delete;
  KeepClosing& operator=(const KeepClosing&) = delete;
  ~KeepClosing() {
    over_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

// Waits until `diag`, which follows sockets with their owners, has listed the sockets once. Sockets
// that closed before have no owner. `owner`: the text by which a line names this process.
inline void AwaitFirstLook(Running* diag, const std::string& owner) {
  const KeepClosing closing([life = std::chrono::milliseconds(100)]() mutable {
    const int listener = Listen(Loopback(Family::kInet6), 1);
    std::this_thread::sleep_for(life);
    close(listener);
    life += std::chrono::milliseconds(100);
  });
  for (;;) {
    const std::optional<std::string> line = diag->Line();
    Check(line.has_value(), "another line of diag: " + diag->Errors());
    if (line->find("[::1]:") != line->npos && line->find(owner) != line->npos) return;
  }
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TOOLS_RUNNING_TESTING_H_
