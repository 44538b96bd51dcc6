// bench/child.h — runs a program to its end, for its output or for its time and memory.
//
//   const ChildUsage usage = RunToNull({"ss", "-tanp"});
//   const std::vector<std::string> lines = RunForLines({"ss", "-tanpH"});
//
// Errors: ends this program if the other one cannot be run or fails.

#ifndef NETDIAG_BENCH_CHILD_H_
#define NETDIAG_BENCH_CHILD_H_

#include <string>
#include <vector>

namespace netdiag::bench {

// Source: wait4(2).
struct ChildUsage {
  double cpu = 0;       // seconds, user and system
  double peak_mib = 0;  // resident
};
// Runs the program with its output and its messages dropped.
ChildUsage RunToNull(const std::vector<std::string>& command);
// Runs the program and returns its output, line by line.
std::vector<std::string> RunForLines(const std::vector<std::string>& command);

// The path of the built diag, relative to this program.
std::string DiagProgram();

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_CHILD_H_
