#include "bench/child.h"

#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>

#include "bench/population.h"

namespace netdiag::bench {
namespace {

// Uses fork(): a spawned child shares this process's memory until it executes, so its peak would
// include ours.
pid_t Start(const std::vector<std::string>& command, int output, int complaints) {
  const pid_t pid = fork();
  if (pid < 0) Die("fork");
  if (pid > 0) return pid;
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  dup2(output, STDOUT_FILENO);
  dup2(complaints, STDERR_FILENO);
  execvp(arguments[0], arguments.data());
  Die(command[0]);
}

rusage Finish(pid_t pid, const std::vector<std::string>& command) {
  int status = 0;
  rusage usage{};
  while (wait4(pid, &status, 0, &usage) < 0) {
    if (errno != EINTR) Die("wait4");
  }
  errno = ECHILD;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) Die(command[0] + " failed");
  return usage;
}

}  // namespace

ChildUsage RunToNull(const std::vector<std::string>& command) {
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null < 0) Die("/dev/null");
  const rusage usage = Finish(Start(command, null, null), command);
  close(null);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime),
          static_cast<double>(usage.ru_maxrss) / 1024};
}

std::vector<std::string> RunForLines(const std::vector<std::string>& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Die("pipe");
  const pid_t pid = Start(command, ends[1], STDERR_FILENO);
  close(ends[1]);
  std::vector<std::string> lines(1);
  char buffer[64 * 1024];
  for (ssize_t size; (size = read(ends[0], buffer, sizeof(buffer))) != 0;) {
    if (size < 0) Die("read");
    for (const char c : std::string_view(buffer, static_cast<size_t>(size))) {
      if (c == '\n') {
        lines.emplace_back();
      } else {
        lines.back().push_back(c);
      }
    }
  }
  close(ends[0]);
  Finish(pid, command);
  if (lines.back().empty()) lines.pop_back();
  return lines;
}

std::string DiagProgram() {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe");
  return here.parent_path().parent_path() / "tools/diag/diag";
}

}  // namespace netdiag::bench
