// netdiag/netlink/receive_buffer.h — Internal. Users want netlink/conn.h.
//
// The receive buffer of a Conn. In builds with AddressSanitizer its bytes are accessible only while
// a Use is alive, so a view that outlives its visitor is caught.

#ifndef NETDIAG_NETLINK_RECEIVE_BUFFER_H_
#define NETDIAG_NETLINK_RECEIVE_BUFFER_H_

#include <cstddef>
#include <memory>
#include <span>

#if defined(__SANITIZE_ADDRESS__)
#define NETDIAG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NETDIAG_ASAN 1
#endif
#endif
#ifdef NETDIAG_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace netdiag::netlink {

class ReceiveBuffer {
 public:
  explicit ReceiveBuffer(size_t size) : bytes_(new std::byte[size]), size_(size) { Poison(); }
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;
  ~ReceiveBuffer() { Unpoison(); }

  class Use {
   public:
    explicit Use(ReceiveBuffer& buffer) : buffer_(buffer) { buffer_.Unpoison(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() { buffer_.Poison(); }
    std::span<std::byte> bytes() { return {buffer_.bytes_.get(), buffer_.size_}; }

   private:
    ReceiveBuffer& buffer_;
  };

 private:
#ifdef NETDIAG_ASAN
  void Poison() { ASAN_POISON_MEMORY_REGION(bytes_.get(), size_); }
  void Unpoison() { ASAN_UNPOISON_MEMORY_REGION(bytes_.get(), size_); }
#else
  void Poison() {}
  void Unpoison() {}
#endif

  std::unique_ptr<std::byte[]> bytes_;
  size_t size_;
};

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_RECEIVE_BUFFER_H_
