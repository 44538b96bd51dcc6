#include "netdiag/process/process.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <unistd.h>

#include <gtest/gtest.h>
namespace netdiag {
namespace {
TEST(OwnerIndex, Smoke) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct stat st;
  fstat(fd, &st);
  OwnerIndex index;
  ASSERT_TRUE(index.Refresh().ok());
  Owners owners = index.Find(Inode(static_cast<uint32_t>(st.st_ino)));
  ASSERT_EQ(owners.size(), 1u);
  EXPECT_EQ(owners[0].pid, Pid(getpid()));
  EXPECT_EQ(owners[0].fd, fd);
  EXPECT_EQ(owners[0].command, "process_test");
  auto uids = index.ReadUids(owners[0]);
  ASSERT_TRUE(uids.ok()) << uids.status();
  EXPECT_EQ(uids->real, Uid(getuid()));
  close(fd);
}
}  // namespace
}  // namespace netdiag
