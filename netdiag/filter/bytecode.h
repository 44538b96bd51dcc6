// netdiag/filter/bytecode.h — Internal. Formulas as programs for INET_DIAG_REQ_BYTECODE.
//
// Programs only jump forward. An instruction that holds falls through to the next one, and one that
// does not hold jumps. So every instruction lies on the chain of fall-throughs to which the
// kernel's audit restricts jumps, and a fall-through always fits into its eight bits.
//
// Source: inet_diag_bc_run(), inet_diag_bc_audit(), net/ipv4/inet_diag.c (6.18).

#ifndef NETDIAG_FILTER_BYTECODE_H_
#define NETDIAG_FILTER_BYTECODE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "netdiag/types/types.h"

namespace netdiag::internal {

struct Formula;

// The longest program in bytes: a jump has 16 bits, and may lead to 4 bytes beyond the end.
inline constexpr size_t kMaxProgram = 65528;
// Drops conditions until the program fits into `max_size` bytes. The result is weaker than
// `formula`, so it is still an upper bound.
Formula Coarsen(Formula formula, size_t max_size);
// The program; empty if the formula is true. REQUIRES: the program fits into kMaxProgram.
std::vector<std::byte> Assemble(const Formula& formula);
// A listing with one line for each instruction: "16 sport >= 1024 else reject".
std::string List(Bytes program);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_BYTECODE_H_
