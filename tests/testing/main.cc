// The main() of every test: GoogleTest's, and a check that the process has no more descriptors open
// than before.

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <map>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

// The target of every open descriptor, by number.
std::map<int, std::string> OpenDescriptors() {
  std::map<int, std::string> open;
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return open;
  while (const dirent* entry = readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] == '.' || fd == dirfd(directory)) continue;
    char target[PATH_MAX] = "";
    const ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
    open[fd] = std::string(target, size > 0 ? static_cast<size_t>(size) : 0);
  }
  closedir(directory);
  return open;
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  const std::map<int, std::string> before = OpenDescriptors();
  const int result = RUN_ALL_TESTS();
  bool leaked = before.empty();
  for (const auto& [fd, target] : OpenDescriptors()) {
    if (before.count(fd) != 0) continue;
    std::fprintf(stderr, "[  LEAKED  ] descriptor %d: %s\n", fd, target.c_str());
    leaked = true;
  }
  if (before.empty()) std::fprintf(stderr, "[  LEAKED? ] /proc/self/fd cannot be read\n");
  return result != 0 ? result : leaked ? 1 : 0;
}
