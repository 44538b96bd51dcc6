// netdiag/process/directory.h — reads directories through one reused buffer. Internal.
//
// Uses getdents64(2) directly, because readdir(3) allocates a buffer for every directory that it
// opens. Cost: no allocation after construction. Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_DIRECTORY_H_
#define NETDIAG_PROCESS_DIRECTORY_H_

#include <sys/syscall.h>
#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <vector>

#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

// If the result is not ok(), errno says why.
inline UniqueFd OpenDirectory(int at, const char* path) {
  return UniqueFd(openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

struct DirectoryEntry {
  const char* name = nullptr;  // null after the last entry of a Fill()
  uint64_t inode = 0;
  uint8_t type = 0;  // DT_*
};

class DirectoryReader {
 public:
  // Room for 1 000 names of descriptors a call. Buffers of 8 KiB and more are equally fast.
  static constexpr size_t kBufferSize = size_t{32} << 10;

  // Drops what was read and reads about `names` names. Returns the number of bytes read, 0 at the
  // end of the directory, and -1 with errno on an error.
  ssize_t Fill(int fd, size_t names) {
    Reset();
    const size_t room = std::clamp(names, kMinNames, kBufferSize / kNumberSize) * kNumberSize;
    const long got = syscall(SYS_getdents64, fd, buffer_.data(), room);
    if (got > 0) end_ = static_cast<size_t>(got);
    return got;
  }
  // The next entry. Valid until Fill().
  DirectoryEntry Next() {
    const char* record = buffer_.data() + position_;
    uint16_t length = 0;
    if (end_ - position_ > kNameAt) memcpy(&length, record + kLengthAt, sizeof(length));
    if (length <= kNameAt || length > end_ - position_) return {};
    position_ += length;
    DirectoryEntry entry{.name = record + kNameAt};
    memcpy(&entry.inode, record, sizeof(entry.inode));
    memcpy(&entry.type, record + kTypeAt, sizeof(entry.type));
    return entry;
  }
  void Reset() { position_ = end_ = 0; }
  size_t memory() const { return buffer_.capacity(); }

 private:
  // struct linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, char name[].
  static constexpr size_t kLengthAt = 16;
  static constexpr size_t kTypeAt = 18;
  static constexpr size_t kNameAt = 19;
  // The size of a record whose name is a number, and how many such records have room for one record
  // with the longest name (255 bytes).
  static constexpr size_t kNumberSize = 32;
  static constexpr size_t kMinNames = 16;

  std::vector<char> buffer_ = std::vector<char>(kBufferSize);
  size_t position_ = 0;
  size_t end_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_DIRECTORY_H_
