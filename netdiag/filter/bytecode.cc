// Tested by tests/filter/bytecode_test.cc and agreement_test.cc.

#include "netdiag/filter/bytecode.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "netdiag/dump/bytecode.h"
#include "netdiag/filter/formula.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/wire.h"

namespace netdiag::internal {
namespace {

using Kind = Formula::Kind;

static_assert(static_cast<int>(Opcode::kCgroup) == INET_DIAG_BC_CGROUP_COND);
static_assert(sizeof(inet_diag_bc_op) == 4 && sizeof(inet_diag_hostcond) == 8);

constexpr size_t kOpSize = sizeof(inet_diag_bc_op);

bool IsHost(Opcode opcode) { return opcode == Opcode::kLocalHost || opcode == Opcode::kRemoteHost; }

size_t AddressSize(Family family) { return family == Family::kInet6 ? 16 : 4; }

// The size of an instruction with its operands.
size_t SizeOf(const Test& test) {
  if (IsHost(test.opcode)) {
    return kOpSize + sizeof(inet_diag_hostcond) + AddressSize(test.host.family);
  }
  switch (test.opcode) {
    case Opcode::kNop:
    case Opcode::kJump:
    case Opcode::kAuto:
      return kOpSize;
    case Opcode::kMark:
    case Opcode::kCgroup:
      return kOpSize + 8;
    default:
      return kOpSize + 4;
  }
}

size_t SizeOf(const Formula& formula) {
  if (formula.kind == Kind::kTest) return SizeOf(formula.test) + (formula.negated ? kOpSize : 0);
  size_t size = 0;
  for (const Formula& child : formula.children) size += SizeOf(child);
  if (formula.kind == Kind::kOr) size += (formula.children.size() - 1) * kOpSize;
  return size;
}

using Label = BytecodeAssembler::Label;

// Writes the program of a formula.
class Generator {
 public:
  std::vector<std::byte> Run(const Formula& formula) {
    Generate(formula, assembler_.reject());
    std::vector<std::byte> program;
    assembler_.Finish(&program);
    return program;
  }

 private:
  template <class T>
  void Put(const T& value) {
    const Bytes bytes = std::as_bytes(std::span<const T, 1>(&value, 1));
    operand_.insert(operand_.end(), bytes.begin(), bytes.end());
  }

  void PutJump(Label to) { assembler_.Put(static_cast<uint8_t>(Opcode::kJump), {}, to); }

  void PutHost(const HostMatch& host) {
    inet_diag_hostcond condition = {};
    condition.family = static_cast<uint8_t>(host.family);
    condition.prefix_len = host.prefix;
    condition.port = host.port ? *host.port : -1;
    Put(condition);
    const Bytes octets = std::as_bytes(host.address.octets());
    operand_.insert(operand_.end(), octets.begin(), octets.end());
  }

  void PutTest(const Test& test, Label otherwise) {
    operand_.clear();
    if (IsHost(test.opcode)) {
      PutHost(test.host);
    } else if (test.opcode == Opcode::kDevice) {
      Put(static_cast<uint32_t>(test.number));
    } else if (test.opcode == Opcode::kMark) {
      Put(inet_diag_markcond{static_cast<uint32_t>(test.number), test.mask});
    } else if (test.opcode == Opcode::kCgroup) {
      Put(test.number);
    } else {
      Put(inet_diag_bc_op{0, 0, test.port});
    }
    assembler_.Put(static_cast<uint8_t>(test.opcode), operand_, otherwise);
  }

  // Emits code that falls through if the formula holds, and jumps to `otherwise` if not.
  void Generate(const Formula& formula, Label otherwise) {
    switch (formula.kind) {
      case Kind::kTrue:
        return;
      case Kind::kFalse:
        return PutJump(otherwise);
      case Kind::kTest:
        return GenerateTest(formula, otherwise);
      case Kind::kAnd:
        for (const Formula& child : formula.children) Generate(child, otherwise);
        return;
      case Kind::kOr:
        return GenerateOr(formula, otherwise);
    }
  }

  void GenerateTest(const Formula& formula, Label otherwise) {
    if (!formula.negated) return PutTest(formula.test, otherwise);
    const Label holds = assembler_.NewLabel();
    PutTest(formula.test, holds);
    PutJump(otherwise);
    assembler_.Bind(holds);
  }

