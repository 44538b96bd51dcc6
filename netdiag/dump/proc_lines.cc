// Tested by tests/dump/proc_lines_test.cc; fuzzed by tests/fuzz/procfs_fuzz.cc, through
// ProcfsSource.

#include "netdiag/dump/proc_lines.h"

#include <tuple>

#include "netdiag/dump/proc_words.h"

namespace netdiag {

using internal::ProcWords;

std::optional<ProcInetLine> ParseProcInetLine(std::string_view line) {
  ProcWords words(line);
  ProcInetLine out;
  words.Word();  // number of the line
  out.local = words.Address();
  out.remote = words.Address();
  out.state = words.Number<uint8_t>(16);
  std::tie(out.send_queue, out.receive_queue) = words.HexPair<uint32_t>();
  std::tie(out.timer, out.ticks) = words.HexPair<uint32_t>();
  out.retransmits = words.Number<uint32_t>(16);
  out.uid = words.Number<uint32_t>(10);
  out.probes = words.Number<uint32_t>(10);
  out.inode = Inode(words.Number<uint32_t>(10));
  return words.ok() ? std::optional(out) : std::nullopt;
}

std::optional<ProcUnixLine> ParseProcUnixLine(std::string_view line) {
  ProcWords words(line);
  ProcUnixLine out;
  words.Word();  // address of the socket
  out.references = words.Number<uint32_t>(16);
  out.protocol = words.Number<uint32_t>(16);
  out.flags = words.Number<uint32_t>(16);
  out.type = words.Number<uint32_t>(16);
  out.state = words.Number<uint32_t>(16);
  // The inode is right-aligned in five columns, so several blanks can stand before it.
  out.inode = Inode(words.Number<uint32_t>(10));
  out.name = words.Rest();
  return words.ok() ? std::optional(out) : std::nullopt;
}

}  // namespace netdiag
