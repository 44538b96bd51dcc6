// bench/child.h — runs a program to its end: its output, or only its time and memory.
//
//   const long kib = RunToNull({"ss", "-tanp"});
//   const std::vector<std::string> lines = RunForLines({"ss", "-tanpH"});
//
// Errors: a program that cannot be run, or fails, ends this one.

#ifndef NETDIAG_BENCH_CHILD_H_
#define NETDIAG_BENCH_CHILD_H_

#include <string>
#include <vector>

namespace netdiag::bench {

// Peak resident memory in KiB of one run with its output to /dev/null. Source: wait4(2), ru_maxrss.
long RunToNull(const std::vector<std::string>& command);
std::vector<std::string> RunForLines(const std::vector<std::string>& command);

// The built diag, found beside this program.
std::string DiagProgram();

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_CHILD_H_
