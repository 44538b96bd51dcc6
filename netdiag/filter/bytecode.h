// netdiag/filter/bytecode.h — Internal. Users want filter/filter.h.
//
// The kernel's share of a filter: a formula over the tests that inet_diag knows, and the program
// that decides it.
//
// A formula is an upper bound of its tree: what it refuses, the tree does not match. Tests say
// exactly what predicates say, but for marks and cgroups of sockets that have none in their row
// (TIME_WAIT, SYN_RECV), for which the kernel takes 0; so these are never negated from outside.
//
// Programs only go forward. An instruction that holds falls through to the next one, and one that
// does not jumps; so every instruction lies on the chain that the kernel audits jumps against, and
// the eight bits that a fall-through has are never too few.
//
// Source: inet_diag_bc_run(), inet_diag_bc_audit(), net/ipv4/inet_diag.c (6.18).

#ifndef NETDIAG_FILTER_BYTECODE_H_
#define NETDIAG_FILTER_BYTECODE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "netdiag/dump/table.h"
#include "netdiag/filter/ast.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// Values are INET_DIAG_BC_*.
enum class Opcode : uint8_t {
  kNop = 0,
  kJump = 1,
  kLocalGreaterEqual = 2,
  kLocalLessEqual = 3,
  kRemoteGreaterEqual = 4,
  kRemoteLessEqual = 5,
  kAuto = 6,  // never used: that a port is not locked is told by no row, so nobody could check it
  kLocalHost = 7,
  kRemoteHost = 8,
  kDevice = 9,
  kMark = 10,
  kLocalEqual = 11,
  kRemoteEqual = 12,
  kCgroup = 13,
};

struct Test {
  Opcode opcode = Opcode::kNop;
  uint16_t port = 0;    // of the comparisons of ports
  HostMatch host;       // of kLocalHost and kRemoteHost
  uint64_t number = 0;  // an interface, a mark or a cgroup
  uint32_t mask = 0;    // of a mark
  friend bool operator==(const Test&, const Test&) = default;
};

struct Formula {
  enum class Kind : uint8_t { kTrue, kFalse, kAnd, kOr, kTest };
  Kind kind = Kind::kTrue;
  bool negated = false;  // of kTest
  Test test;
  std::vector<Formula> children;
};

// What the tree says of a row of `table`, as far as the kernel can say it.
Formula KernelFormula(const Node& node, const Table& table);
// States that rows of `table` that match can be in.
StateSet PossibleStates(const Node& node, const Table& table);
// Always true, and refused without CAP_NET_ADMIN.
Formula MarkGuard();
// The conjunction.
Formula AllOf(std::vector<Formula> parts);
bool TestsMarks(const Formula& formula);

// Bytes that a program may have: its jumps are counted in 16 bits, and may go 4 beyond it.
inline constexpr size_t kMaxProgram = 65528;
// Without what does not fit: fewer conditions, so still an upper bound.
Formula Coarsen(Formula formula, size_t max_size);
// The program; empty if there is nothing to decide. REQUIRES: it fits.
std::vector<std::byte> Assemble(const Formula& formula);
// One line an instruction: "16 sport >= 1024 else reject".
std::string List(Bytes program);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_BYTECODE_H_
