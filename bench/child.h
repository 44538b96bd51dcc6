// bench/child.h — runs a program to its end: its output, or only its time and memory.
//
//   const ChildUsage usage = RunToNull({"ss", "-tanp"});
//   const std::vector<std::string> lines = RunForLines({"ss", "-tanpH"});
//
// Errors: a program that cannot be run, or fails, ends this one.

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
// One run with its output to /dev/null; what it complains of is thrown away too.
ChildUsage RunToNull(const std::vector<std::string>& command);
// What it writes, line by line.
std::vector<std::string> RunForLines(const std::vector<std::string>& command);

// The built diag, found beside this program.
std::string DiagProgram();

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_CHILD_H_
