// netdiag/types/unique_fd.h — Internal. Owns a descriptor and closes it when destroyed.

#ifndef NETDIAG_TYPES_UNIQUE_FD_H_
#define NETDIAG_TYPES_UNIQUE_FD_H_

#include <unistd.h>
#include <utility>

namespace netdiag::internal {

class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { Close(); }

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_TYPES_UNIQUE_FD_H_
