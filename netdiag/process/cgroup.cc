// CgroupPaths: a walk over the cgroup2 mount, by breadth, so that one directory is open at a time
// however deep the hierarchy is. Directory listings give type and inode number: nothing is stat'ed.
// Tested by tests/process/cgroup_test.cc.

#include "netdiag/process/cgroup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "netdiag/process/directory.h"

namespace netdiag {
namespace {

using internal::DirectoryEntry;
using internal::DirectoryReader;
using internal::OpenDirectory;
using internal::UniqueFd;

// Whoever may make cgroups may make as many as the kernel lets them; more than this are not kept.
constexpr size_t kMaxCgroups = size_t{1} << 18;
// A machine with tens of thousands of mounts has a mountinfo of this size.
constexpr size_t kMaxMountInfo = size_t{8} << 20;

std::string ReadAll(const char* path, size_t limit) {
  std::string text;
  const UniqueFd fd(open(path, O_RDONLY | O_CLOEXEC));
  size_t size = 0;
  while (fd.ok() && size < limit) {
    text.resize(size + (size_t{32} << 10));
    const ssize_t got = read(fd.get(), &text[size], text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size += static_cast<size_t>(got);
  }
  text.resize(size);
  return text;
}

std::string_view NextWord(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

// mountinfo writes blanks, newlines and backslashes as three octal digits: "\040".
std::string Unescape(std::string_view text) {
  const auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// The mount point of the cgroup2 hierarchy; of several, one that shows it from its root. Lines are
// `id parent major:minor root mount-point options [tags…] - type source options`.
std::string FindMount(std::string_view mountinfo) {
  std::string found;
  while (!mountinfo.empty()) {
    const size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    std::string_view line = mountinfo.substr(0, end);
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    const size_t type = line.find(" - cgroup2 ");
    if (type == line.npos) continue;
    for (int skipped = 0; skipped < 3; ++skipped) NextWord(line);
    const bool whole = NextWord(line) == "/";
    if (whole || found.empty()) found = Unescape(NextWord(line));
    if (whole) break;
  }
  return found;
}

}  // namespace

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
  const std::string mount =
      FindMount(ReadAll((proc_root_ + "/self/mountinfo").c_str(), kMaxMountInfo));
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