  void GenerateOr(const Formula& formula, Label otherwise) {
    const Label holds = assembler_.NewLabel();
    for (size_t i = 0; i + 1 < formula.children.size(); ++i) {
      const Label next = assembler_.NewLabel();
      Generate(formula.children[i], next);
      PutJump(holds);
      assembler_.Bind(next);
    }
    Generate(formula.children.back(), otherwise);
    assembler_.Bind(holds);
  }

  BytecodeAssembler assembler_;
  std::vector<std::byte> operand_;
};

// ---- Listing ----

std::string HostText(Bytes operand) {
  const auto family = netlink::Load<uint8_t>(operand, 0).value_or(0);
  const auto prefix = netlink::Load<uint8_t>(operand, 1).value_or(0);
  const auto port = netlink::Load<int32_t>(operand, 4).value_or(-1);
  const bool v6 = family == AF_INET6;
  std::string text = v6 ? "[" : "";
  IpAddress::FromNetwork(v6 ? Family::kInet6 : Family::kInet, operand.subspan(8)).AppendTo(&text);
  if (v6) text += "]";
  text += "/" + std::to_string(prefix);
  if (port >= 0) text += ":" + std::to_string(port);
  return text;
}

std::string OperandText(Opcode opcode, Bytes operand) {
  switch (opcode) {
    case Opcode::kNop:
    case Opcode::kJump:
    case Opcode::kAuto:
      return "";
    case Opcode::kLocalHost:
    case Opcode::kRemoteHost:
      return HostText(operand);
    case Opcode::kDevice:
      return std::to_string(netlink::Load<uint32_t>(operand, 0).value_or(0));
    case Opcode::kMark:
      return std::to_string(netlink::Load<uint32_t>(operand, 0).value_or(0)) + "/" +
             std::to_string(netlink::Load<uint32_t>(operand, 4).value_or(0));
    case Opcode::kCgroup:
      return std::to_string(netlink::Load<uint64_t>(operand, 0).value_or(0));
    default:
      return std::to_string(netlink::Load<uint16_t>(operand, 2).value_or(0));
  }
}

std::string_view Mnemonic(Opcode opcode) {
  static constexpr std::array<std::string_view, 14> kMnemonics = {
      "nop",    "jump",   "sport >=", "sport <=", "dport >=", "dport <=", "auto",
      "src in", "dst in", "dev ==",   "mark ==",  "sport ==", "dport ==", "cgroup =="};
  const auto value = static_cast<size_t>(opcode);
  return value < kMnemonics.size() ? kMnemonics[value] : "?";
}

std::string PlaceText(size_t place, size_t end) {
  if (place == end) return "accept";
  return place > end ? "reject" : std::to_string(place);
}

}  // namespace

Formula Coarsen(Formula formula, size_t max_size) {
  if (SizeOf(formula) <= max_size) return formula;
  if (formula.kind != Kind::kAnd) return Formula();
  std::vector<Formula> kept;
  // The smallest conditions first: many small ones reject more rows than one large one.
  std::ranges::stable_sort(formula.children, {}, [](const Formula& f) { return SizeOf(f); });
  for (Formula& child : formula.children) {
    const size_t size = SizeOf(child);
    if (size > max_size) break;
    max_size -= size;
    kept.push_back(std::move(child));
  }
  return AllOf(std::move(kept));
}

std::vector<std::byte> Assemble(const Formula& formula) { return Generator().Run(formula); }

std::string List(Bytes program) {
  std::string text;
  for (size_t at = 0; at < program.size();) {
    const auto code = netlink::Load<uint8_t>(program, at);
    const auto yes = netlink::Load<uint8_t>(program, at + 1);
    const auto no = netlink::Load<uint16_t>(program, at + 2);
    if (!code || !yes || !no || *yes < kOpSize || *yes > program.size() - at) return text + "?\n";
    const auto opcode = static_cast<Opcode>(*code);
    text.append(std::to_string(at)).append(" ").append(Mnemonic(opcode));
    const std::string operand = OperandText(opcode, program.subspan(at + kOpSize, *yes - kOpSize));
    if (!operand.empty()) text.append(" ").append(operand);
    text.append(opcode == Opcode::kJump ? " " : " else ");
    text.append(PlaceText(at + *no, program.size())).append("\n");
    at += *yes;
  }
  return text;
}

}  // namespace netdiag::internal
