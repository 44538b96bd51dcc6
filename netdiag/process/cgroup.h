// netdiag/process/cgroup.h — the path of a cgroup v2, from the id that the kernel gives for a
// socket.
//
//   CgroupPaths cgroups;
//   if (auto path = cgroups.Find(socket.cgroup_id())) Print(*path);   //
//   "/system.slice/ssh.service"
//
// The id is the inode number of the cgroup's directory and never passes to another one, so the
// hierarchy is walked only when an id is asked for that the last walk did not meet.
//
// Cost: a walk opens and lists every cgroup (about 5 µs each). At most one walk for a new id and
// kMaxWalks in all, until Refresh(): sockets can name any number of cgroups that are gone. A known
// id costs a binary search.
//
// Lifetime: a path is valid until the next Find() or destruction. No descriptor stays open.
//
// Threads: thread-compatible; Find() needs exclusive access.
//
// Errors: none. No cgroup2 mount, no permission, a cgroup outside the mount or gone: nullopt.
//
// Source: cgroup_id() and kernfs_ino(), include/linux/{cgroup,kernfs}.h; proc(5), mountinfo.

#ifndef NETDIAG_PROCESS_CGROUP_H_
#define NETDIAG_PROCESS_CGROUP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/types/types.h"

namespace netdiag {

class CgroupPaths {
 public:
  static constexpr size_t kMaxWalks = 8;

  // `proc_root`: its self/mountinfo tells where the hierarchy is, also beside cgroup v1 (often
  // /sys/fs/cgroup/unified).
  explicit CgroupPaths(std::string proc_root = "/proc") : proc_root_(std::move(proc_root)) {}

  // The path relative to the mount, "/" for its root.
  std::optional<std::string_view> Find(CgroupId id);
  // Allows kMaxWalks walks anew; ids that were unknown are looked for again. Once a listing, say.
  void Refresh() { walks_ = 0; }

 private:
  struct Entry {
    uint64_t id;
    size_t offset;  // of the path in text_
    size_t size;
  };

  void Walk();
  void Add(uint64_t id, std::string_view parent, std::string_view name);
  std::optional<std::string_view> FindKnown(uint64_t id) const;

  std::string proc_root_;
  std::vector<Entry> entries_;  // by id
  std::string text_;            // the paths
  // The ids that this pass's walks were made for.
  std::array<uint64_t, kMaxWalks> sought_{};
  size_t walks_ = 0;
};

}  // namespace netdiag

#endif  // NETDIAG_PROCESS_CGROUP_H_
