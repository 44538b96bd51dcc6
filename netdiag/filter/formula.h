// netdiag/filter/formula.h — Internal. The part of a filter that the kernel can decide, as a
// formula over the tests of inet_diag.
//
// A formula is an upper bound of its tree: the tree matches no row that the formula rejects. A test
// decides exactly what its predicate decides, with one exception: rows of TIME_WAIT and SYN_RECV
// have no mark and no cgroup, so they match no predicate on one, but the kernel takes both for 0.
// So `not fwmark = 5` has no formula, while `fwmark != 5` has one.

#ifndef NETDIAG_FILTER_FORMULA_H_
#define NETDIAG_FILTER_FORMULA_H_

#include <cstdint>
#include <vector>

#include "netdiag/dump/table.h"
#include "netdiag/filter/ast.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The values are those of INET_DIAG_BC_*.
enum class Opcode : uint8_t {
  kNop = 0,
  kJump = 1,
  kLocalGreaterEqual = 2,
  kLocalLessEqual = 3,
  kRemoteGreaterEqual = 4,
  kRemoteLessEqual = 5,
  kAuto = 6,  // never used: no row says whether bind() locked its port, so Matches() cannot agree
  kLocalHost = 7,
  kRemoteHost = 8,
  kDevice = 9,
  kMark = 10,
  kLocalEqual = 11,
  kRemoteEqual = 12,
  kCgroup = 13,
};

// One test of inet_diag. Each opcode reads only its own operands.
struct Test {
  Opcode opcode = Opcode::kNop;
  uint16_t port = 0;    // comparisons of ports
  HostMatch host;       // kLocalHost, kRemoteHost
  uint64_t number = 0;  // kDevice, kMark, kCgroup
  uint32_t mask = 0;    // kMark
  friend bool operator==(const Test&, const Test&) = default;
};

struct Formula {
  enum class Kind : uint8_t { kTrue, kFalse, kAnd, kOr, kTest };
  Kind kind = Kind::kTrue;
  bool negated = false;           // of kTest
  Test test;                      // of kTest
  std::vector<Formula> children;  // of kAnd and kOr
};

bool IsInet(const Table& table);

// What the kernel can decide of the tree `node`, for rows of `table`.
Formula KernelFormula(const Node& node, const Table& table);
// The states that matching rows of `table` can have.
StateSet PossibleStates(const Node& node, const Table& table);
// A test that is always true, and that the kernel refuses without CAP_NET_ADMIN.
Formula MarkGuard();
// The conjunction of `parts`.
Formula AllOf(std::vector<Formula> parts);
bool TestsMarks(const Formula& formula);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_FORMULA_H_
