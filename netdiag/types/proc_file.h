// netdiag/types/proc_file.h — Internal. Small files of procfs, read whole; mountinfo's lines; the
// kernel's version.

#ifndef NETDIAG_TYPES_PROC_FILE_H_
#define NETDIAG_TYPES_PROC_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace netdiag::internal {

// A machine with tens of thousands of mounts has a mountinfo of this size.
inline constexpr size_t kMaxMountInfo = size_t{8} << 20;

// The file's first `limit` bytes or a little more; empty and errno set if it cannot be opened.
std::string ReadProcFile(const std::string& path, size_t limit);

// By uname(2), which is asked once; false where it does not tell.
bool KernelIsAtLeast(int major, int minor);

// What precedes the first `separator` in `text`, which then begins behind it.
std::string_view TakeUntil(char separator, std::string_view* text);

// One line of mountinfo: `id parent major:minor root mount-point options [tags…] - type source
// options`. Source: proc(5).
struct MountLine {
  std::string_view root;  // as it is in the file: blanks and their like are \040
  std::string mount_point;
  std::string_view type;
};
// Takes the next line that is one; false: there is none.
[[nodiscard]] bool NextMount(std::string_view* mountinfo, MountLine* line);

}  // namespace netdiag::internal

#endif  // NETDIAG_TYPES_PROC_FILE_H_
