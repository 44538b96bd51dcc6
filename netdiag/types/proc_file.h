// netdiag/types/proc_file.h — Internal. Reads small files of procfs whole and splits their text;
// lines of mountinfo; the kernel's version.

#ifndef NETDIAG_TYPES_PROC_FILE_H_
#define NETDIAG_TYPES_PROC_FILE_H_

#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

namespace netdiag::internal {

// The size of mountinfo on a machine with tens of thousands of mounts.
inline constexpr size_t kMaxMountInfo = size_t{8} << 20;

// Returns the first `limit` bytes of the file, or a little more, and sets errno to 0. If the file
// cannot be opened or read to its end, returns an empty string and sets errno to the reason.
std::string ReadProcFile(const std::string& path, size_t limit);

// The release from uname(2), which is called once: "6.12.48+deb13-amd64" is {6, 12, 48}. Numbers
// that it lacks are 0.
struct KernelVersion {
  int major = 0, minor = 0, patch = 0;
  friend auto operator<=>(const KernelVersion&, const KernelVersion&) = default;
};
const KernelVersion& Kernel();
inline bool KernelIsAtLeast(int major, int minor) {
  return Kernel() >= KernelVersion{major, minor};
}

// Removes the text before the first `separator`, and the separator, from the front of `text`.
// Returns the text before it; all of `text` if there is no separator.
std::string_view TakeUntil(char separator, std::string_view* text);

// Skips `blanks`, then removes the text before the next blank from the front of `text` and returns
// it. Empty: there is no word left.
std::string_view TakeWord(std::string_view blanks, std::string_view* text);

// One line of mountinfo: `id parent major:minor root mount-point options [tags…] - type source
// options`. Source: proc(5).
struct MountLine {
  std::string_view root;  // as in the file, with escapes such as \040
  std::string mount_point;
  std::string_view type;
};
// Removes the next valid line from `mountinfo`. Returns false if there is none.
[[nodiscard]] bool NextMount(std::string_view* mountinfo, MountLine* line);

}  // namespace netdiag::internal

#endif  // NETDIAG_TYPES_PROC_FILE_H_
