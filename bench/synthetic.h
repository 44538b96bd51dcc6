// bench/synthetic.h — a capture of TCP rows as Linux 6.18 sends them, made in memory.
//
//   const std::string capture = SyntheticCapture({.rows = 100'000, .tcp_info = true});
//   Engine::Open({.replay = AsBytes(capture)})
//
// The bytes are the same on every machine, so instructions per row can be compared between
// versions. All rows are ESTABLISHED, and every fourth is IPv6. The attributes, their sizes and
// their order are those of a live dump.

#ifndef NETDIAG_BENCH_SYNTHETIC_H_
#define NETDIAG_BENCH_SYNTHETIC_H_

#include <string>

#include "netdiag/types/types.h"

namespace netdiag::bench {

struct SyntheticOptions {
  int rows = 0;
  bool tcp_info = false;
};

std::string SyntheticCapture(const SyntheticOptions& options);

inline Bytes AsBytes(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_SYNTHETIC_H_
