// Tested by tests/netlink/conn_test.cc.

#include "netdiag/netlink/tracer.h"

#include <cstddef>
#include <string>

namespace netdiag::netlink {

void Tracer::TraceLine(char direction, const Header& header, Bytes whole) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string line;
  line += direction;
  line += " length " + std::to_string(header.length) + " type " + std::to_string(header.type) +
          " flags " + std::to_string(header.flags) + " sequence " +
          std::to_string(header.sequence) + " port " + std::to_string(header.port_id) + ":";
  for (size_t i = 0; i < whole.size(); ++i) {
    if (i % 4 == 0) line += ' ';
    line += kHex[std::to_integer<unsigned>(whole[i]) >> 4];
    line += kHex[std::to_integer<unsigned>(whole[i]) & 15];
  }
  std::lock_guard lock(mutex_);
  callback_(line);
}

}  // namespace netdiag::netlink
