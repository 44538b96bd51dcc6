// Parses any text as an address, a network, an endpoint and a hardware address. What is parsed
// prints a text that parses as the same value, and IP addresses equal those of inet_pton(3).

#include <arpa/inet.h>

#include <array>
#include <string>
#include <string_view>

#include "netdiag/types/address.h"
#include "tests/fuzz/fuzz.h"

namespace netdiag::fuzz {
namespace {

template <class T>
void CheckReadsBack(const absl::StatusOr<T>& value) {
  if (!value.ok()) return Touch(std::string_view(value.status().ToString()));
  const std::string text = ToText(*value);
  const absl::StatusOr<T> again = T::Parse(text);
  Check(again.ok() && *again == *value);
}

void CheckAddress(std::string_view text) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  CheckReadsBack(address);
  if (text.find('\0') != text.npos) return Check(!address.ok());
  const std::string terminated(text);
  for (const Family family : {Family::kInet, Family::kInet6}) {
    std::array<std::byte, 16> octets{};
    const int good = inet_pton(static_cast<int>(family), terminated.c_str(), octets.data());
    Check((good == 1) == (address.ok() && address->family() == family));
    if (good == 1) Check(*address == IpAddress::FromNetwork(family, octets));
  }
}

void CheckCidr(std::string_view text) {
  const absl::StatusOr<Cidr> cidr = Cidr::Parse(text);
  if (!cidr.ok()) return Touch(std::string_view(cidr.status().ToString()));
  Check(cidr->network.Contains(cidr->address) || cidr->address.IsV4Mapped());
  Check(Cidr::Parse(ToText(cidr->network))->network == cidr->network);
}

void CheckHostPort(std::string_view text) {
  const absl::StatusOr<HostPort> parts = SplitHostPort(text);
  if (!parts.ok()) return Touch(std::string_view(parts.status().ToString()));
  const std::string joined = JoinHostPort(parts->host, parts->port);
  const absl::StatusOr<HostPort> again = SplitHostPort(joined);
  Check(again.ok() && again->host == parts->host && again->port == parts->port);
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag;  // NOLINT
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fuzz::CheckAddress(text);
  fuzz::CheckCidr(text);
  fuzz::CheckHostPort(text);
  fuzz::CheckReadsBack(Endpoint::Parse(text));
  fuzz::CheckReadsBack(HardwareAddress::Parse(text));
  fuzz::Touch(std::string_view(ToText(HardwareAddress::FromNetwork(fuzz::AsBytes(data, size)))));
  return 0;
}
