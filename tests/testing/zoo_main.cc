// Makes the zoo, prints the path of its namespace and READY, and keeps it until stdin closes. For
// comparing what other programs print.

#include <cstdio>
#include <sched.h>
#include <unistd.h>

#include "tests/testing/zoo.h"

int main() {
  const netdiag::testing::Zoo zoo;
  if (setns(zoo.netns_fd(), CLONE_NEWNET) != 0) {
    std::perror("zoo: setns");
    return 1;
  }
  std::printf("/proc/%d/ns/net\nREADY\n", getpid());
  std::fflush(stdout);
  char ignored[64];
  while (read(STDIN_FILENO, ignored, sizeof(ignored)) > 0) {
  }
  return 0;
}
