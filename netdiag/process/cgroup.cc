// CgroupPaths: reads the cgroup2 mount breadth first, so that only one directory is open at a time
// at any depth. The listings of directories give types and inode numbers, so no stat is needed.
//
// Tested by tests/process/cgroup_test.cc.

#include "netdiag/process/cgroup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>

#include "netdiag/process/directory.h"
#include "netdiag/types/proc_file.h"

namespace netdiag {
namespace {

using internal::DirectoryEntry;
using internal::DirectoryReader;
using internal::kMaxMountInfo;
using internal::MountLine;
using internal::NextMount;
using internal::OpenDirectory;
using internal::ReadProcFile;
using internal::UniqueFd;

// The number of cgroups that are kept. A process that may make cgroups can make any number.
constexpr size_t kMaxCgroups = size_t{1} << 18;

// The mount point of the cgroup2 hierarchy. If there are several, one that shows it from its root.
std::string FindMount(std::string_view mountinfo) {
  std::string found;
  for (MountLine mount; NextMount(&mountinfo, &mount);) {
    if (mount.type != "cgroup2") continue;
    const bool whole = mount.root == "/";
    if (whole || found.empty()) found = mount.mount_point;
    if (whole) break;
  }
  return found;
}

}  // namespace

std::optional<CgroupId> FindCgroupId(std::string_view path, const std::string& proc_root) {
  const std::string mount = FindMount(ReadProcFile(proc_root + "/self/mountinfo", kMaxMountInfo));
  struct stat root {};
  if (path.empty() || mount.empty() || stat(mount.c_str(), &root) != 0) return std::nullopt;
  std::string below = mount;
  below.append("/").append(path);
  for (const std::string& full : {below, std::string(path)}) {
    struct stat directory {};
    if (!full.starts_with('/') || stat(full.c_str(), &directory) != 0) continue;
    // The number of a directory of v1, or of another file system, is no id.
    if (!S_ISDIR(directory.st_mode) || directory.st_dev != root.st_dev) continue;
    return CgroupId(directory.st_ino);
  }
  return std::nullopt;
}

std::optional<std::string_view> CgroupPaths::Find(CgroupId id) {
  if (id.value() == 0) return std::nullopt;
  const std::optional<std::string_view> known = FindKnown(id.value());
  const auto sought_end = sought_.begin() + static_cast<std::ptrdiff_t>(walks_);
  if (known || walks_ == kMaxWalks ||
      std::find(sought_.begin(), sought_end, id.value()) != sought_end) {
    return known;
  }
  sought_[walks_++] = id.value();
  Walk();
  return FindKnown(id.value());
}

std::optional<std::string_view> CgroupPaths::FindKnown(uint64_t id) const {
  const auto entry = std::lower_bound(entries_.begin(), entries_.end(), id,
                                      [](const Entry& a, uint64_t value) { return a.id < value; });
  if (entry == entries_.end() || entry->id != id) return std::nullopt;
  return std::string_view(text_).substr(entry->offset, entry->size);
}

void CgroupPaths::Add(uint64_t id, std::string_view parent, std::string_view name) {
  const size_t offset = text_.size();
  if (parent != "/") text_ += parent;
  text_ += '/';
  text_ += name;
  entries_.push_back({id, offset, text_.size() - offset});
}

void CgroupPaths::Walk() {
  entries_.clear();
  text_.clear();
  const std::string mount = FindMount(ReadProcFile(proc_root_ + "/self/mountinfo", kMaxMountInfo));
  if (mount.empty()) return;
  const UniqueFd root = OpenDirectory(AT_FDCWD, mount.c_str());
  struct stat status {};
  if (!root.ok() || fstat(root.get(), &status) != 0) return;
  Add(status.st_ino, "/", "");
  DirectoryReader reader;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const std::string path = text_.substr(entries_[i].offset, entries_[i].size);
    const UniqueFd directory = OpenDirectory(root.get(), ("." + path).c_str());
    while (directory.ok() && reader.Fill(directory.get(), DirectoryReader::kBufferSize) > 0) {
      for (DirectoryEntry child = reader.Next(); child.name; child = reader.Next()) {
        const std::string_view name(child.name);
        if (child.type != DT_DIR || name == "." || name == "..") continue;
        if (entries_.size() < kMaxCgroups) Add(child.inode, path, name);
      }
    }
  }
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.id < b.id; });
}

}  // namespace netdiag
