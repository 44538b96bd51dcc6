// bench/raw_dump.h — the cheapest TCP dump: a socket, a request, reads and a loop over messages.
//
//   RawDump dump;
//   const uint64_t messages = dump.Run(0, [](const std::byte*, size_t) {});
//
// The floor for the engine, and the source of bytes for the reference decoders. Uses the headers of
// the kernel and nothing of the library. Asks as the engine does: IPv4 and IPv6 in one dump (the
// legacy request), 32 KiB a read, after a first small answer. Errors: any error ends the program.

#ifndef NETDIAG_BENCH_RAW_DUMP_H_
#define NETDIAG_BENCH_RAW_DUMP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "bench/population.h"
#include "netdiag/netlink/abi.h"

namespace netdiag::bench {

class RawDump {
 public:
  RawDump();
  RawDump(const RawDump&) = delete;
  RawDump& operator=(const RawDump&) = delete;
  ~RawDump();

  // Dumps every TCP socket and calls `each` with each message without its header. `extensions`:
  // idiag_ext. Returns the number of messages.
  template <class F>
  uint64_t Run(uint8_t extensions, F&& each) {
    Send(extensions);
    for (uint64_t messages = 0;;) {
      const size_t size = Receive();
      for (size_t at = 0; at + sizeof(nlmsghdr) <= size;) {
        nlmsghdr header;
        std::memcpy(&header, buffer_->data() + at, sizeof(header));
        if (header.nlmsg_type == NLMSG_DONE) return messages;
        if (header.nlmsg_type == NLMSG_ERROR) Die("the dump was refused");
        ++messages;
        each(buffer_->data() + at + sizeof(header), header.nlmsg_len - sizeof(header));
        at += NLMSG_ALIGN(header.nlmsg_len);
      }
    }
  }

 private:
  void Send(uint8_t extensions);
  size_t Receive();

  int fd_ = -1;
  std::unique_ptr<std::array<std::byte, 32 * 1024>> buffer_;
};

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_RAW_DUMP_H_
