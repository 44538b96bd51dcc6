// Tested by tests/dump/requests_test.cc, and by tests/filter/bytecode_test.cc through filters.

#include "netdiag/dump/bytecode.h"

#include <cstring>
#include <span>

#include "netdiag/netlink/abi.h"

namespace netdiag::internal {
namespace {

constexpr size_t kOpSize = sizeof(inet_diag_bc_op);
constexpr size_t kBeyond = 4;  // from the end of the program to the place that rejects

}  // namespace

BytecodeAssembler::Label BytecodeAssembler::NewLabel() {
  places_.push_back(0);
  return places_.size() - 1;
}

void BytecodeAssembler::Put(uint8_t code, Bytes operand, Label otherwise) {
  jumps_.push_back({program_.size(), otherwise});
  const inet_diag_bc_op op = {code, static_cast<uint8_t>(kOpSize + operand.size()), 0};
  const Bytes bytes = std::as_bytes(std::span(&op, 1));
  program_.insert(program_.end(), bytes.begin(), bytes.end());
  program_.insert(program_.end(), operand.begin(), operand.end());
}

void BytecodeAssembler::Finish(std::vector<std::byte>* program) {
  places_[accept()] = program_.size();
  places_[reject()] = program_.size() + kBeyond;
  for (const Jump& jump : jumps_) {
    const auto distance = static_cast<uint16_t>(places_[jump.to] - jump.at);
    std::memcpy(&program_[jump.at + offsetof(inet_diag_bc_op, no)], &distance, sizeof(distance));
  }
  program->assign(program_.begin(), program_.end());
  program_.clear();
  places_.assign(2, 0);
  jumps_.clear();
}

}  // namespace netdiag::internal
