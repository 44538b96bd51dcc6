// tests/testing/guarded_buffer.h — bytes at the end of mapped memory.
//
//   GuardedBuffer guarded(datagram);
//   MessageCursor messages(guarded.bytes());          // a read beyond the end is SIGSEGV
//
// Finds reads beyond the end without a sanitizer, including reads by system calls and libraries.

#ifndef NETDIAG_TESTS_TESTING_GUARDED_BUFFER_H_
#define NETDIAG_TESTS_TESTING_GUARDED_BUFFER_H_

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <span>
#include <unistd.h>

#include "netdiag/types/types.h"

namespace netdiag::testing {

class GuardedBuffer {
 public:
  explicit GuardedBuffer(Bytes bytes) : GuardedBuffer(bytes.size()) {
    if (!bytes.empty()) std::memcpy(begin_, bytes.data(), bytes.size());
  }
  explicit GuardedBuffer(size_t size) : size_(size) {
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t usable = (size + page - 1) / page * page;
    mapped_size_ = usable + page;
    mapped_ =
        mmap(nullptr, mapped_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped_ == MAP_FAILED) std::abort();
    std::byte* const start = static_cast<std::byte*>(mapped_);
    if (mprotect(start + usable, page, PROT_NONE) != 0) std::abort();
    begin_ = start + usable - size;
  }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  ~GuardedBuffer() { munmap(mapped_, mapped_size_); }

  Bytes bytes() const { return {begin_, size_}; }
  std::span<std::byte> writable() { return {begin_, size_}; }

 private:
  void* mapped_ = nullptr;
  size_t mapped_size_ = 0;
  std::byte* begin_ = nullptr;
  size_t size_ = 0;
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_GUARDED_BUFFER_H_
