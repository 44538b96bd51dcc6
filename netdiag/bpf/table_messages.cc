// Tested by tests/bpf/table_messages_test.cc.

#include "netdiag/bpf/table_messages.h"

#include <cstring>

namespace netdiag::bpf {
namespace {

// Places in struct nlmsghdr and in the struct inet_diag_msg behind it.
constexpr size_t kHeader = 16, kMessage = 88;
constexpr size_t kType = 4, kFlags = 6, kPortId = 12;
constexpr size_t kFamily = 16, kState = 17, kPorts = 20, kInterface = 56;
constexpr size_t kPortsAndAddresses = 36;
static_assert(kPorts + kPortsAndAddresses == kInterface);

template <class T>
T LoadAt(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

}  // namespace

void TableMessages::Begin(bool connections) {
  rest_ = {};
  given_.clear();
  end_ = {};
  repeated_ = 0;
  connections_ = connections;
  ended_ = damaged_ = false;
}

bool TableMessages::Next(std::span<const std::byte>* message) {
  while (!rest_.empty()) {
    const std::span<std::byte> whole = rest_;
    if (whole.size() < kHeader) break;
    const auto length = LoadAt<uint32_t>(whole, 0);
    auto flags = LoadAt<uint16_t>(whole, kFlags);
    if (LoadAt<uint16_t>(whole, kType) == kTableEndType) {
      if (!TakeEnd(whole)) break;
      rest_ = {};
      return false;
    }
    const bool has_address = (flags & kTableFlag) != 0;
    const size_t size = length + (has_address ? size_t{kTableAddressSize} : 0);
    if (length < kMessage || length > kTableMaxRow || length % 4 != 0 || size > whole.size()) break;
    rest_ = whole.subspan(size);
    if (has_address) {
      flags = static_cast<uint16_t>(flags & ~unsigned{kTableFlag});
      std::memcpy(whole.data() + kFlags, &flags, sizeof(flags));
      if (!IsNew(whole.first(length), LoadAt<uint64_t>(whole, length))) {
        ++repeated_;
        continue;
      }
    }
    *message = whole.first(length);
    return true;
  }
  damaged_ |= !rest_.empty();
  rest_ = {};
  return false;
}

bool TableMessages::TakeEnd(std::span<const std::byte> message) {
  if (message.size() != kHeader + sizeof(end_)) return false;
  end_ = LoadAt<KernelTableEnd>(message, kHeader);
  ended_ = true;
  return true;
}

bool TableMessages::IsNew(std::span<const std::byte> message, uint64_t address) {
  Key key;
  if (connections_ && static_cast<State>(LoadAt<uint8_t>(message, kState)) != State::kListen) {
    key.name[0] = message[kFamily];
    std::memcpy(key.name.data() + 4, message.data() + kPorts, kPortsAndAddresses);
    std::memcpy(key.name.data() + 40, message.data() + kInterface, sizeof(uint32_t));
    std::memcpy(key.name.data() + 44, message.data() + kPortId, sizeof(uint32_t));
  } else {
    key.address = address;
  }
  return given_.insert(key).second;
}

}  // namespace netdiag::bpf
