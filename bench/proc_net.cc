// A line as get_tcp4_sock() and get_tcp6_sock() print it (net/ipv4/tcp_ipv4.c,
// net/ipv6/tcp_ipv6.c): slot, local and remote address, state, queues, timer, retransmits, uid,
// timeout, inode.
// The columns up to the uid have fixed widths, so the parser steps over them without a search.

#include "bench/proc_net.h"

#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <unistd.h>

#include "bench/population.h"

namespace netdiag::bench {
namespace {

constexpr auto kHexDigits = [] {
  std::array<uint8_t, 256> digits{};
  for (uint8_t i = 0; i < 10; ++i) digits[size_t{'0'} + i] = i;
  for (uint8_t i = 0; i < 6; ++i) digits[size_t{'A'} + i] = static_cast<uint8_t>(10 + i);
  return digits;
}();

template <size_t kDigits>
uint32_t Hex(const char*& at) {
  uint32_t value = 0;
  for (size_t i = 0; i < kDigits; ++i) {
    value = value << 4 | kHexDigits[static_cast<unsigned char>(at[i])];
  }
  at += kDigits + 1;  // and its separator
  return value;
}

uint32_t Decimal(const char*& at) {
  while (*at == ' ') ++at;
  uint32_t value = 0;
  for (; *at >= '0' && *at <= '9'; ++at) value = value * 10 + static_cast<uint32_t>(*at - '0');
  return value;
}

template <size_t kWords>
void Parse(const char* line, ProcTcp* row) {
  const char* at = line;
  while (*at != ':') ++at;  // the number of the row can be wider than its column
  at += 2;
  for (size_t i = 0; i < kWords; ++i, at -= i < kWords ? 1 : 0) row->local[i] = Hex<8>(at);
  row->local_port = static_cast<uint16_t>(Hex<4>(at));
  for (size_t i = 0; i < kWords; ++i, at -= i < kWords ? 1 : 0) row->remote[i] = Hex<8>(at);
  row->remote_port = static_cast<uint16_t>(Hex<4>(at));
  row->state = static_cast<uint8_t>(Hex<2>(at));
  row->send_queue = Hex<8>(at);
  row->receive_queue = Hex<8>(at);
  at += 3 + 9 + 9;  // timer, when it fires, retransmits
  row->uid = Decimal(at);
  Decimal(at);  // timeouts
  row->inode = Decimal(at);
}

template <size_t kWords>
void ForEachLine(const char* path, absl::FunctionRef<void(const ProcTcp&)> visitor) {
  constexpr size_t kSize = 64 * 1024;
  static const auto buffer = std::make_unique<std::array<char, kSize>>();
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) Die(path);
  bool title = true;
  size_t kept = 0;
  for (;;) {
    const ssize_t size = read(fd, buffer->data() + kept, kSize - kept);
    if (size < 0) Die(path);
    if (size == 0) break;
    const char* line = buffer->data();
    const char* const end = line + kept + size;
    while (const void* stop = std::memchr(line, '\n', static_cast<size_t>(end - line))) {
      ProcTcp row;
      if (!title) {
        Parse<kWords>(line, &row);
        visitor(row);
      }
      title = false;
      line = static_cast<const char*>(stop) + 1;
    }
    kept = static_cast<size_t>(end - line);
    std::memmove(buffer->data(), line, kept);
  }
  close(fd);
}

}  // namespace

void ForEachProcTcp(absl::FunctionRef<void(const ProcTcp&)> visitor) {
  ForEachLine<1>("/proc/self/net/tcp", visitor);
  ForEachLine<4>("/proc/self/net/tcp6", visitor);
}

}  // namespace netdiag::bench
