// Parses any text as a filter. What is parsed prints a text that parses again, its programs pass
// the kernel's checks, and they accept every row that matches.

#include <string_view>

#include "netdiag/engine/row_maker.h"
#include "netdiag/filter/bytecode.h"
#include "netdiag/filter/filter.h"
#include "netdiag/filter/kernel_part.h"
#include "netdiag/netlink/request_builder.h"
#include "tests/fuzz/fuzz.h"
#include "tests/testing/bytecode_vm.h"

namespace netdiag::fuzz {
namespace {

constexpr uint16_t kPorts[] = {0, 22, 1024, 65535};

// An inet_diag message with the same address and port at both ends.
netlink::Message MessageOf(uint16_t local, uint16_t remote, std::span<std::byte> storage) {
  std::array<std::byte, 72> body = {};
  body[0] = std::byte{2};
  body[1] = std::byte{1};
  const uint16_t ports[] = {Port::FromHost(local).ToNetwork(), Port::FromHost(remote).ToNetwork()};
  std::memcpy(&body[4], ports, sizeof(ports));
  netlink::RequestBuilder builder(storage);
  const Bytes whole = builder.Header(20, 0).Put(body).Finish().value_or(Bytes());
  return {*netlink::Load<netlink::Header>(whole), whole};
}

void CheckRows(const Filter& filter, const internal::KernelPart& part, const Table& table) {
  for (const uint16_t local : kPorts) {
    for (const uint16_t remote : kPorts) {
      std::array<std::byte, 128> storage;
      const netlink::Message message = MessageOf(local, remote, storage);
      const auto row = internal::RowMaker::FromMessage(message, table, SourceKind::kReplay);
      Check(row.has_value());
      if (!filter.Matches(*row)) continue;
      Check(part.states.contains(State::kEstablished));
      Check(part.source_port == Port() || part.source_port.value() == local);
      Check(part.destination_port == Port() || part.destination_port.value() == remote);
      Check(part.bytecode.empty() ||
            testing::RunBytecode(part.bytecode, {.local_port = local, .remote_port = remote}));
    }
  }
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag;  // NOLINT
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  if (!filter.ok()) {
    fuzz::Check(!PointAt(text, filter.status()).empty());
    return 0;
  }
  const std::string printed = filter->ToString();
  const absl::StatusOr<Filter> again = Filter::Parse(printed);
  // The printed form can be longer than the limit for parsing.
  if (printed.size() <= Filter::kMaxText) fuzz::Check(again.ok() && *again == *filter);
  const Table table = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(1)};
  const internal::KernelPart part = internal::KernelPartOf(*filter, table);
  if (!part.bytecode.empty()) {
    fuzz::Check(testing::AuditBytecode(part.bytecode, /*net_admin=*/true) == 0);
    fuzz::Touch(internal::List(part.bytecode));
  }
  fuzz::CheckRows(*filter, part, table);
  return 0;
}
