// netdiag/process/cgroup.h — which cgroup a socket or a process is in, and what its path says:
// container, pod, systemd unit.
//
//   CgroupPaths cgroups;
//   if (auto path = cgroups.Find(socket.cgroup())) Print(ParseCgroup(*path).unit);
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
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/node_hash_map.h"

#include "netdiag/types/types.h"

namespace netdiag {

// What the names in a cgroup's path say. Whoever may make cgroups chooses them.
struct Cgroup {
  std::string path;       // from the hierarchy's root
  std::string container;  // id, 64 hexadecimal digits, of the innermost container
  std::string pod;        // uid of the Kubernetes pod, with '-' as the API has it
  std::string unit;       // of systemd, the innermost that is no slice; \x2d and its like stay
};

// Of docker, containerd, CRI-O and podman, with systemd or cgroupfs as their driver, on cgroup v1
// or v2. Source: the forms in tests/process/cgroup_test.cc; systemd.slice(5), systemd.scope(5).
Cgroup ParseCgroup(std::string_view path);
// The path in the text of /proc/PID/cgroup: of cgroup v2, unless v1 says more; of v1, that of
// systemd's own hierarchy or else of the first that has one. Empty: none.
std::string_view CgroupPathOfProcess(std::string_view text);

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

// The cgroups of a query's rows, each parsed once.
//
// Lifetime: a Cgroup is valid until Refresh() or destruction; a move keeps it.
// Cost: as CgroupPaths; OfProcess() reads two files of /proc once for each process.
class Cgroups {
 public:
  explicit Cgroups(std::string proc_root = "/proc")
      : proc_root_(std::move(proc_root)), paths_(proc_root_) {}

  // Null: not known.
  const Cgroup* Find(CgroupId id);
  // Null: the process has ended, or its pid has passed to another process since.
  const Cgroup* OfProcess(Pid pid, uint64_t start_time);
  void Refresh();
  size_t memory() const;

 private:
  const Cgroup* Intern(std::string_view path);

  std::string proc_root_;
  CgroupPaths paths_;
  absl::node_hash_map<std::string, Cgroup> by_path_;
  absl::flat_hash_map<CgroupId, const Cgroup*> by_id_;
  absl::flat_hash_map<Pid, std::pair<uint64_t, const Cgroup*>> by_pid_;  // with the start time
};

}  // namespace netdiag

#endif  // NETDIAG_PROCESS_CGROUP_H_
