// Finds network namespaces in /proc, in /run/netns and among mounts. Tested by
// tests/netlink/netns_test.cc.

#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::netlink {
namespace {

// Where `ip netns` mounts namespaces. Source: ip-netns(8).
constexpr std::array<std::string_view, 2> kNameDirectories = {"/run/netns/", "/var/run/netns/"};
constexpr size_t kMaxPaths = 3;

struct CloseDirectory {
  void operator()(DIR* stream) const { closedir(stream); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

void ForEachName(const std::string& directory, absl::FunctionRef<void(const char* name)> visit) {
  const Directory stream(opendir(directory.c_str()));
  if (stream == nullptr) return;
  while (const dirent* entry = readdir(stream.get())) {
    if (entry->d_name[0] != '.') visit(entry->d_name);
  }
}

// The inode in "net:[4026531840]": the form of links in /proc/PID/ns and of roots of mounts.
std::optional<NetnsId> ParseInode(std::string_view text) {
  constexpr std::string_view kPrefix = "net:[";
  if (!text.starts_with(kPrefix) || !text.ends_with("]")) return std::nullopt;
  text = text.substr(kPrefix.size(), text.size() - kPrefix.size() - 1);
  const std::optional<uint32_t> inode = internal::ParseNumber<uint32_t>(text);
  return inode ? std::optional(NetnsId(*inode)) : std::nullopt;
}

class Finder {
 public:
  // `missing`: the namespaces to find; nullopt: all that there are.
  Finder(const std::string& proc_root, std::optional<std::set<NetnsId>> missing)
      : proc_root_(proc_root), missing_(std::move(missing)) {}

  // Mounts come first, because they outlive processes.
  FoundNamespaces Find() {
    FindMounts();
    for (const std::string_view directory : kNameDirectories) FindNames(std::string(directory));
    ForEachName(proc_root_, [this](const char* name) { FindProcess(name); });
    // Descriptors come last, because they end sooner than what was found before, and because there
    // are many.
    ForEachName(proc_root_, [this](const char* name) { FindDescriptors(name); });
    found_.hidden = hidden_.size();
    for (auto& [id, netns] : by_id_) found_.namespaces.push_back(std::move(netns));
    std::ranges::sort(found_.namespaces, {}, [](const FoundNetns& netns) {
      return std::tuple(netns.name.empty(), std::string_view(netns.name), netns.id.value());
    });
    return std::move(found_);
  }

 private:
  bool FoundAll() const { return missing_ && missing_->empty(); }

  void FindMounts() {
    // The calling thread can be in another mount namespace than its process. Trees that only look
    // like procfs (in tests) have no threads.
    std::string mountinfo =
        internal::ReadProcFile(proc_root_ + "/thread-self/mountinfo", internal::kMaxMountInfo);
    if (mountinfo.empty()) {
      mountinfo = internal::ReadProcFile(proc_root_ + "/self/mountinfo", internal::kMaxMountInfo);
    }
    std::string_view rest = mountinfo;
    for (internal::MountLine mount; internal::NextMount(&rest, &mount);) {
      if (mount.type != "nsfs") continue;
      const std::optional<NetnsId> id = ParseInode(mount.root);
      if (id) Add(*id, mount.mount_point, NameIn(mount.mount_point));
    }
  }

  static std::string_view NameIn(std::string_view path) {
    for (const std::string_view directory : kNameDirectories) {
      const std::string_view name = path.substr(std::min(directory.size(), path.size()));
      if (path.starts_with(directory) && name.find('/') == name.npos) return name;
    }
    return {};
  }

  // A name is not always a mount; it can be a link to /proc/PID/ns/net.
  void FindNames(const std::string& directory) {
    ForEachName(directory, [&](const char* name) {
      const std::string path = directory + name;
      struct stat file {};
      struct statfs filesystem {};
      if (stat(path.c_str(), &file) != 0 || statfs(path.c_str(), &filesystem) != 0) return;
      // Whether it is a network namespace is checked on entering.
      if (filesystem.f_type == abi::kNsfsMagic) {
        Add(NetnsId(static_cast<uint32_t>(file.st_ino)), path, name);
      }
    });
  }

  void FindProcess(const char* name) {
    if (name[0] < '0' || name[0] > '9') return;
    const std::string path = proc_root_ + "/" + name + "/ns/net";
    const std::optional<NetnsId> id = ReadLink(AT_FDCWD, path.c_str());
    // ENOENT and ESRCH mean that the process has ended.
    if (!id && (errno == EACCES || errno == EPERM)) hidden_.insert(name);
    if (id) Add(*id, path, {});
  }

  // The namespaces that a process holds open.
  void FindDescriptors(const char* name) {
    if (FoundAll() || name[0] < '0' || name[0] > '9') return;
    const std::string directory = proc_root_ + "/" + name + "/fd";
    const Directory stream(opendir(directory.c_str()));
    if (stream == nullptr) {
      if (errno == EACCES || errno == EPERM) hidden_.insert(name);
      return;
    }
    while (!FoundAll()) {
      const dirent* const entry = readdir(stream.get());
      if (entry == nullptr) break;
      if (entry->d_name[0] == '.') continue;
      const std::optional<NetnsId> id = ReadLink(dirfd(stream.get()), entry->d_name);
      if (id && !by_id_.contains(*id)) Add(*id, directory + "/" + entry->d_name, {});
    }
  }

  // The namespace that a link leads to; nullopt: it leads elsewhere, or cannot be read (errno).
  static std::optional<NetnsId> ReadLink(int directory, const char* path) {
    std::array<char, 64> text;
    const ssize_t size = readlinkat(directory, path, text.data(), text.size());
    if (size < 0) return std::nullopt;
    errno = 0;
    return ParseInode({text.data(), static_cast<size_t>(size)});
  }

  void Add(NetnsId id, const std::string& path, std::string_view name) {
    if (missing_) missing_->erase(id);
    const auto known = by_id_.find(id);
    if (known == by_id_.end() && by_id_.size() == kMaxNamespaces) {
      ++found_.beyond;
      return;
    }
    FoundNetns& netns = known == by_id_.end() ? by_id_[id] : known->second;
    netns.id = id;
    if (netns.name.empty() && name != kOwnNetns) netns.name = name;
    const bool is_new = std::ranges::find(netns.paths, path) == netns.paths.end();
    if (is_new && netns.paths.size() < kMaxPaths) netns.paths.push_back(path);
  }

  const std::string& proc_root_;
  std::optional<std::set<NetnsId>> missing_;
  std::map<NetnsId, FoundNetns> by_id_;
  std::set<std::string> hidden_;  // processes
  FoundNamespaces found_;
};

}  // namespace

absl::StatusOr<NetNs> NetNs::FromName(const std::string& name, const std::string& proc_root) try {
  if (name == kOwnNetns) return FromPath("/proc/thread-self/ns/net");
  if (name.find('/') != name.npos) return FromPath(name);
  for (const std::string_view directory : kNameDirectories) {
    std::string path = std::string(directory).append(name);
    if (access(path.c_str(), F_OK) == 0) return FromPath(std::move(path));
  }
  const int32_t pid = internal::ParseNumber<int32_t>(name).value_or(0);
  if (pid > 0) return FromPid(Pid(pid), proc_root);
  return BadInput("network namespace", name, "not a name in /run/netns, a process or a file");
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

FoundNamespaces FindNamespaces(const std::string& proc_root) {
  return Finder(proc_root, std::nullopt).Find();
}

FoundNamespaces FindNamespaces(const std::string& proc_root, std::span<const NetnsId> wanted) {
  return Finder(proc_root, std::set<NetnsId>(wanted.begin(), wanted.end())).Find();
}

}  // namespace netdiag::netlink
