// tests/testing/proc_tree.h — a directory in the form of /proc, made at run time.
//
//   ProcTree tree;
//   tree.Pid(42, "nginx", 1000).Fd(6, Inode(123)).Fd(7, "/dev/null").Pid(43, "worker", 1001);
//   OwnerIndex index({.proc_root = tree.root()});
//
// Fd() and the functions like it add to the process of the last Pid(). A failure ends the program,
// because it is a failure of the test's machine. The destructor removes the tree.

#ifndef NETDIAG_TESTS_TESTING_PROC_TREE_H_
#define NETDIAG_TESTS_TESTING_PROC_TREE_H_

#include <sys/stat.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>

#include "netdiag/types/types.h"

namespace netdiag::testing {

class ProcTree {
 public:
  ProcTree() {
    // In memory if possible, because there are many links. Not in TEST_TMPDIR, which other users
    // may be unable to read.
    root_ = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    root_ += "/netdiag-proc-XXXXXX";
    Check(mkdtemp(root_.data()) != nullptr, root_);
    Check(chmod(root_.c_str(), 0755) == 0, root_);
  }
  ProcTree(const ProcTree&) = delete;
  ProcTree& operator=(const ProcTree&) = delete;
  ~ProcTree() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  const std::string& root() const { return root_; }
  // A path in the directory of the last process.
  std::string path(std::string_view name) const { return process_ + "/" + std::string(name); }

  ProcTree& Pid(int pid, std::string_view command, uint64_t start_time) {
    process_ = root_ + "/" + std::to_string(pid);
    Check(mkdir(process_.c_str(), 0755) == 0, process_);
    Check(mkdir(path("fd").c_str(), 0755) == 0, process_);
    std::string stat = std::to_string(pid) + " (" + std::string(command) + ") S";
    for (int field = 4; field <= 52; ++field) {
      stat += ' ';
      stat += field == 22 ? std::to_string(start_time) : std::to_string(field);
    }
    return File("stat", stat + "\n");
  }
  ProcTree& Fd(int fd, std::string_view target) {
    const std::string link = path("fd/" + std::to_string(fd));
    Check(symlink(std::string(target).c_str(), link.c_str()) == 0, link);
    return *this;
  }
  ProcTree& Fd(int fd, Inode socket) {
    return Fd(fd, "socket:[" + std::to_string(socket.value()) + "]");
  }
  ProcTree& Uids(uint32_t real, uint32_t effective, uint32_t saved, uint32_t filesystem) {
    std::string line = "Name:\tx\nPid:\t1\nUid:";
    for (const uint32_t id : {real, effective, saved, filesystem})
      line += "\t" + std::to_string(id);
    return File("status", line + "\nGid:\t0\t0\t0\t0\n");
  }
  ProcTree& File(std::string_view name, std::string_view text) {
    Write(path(name), text);
    return *this;
  }
  ProcTree& Remove(std::string_view name) {
    std::filesystem::remove_all(path(name));
    return *this;
  }
  // Writes a file of /proc/self, which is not a process of the tree: Self("mountinfo", …).
  ProcTree& Self(std::string_view name, std::string_view text) {
    mkdir((root_ + "/self").c_str(), 0755);
    Write(root_ + "/self/" + std::string(name), text);
    return *this;
  }
  // Adds processes with pids from 1000 on. Each has `sockets` sockets of its own, with inodes from
  // `first` on and descriptors from 3 on.
  ProcTree& Population(int processes, int sockets, Inode first) {
    uint32_t inode = first.value();
    for (int p = 0; p < processes; ++p) {
      Pid(1000 + p, "holder", static_cast<uint64_t>(5000 + p));
      for (int s = 0; s < sockets; ++s) Fd(3 + s, Inode(inode++));
    }
    return *this;
  }

 private:
  static void Check(bool good, const std::string& what) {
    if (good) return;
    std::perror(what.c_str());
    std::abort();
  }

  static void Write(const std::string& path, std::string_view text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text << std::flush;
    Check(file.good(), path);
  }

  std::string root_;
  std::string process_;
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_PROC_TREE_H_
