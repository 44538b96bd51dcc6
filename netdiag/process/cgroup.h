// SPDX-License-Identifier: Apache-2.0
//
// netdiag/process/cgroup.h — the cgroup of a socket or process, and what its path names: container,
// pod, systemd unit.
//
//   CgroupPaths cgroups;
//   if (auto path = cgroups.Find(socket.cgroup())) Print(ParseCgroup(*path).unit);
//
// The id of a cgroup is the inode number of its directory and is never used again. So the hierarchy
// is read only when an id is asked for that the last reading did not meet.
//
// Only cgroups of version 2 have ids. Where version 1 is mounted too (hybrid), or alone (legacy),
// containers can have their names in its hierarchies only. Then a socket's container is taken from
// /proc/PID/cgroup of a process that holds the socket.
//
// Cost: one reading opens and lists every cgroup (about 5 µs each). Until Refresh() there is at
// most one reading for each new id and kMaxWalks in all, because sockets can name any number of
// cgroups that are gone. A known id costs a binary search.
//
// Lifetime: a path is valid until the next Find() or destruction. No descriptor stays open.
//
// Threads: thread-compatible; Find() needs exclusive access.
//
// Errors: none. The result is nullopt if there is no cgroup2 mount, if it may not be read, or if
// the cgroup is outside the mount or gone.
//
// Source: cgroup_id() and kernfs_ino(), include/linux/{cgroup,kernfs}.h; proc(5), mountinfo.

#ifndef NETDIAG_PROCESS_CGROUP_H_
#define NETDIAG_PROCESS_CGROUP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "absl/hash/hash.h"

#include "netdiag/types/abseil.h"
#include "netdiag/types/types.h"

namespace netdiag {

// What the names in a cgroup's path say. The names are chosen by any process that may make cgroups,
// so they are not proof.
struct Cgroup {
  std::string path;       // from the hierarchy's root; empty: not known, only names are
  std::string container;  // the id of the innermost container, 64 hexadecimal digits
  std::string pod;        // the uid of the Kubernetes pod, with '-' as in the API
  std::string unit;       // the innermost systemd unit that is not a slice; escapes (\x2d) stay
};

// Parses the paths that docker, containerd, CRI-O and podman make, with systemd or cgroupfs as
// their driver, on cgroup v1 or v2. Source: the forms in tests/process/cgroup_test.cc;
// systemd.slice(5), systemd.scope(5).
Cgroup ParseCgroup(std::string_view path);
// The path in the text of /proc/PID/cgroup. A process has one path in cgroup v2 and one in each v1
// hierarchy. This is the first that is not the root of: v2, systemd's own v1 hierarchy, the others.
// "/" if all are the root, and empty if the text has none.
std::string_view CgroupPathOfProcess(std::string_view text);
// The names in the v1 paths of the text of /proc/PID/cgroup: the first container with its pod, and
// the first unit, which is sought in systemd's own hierarchy before the others. The path is empty.
Cgroup ParseV1Cgroups(std::string_view text);
// True if the kernel has a v1 hierarchy: each is a line of self/cgroup in `proc_root`.
bool HasV1Cgroups(const std::string& proc_root = "/proc");
// The id of the v2 cgroup with this path: one that Find() returns, or one of the file system below
// a mount of the same hierarchy. Nullopt if there is none, or no cgroup2 mount. Cost: two stats.
std::optional<CgroupId> FindCgroupId(std::string_view path, const std::string& proc_root = "/proc");

class CgroupPaths {
 public:
  static constexpr size_t kMaxWalks = 8;

  // self/mountinfo in `proc_root` tells where the hierarchy is mounted. Beside cgroup v1 that is
  // often /sys/fs/cgroup/unified.
  explicit CgroupPaths(std::string proc_root = "/proc") : proc_root_(std::move(proc_root)) {}

  // The path relative to the mount, "/" for its root.
  std::optional<std::string_view> Find(CgroupId id);
  // Allows kMaxWalks new readings, so that unknown ids are looked for again. Call it once for each
  // listing of sockets.
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
  // The ids for which the hierarchy was read since Refresh().
  std::array<uint64_t, kMaxWalks> sought_{};
  size_t walks_ = 0;
};

// The cgroups of a query's rows. Each path is parsed once.
//
// Lifetime: a Cgroup is valid until Refresh() or destruction; a move keeps it.
// Cost: as CgroupPaths; OfProcess() reads two files of /proc once for each process.
class Cgroups {
 public:
  explicit Cgroups(std::string proc_root = "/proc")
      : proc_root_(std::move(proc_root)), paths_(proc_root_) {}

  // Returns null if the cgroup is not known.
  const Cgroup* Find(CgroupId id);
  // The names that the path lacks are those of ParseV1Cgroups(). Returns null if the process has
  // ended or its pid has passed to another process.
  const Cgroup* OfProcess(Pid pid, uint64_t start_time);
  // The cgroup with this id, of a socket that the process holds. The container, pod and unit that
  // its path does not name are those of ParseV1Cgroups(); if the cgroup is not known, the path is
  // empty, and the names are those of OfProcess(). Returns null if neither is known.
  const Cgroup* FindHeldBy(CgroupId id, Pid pid, uint64_t start_time);
  void Refresh();
  size_t memory() const;

  // Makes these cgroups alone known: nothing is read any more. For captures. Each is that of the
  // sockets with this id whose first owner is this process. `id` 0: the kernel does not report it.
  // `pid` 0: of any other socket with the id.
  struct Known {
    CgroupId id;
    Pid pid;
    uint64_t start_time = 0;
    Cgroup cgroup;
  };
  void Assign(std::span<const Known> cgroups);

 private:
  struct OfPid {
    uint64_t start_time = 0;
    const Cgroup* own = nullptr;  // OfProcess()
    const Cgroup* v1 = nullptr;   // ParseV1Cgroups()
  };

  const OfPid& Read(Pid pid, uint64_t start_time);
  const Cgroup* Intern(std::string_view path);
  // `cgroup` with the path and the names that it has, and the other names of `more`. Either can be
  // null.
  const Cgroup* Complete(const Cgroup* cgroup, const Cgroup* more);

  std::string proc_root_;
  CgroupPaths paths_;
  // By path, and by what Complete() made them of.
  std::unordered_map<std::string, Cgroup> by_path_;
  std::unordered_map<CgroupId, const Cgroup*, absl::Hash<CgroupId>> by_id_;
  std::unordered_map<Pid, OfPid, absl::Hash<Pid>> by_pid_;
  std::optional<bool> has_v1_;  // HasV1Cgroups(), since Refresh()
  // What Assign() was given; nullopt: it was not called.
  std::optional<std::unordered_map<std::tuple<CgroupId, Pid, uint64_t>, const Cgroup*,
                                   absl::Hash<std::tuple<CgroupId, Pid, uint64_t>>>>
      assigned_;
};

}  // namespace netdiag

#endif  // NETDIAG_PROCESS_CGROUP_H_
