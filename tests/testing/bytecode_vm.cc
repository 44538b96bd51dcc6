#include "tests/testing/bytecode_vm.h"

#include <cerrno>
#include <cstring>
#include <optional>

namespace netdiag::testing {
namespace {

enum Code : uint8_t {
  kNop,
  kJump,
  kSourceGe,
  kSourceLe,
  kDestinationGe,
  kDestinationLe,
  kAuto,
  kSourceCondition,
  kDestinationCondition,
  kDevice,
  kMark,
  kSourceEq,
  kDestinationEq,
  kCgroup,
};

template <class T>
T At(Bytes bytes, size_t offset) {
  T value = 0;
  std::memcpy(&value, &bytes[offset], sizeof(T));
  return value;
}

// The least size of an instruction in bytes; 0 if it does not fit or does not exist.
size_t LeastLength(Bytes rest) {
  switch (At<uint8_t>(rest, 0)) {
    case kNop:
    case kJump:
    case kAuto:
      return 4;
    case kSourceGe:
    case kSourceLe:
    case kDestinationGe:
    case kDestinationLe:
    case kSourceEq:
    case kDestinationEq:
    case kDevice:
      return rest.size() >= 8 ? 8 : 0;
    case kMark:
    case kCgroup:
      return rest.size() >= 12 ? 12 : 0;
    case kSourceCondition:
    case kDestinationCondition:
      break;
    default:
      return 0;
  }
  if (rest.size() < 12) return 0;
  const auto family = At<uint8_t>(rest, 4);
  const size_t address = family == 0 ? 0 : family == 2 ? 4 : family == 10 ? 16 : 99;
  if (address == 99 || rest.size() < 12 + address) return 0;
  return At<uint8_t>(rest, 5) <= 8 * address ? 12 + address : 0;
}

// True if following `yes` from the start reaches `place`.
bool OnTheChain(Bytes program, size_t place) {
  size_t at = 0;
  while (at < place) {
    const auto yes = At<uint8_t>(program, at + 1);
    if (yes < 4 || (yes & 3) != 0) return false;
    at += yes;
  }
  return at == place;
}

bool SameBits(std::span<const uint8_t> a, Bytes b, size_t bits) {
  for (size_t i = 0; i < bits; ++i) {
    const int mask = 0x80 >> (i % 8);
    if ((a[i / 8] & mask) != (std::to_integer<int>(b[i / 8]) & mask)) return false;
  }
  return true;
}

bool RunCondition(Bytes condition, const IpAddress& address, uint16_t port) {
  const auto wanted = static_cast<Family>(At<uint8_t>(condition, 0));
  const auto bits = At<uint8_t>(condition, 1);
  const auto wanted_port = At<int32_t>(condition, 4);
  if (wanted_port != -1 && wanted_port != port) return false;
  const Bytes prefix = condition.subspan(8);
  if (wanted != Family::kUnspecified && wanted != address.family()) {
    if (wanted != Family::kInet || !address.IsV4Mapped()) return false;
    return SameBits(address.octets().subspan(12), prefix, bits);
  }
  return SameBits(address.octets(), prefix, bits);
}

bool Holds(Bytes rest, const BytecodeEntry& entry) {
  switch (At<uint8_t>(rest, 0)) {
    case kNop:
      return true;
    case kSourceGe:
      return entry.local_port >= At<uint16_t>(rest, 6);
    case kSourceLe:
      return entry.local_port <= At<uint16_t>(rest, 6);
    case kDestinationGe:
      return entry.remote_port >= At<uint16_t>(rest, 6);
    case kDestinationLe:
      return entry.remote_port <= At<uint16_t>(rest, 6);
    case kSourceEq:
      return entry.local_port == At<uint16_t>(rest, 6);
    case kDestinationEq:
      return entry.remote_port == At<uint16_t>(rest, 6);
    case kAuto:
      return !entry.port_locked;
    case kSourceCondition:
      return RunCondition(rest.subspan(4), entry.local, entry.local_port);
    case kDestinationCondition:
      return RunCondition(rest.subspan(4), entry.remote, entry.remote_port);
    case kDevice:
      return entry.device == At<uint32_t>(rest, 4);
    case kMark:
      return (entry.mark & At<uint32_t>(rest, 8)) == At<uint32_t>(rest, 4);
    case kCgroup:
      return entry.cgroup == At<uint64_t>(rest, 4);
    default:
      return false;  // kJump
  }
}

}  // namespace

int AuditBytecode(Bytes program, bool net_admin) {
  if (program.size() < 4) return EINVAL;
  Bytes rest = program;
  while (!rest.empty()) {
    if (rest.size() < 4) return EINVAL;
    const size_t least = LeastLength(rest);
    if (least == 0) return EINVAL;
    const auto code = At<uint8_t>(rest, 0);
    if (code == kMark && !net_admin) return EPERM;
    const auto yes = At<uint8_t>(rest, 1);
    const auto no = At<uint16_t>(rest, 2);
    if (code != kNop) {
      if (no < least || no > rest.size() + 4 || (no & 3) != 0) return EINVAL;
      const size_t place = program.size() - rest.size() + no;
      if (no < rest.size() && !OnTheChain(program, place)) return EINVAL;
    }
    if (yes < least || yes > rest.size() + 4 || (yes & 3) != 0) return EINVAL;
    if (yes > rest.size()) return EINVAL;  // the jump does not end at the end of the program
    rest = rest.subspan(yes);
  }
  return 0;
}

bool RunBytecode(Bytes program, const BytecodeEntry& entry) {
  size_t at = 0;
  while (at < program.size()) {
    const Bytes rest = program.subspan(at);
    at += Holds(rest, entry) ? At<uint8_t>(rest, 1) : At<uint16_t>(rest, 2);
  }
  return at == program.size();
}

}  // namespace netdiag::testing
