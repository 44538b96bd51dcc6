// netdiag/dump/bytecode.h — Internal. Assembles programs for inet_diag (INET_DIAG_REQ_BYTECODE).
//
//   BytecodeAssembler assembler;
//   assembler.Put(INET_DIAG_BC_S_EQ, operand, assembler.reject());
//   request.bytecode = assembler.Finish();
//
// An instruction that holds falls through to the next one; an instruction that does not hold jumps
// to its label. Jumps only go forward. Every instruction therefore lies on the chain of
// fall-throughs, which the kernel's audit requires of jump targets, and eight bits are always
// enough for the distance of a fall-through.
//
// Threads: thread-compatible.
// Source: inet_diag_bc_run(), inet_diag_bc_audit(), net/ipv4/inet_diag.c (6.18).

#ifndef NETDIAG_DUMP_BYTECODE_H_
#define NETDIAG_DUMP_BYTECODE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "netdiag/types/types.h"

namespace netdiag::internal {

class BytecodeAssembler {
 public:
  // A place in the program. Jumps may name it before it is bound.
  using Label = size_t;

  // The kernel accepts a socket at the end of the program, and rejects it at 4 bytes beyond.
  Label accept() const { return 0; }
  Label reject() const { return 1; }
  Label NewLabel();
  // Binds `label` to the next instruction.
  void Bind(Label label) { places_[label] = program_.size(); }
  // Appends an instruction with its operand. `code` is one of INET_DIAG_BC_*.
  void Put(uint8_t code, Bytes operand, Label otherwise);
  // Resolves the jumps and copies the program to `program`. The assembler is then as new, and keeps
  // its memory. REQUIRES: every label that a jump names is bound.
  void Finish(std::vector<std::byte>* program);

 private:
  struct Jump {
    size_t at;  // where its instruction begins
    Label to;
  };

  std::vector<std::byte> program_;
  std::vector<size_t> places_ = {0, 0};  // by label
  std::vector<Jump> jumps_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_BYTECODE_H_
