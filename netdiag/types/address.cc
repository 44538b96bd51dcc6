// The text of an IPv6 address follows RFC 5952, and inet_ntop(3) for addresses with an IPv4 part.
// inet_ntop() itself is not used, because it costs as much as the rest of a row. Tested by
// tests/types/address_test.cc, and compared with Go in tests/peers/peers_test.cc.

#include "netdiag/types/address.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"

namespace netdiag {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr char kDigits[] = "0123456789abcdef";

// An octet in decimal, followed by a dot. Always copied as four bytes.
struct OctetText {
  std::array<char, 4> text{};
  uint8_t size = 0;  // including the dot
};

char* WriteV4(const uint8_t* octets, char* out) {
  static constexpr auto kTexts = [] {
    std::array<OctetText, 256> texts;
    for (unsigned octet = 0; octet < 256; ++octet) {
      OctetText& text = texts[octet];
      if (octet >= 100) text.text[text.size++] = static_cast<char>('0' + octet / 100);
      if (octet >= 10) text.text[text.size++] = static_cast<char>('0' + octet / 10 % 10);
      text.text[text.size++] = static_cast<char>('0' + octet % 10);
      text.text[text.size++] = '.';
    }
    return texts;
  }();
  for (size_t i = 0; i < 4; ++i) {
    const OctetText& text = kTexts[octets[i]];
    std::memcpy(out, text.text.data(), text.text.size());
    out += text.size;
  }
  return out - 1;
}

char* WriteV6(const uint8_t* octets, char* out) {
  const auto group = [octets](size_t i) {
    return unsigned{octets[2 * i]} << 8 | octets[2 * i + 1];
  };
  // "::" replaces the longest run of two or more zero groups, the first one if there are several.
  size_t run = 8;
  size_t run_length = 1;
  for (size_t i = 0; i < 8;) {
    size_t end = i;
    while (end < 8 && group(end) == 0) ++end;
    if (end - i > run_length) {
      run = i;
      run_length = end - i;
    }
    i = end + 1;
  }
  for (size_t i = 0; i < 8; ++i) {
    if (i == run) {
      *out++ = ':';
      i += run_length;
      if (i == 8) *out++ = ':';
      if (i == 8) break;
    }
    if (i > 0) *out++ = ':';
    // An IPv4 address in IPv6: ::a.b.c.d or ::ffff:a.b.c.d.
    const bool v4 =
        i == 6 && run == 0 && (run_length == 6 || (run_length == 5 && group(5) == 0xffff));
    if (v4) return WriteV4(octets + 12, out);
    const unsigned value = group(i);
    for (int shift = value > 0xfff  ? 12
                     : value > 0xff ? 8
                     : value > 0xf  ? 4
                                    : 0;
         shift >= 0; shift -= 4) {
      *out++ = kDigits[value >> shift & 0xf];
    }
  }
  return out;
}

void AppendHex(std::span<const uint8_t> octets, std::string_view separator, std::string* out) {
  for (size_t i = 0; i < octets.size(); ++i) {
    if (i > 0) out->append(separator);
    out->push_back(kDigits[octets[i] >> 4]);
    out->push_back(kDigits[octets[i] & 0xf]);
  }
}

void AppendDecimal(uint32_t number, std::string* out) {
  char digits[10];
  out->append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

// ---- Reading ----

bool ReadV4(std::string_view text, uint8_t* octets) {
  for (size_t i = 0; i < 4; ++i) {
    if (i > 0) {
      if (!text.starts_with('.')) return false;
      text.remove_prefix(1);
    }
    const bool zero = text.starts_with('0');
    const size_t before = text.size();
    const std::optional<uint8_t> octet = internal::TakeNumber<uint8_t>(&text);
    if (!octet || (zero && before - text.size() > 1)) return false;
    octets[i] = *octet;
  }
  return text.empty();
}

// The octets of the groups before or after a "::".
struct Groups {
  std::array<uint8_t, 16> octets{};
  size_t size = 0;  // the number of octets
};

// Takes one group off the front of `text`; the last group may be an IPv4 address. Returns false if
// `text` starts with neither.
bool TakeGroup(std::string_view* text, Groups* groups) {
  const size_t end = std::min(text->find(':'), text->size());
  if (end == text->size() && text->find('.') != text->npos) {
    if (groups->size > 12 || !ReadV4(*text, &groups->octets[groups->size])) return false;
    groups->size += 4;
    *text = {};
    return true;
  }
  if (end > 4 || groups->size > 14) return false;
  std::string_view digits = text->substr(0, end);
  const std::optional<uint16_t> value = internal::TakeNumber<uint16_t>(&digits, 16);
  if (!value || !digits.empty()) return false;
  groups->octets[groups->size++] = static_cast<uint8_t>(*value >> 8);
  groups->octets[groups->size++] = static_cast<uint8_t>(*value & 0xff);
  text->remove_prefix(end);
  return true;
}

bool ReadGroups(std::string_view text, Groups* groups) {
  while (!text.empty()) {
    if (!TakeGroup(&text, groups)) return false;
    if (text.empty()) return true;
    text.remove_prefix(1);
    if (text.empty()) return false;  // a colon at the end
  }
  return true;
}

bool ReadV6(std::string_view text, uint8_t* octets) {
  const size_t gap = text.find("::");
  Groups head;
  if (!ReadGroups(text.substr(0, gap), &head)) return false;
  std::copy_n(head.octets.begin(), head.size, octets);
  if (gap == text.npos) return head.size == 16;
  // An IPv4 address may only be at the end.
  if (text.substr(0, gap).find('.') != text.npos) return false;
  Groups tail;
  if (!ReadGroups(text.substr(gap + 2), &tail) || head.size + tail.size > 14) return false;
  std::copy_n(tail.octets.begin(), tail.size, octets + 16 - tail.size);
  return true;
}

std::optional<IpAddress> ReadAddress(std::string_view text) {
  std::array<uint8_t, 16> octets{};
  const size_t first = text.find_first_of(".:");
  if (first == text.npos) return std::nullopt;
  if (text[first] == ':') {
    return ReadV6(text, octets.data()) ? std::optional(IpAddress::V6(octets)) : std::nullopt;
  }
  if (!ReadV4(text, octets.data())) return std::nullopt;
  return IpAddress::V4(octets[0], octets[1], octets[2], octets[3]);
}

// Sets the first `ones` bits of `octets` and clears the others.
void SetOnes(unsigned ones, std::span<uint8_t> octets) {
  for (uint8_t& octet : octets) {
    const unsigned here = std::min(ones, 8u);
    octet = static_cast<uint8_t>(0xff00 >> here);
    ones -= here;
  }
}

}  // namespace

// ---- IpAddress ----

absl::StatusOr<IpAddress> IpAddress::Parse(std::string_view text) {
  if (const std::optional<IpAddress> address = ReadAddress(text)) return *address;
  return BadInput("IP address", text, "invalid");
}

bool IpAddress::IsUnspecified() const {
  return std::ranges::all_of(octets_, [](uint8_t octet) { return octet == 0; });
}

bool IpAddress::IsV4Mapped() const {
  return family_ == Family::kInet6 &&
         std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), octets_.begin());
}

IpAddress IpAddress::Unmapped() const {
  return IsV4Mapped() ? V4(octets_[12], octets_[13], octets_[14], octets_[15]) : *this;
}

IpAddress IpAddress::Mapped() const {
  if (family_ == Family::kInet6) return *this;
  std::array<uint8_t, 16> octets{};
  std::ranges::copy(kMappedPrefix, octets.begin());
  std::copy_n(octets_.begin(), 4, octets.begin() + 12);
  return V6(octets);
}

bool IpAddress::IsLoopback() const {
  const IpAddress plain = Unmapped();
  return plain.family_ == Family::kInet ? plain.octets_[0] == 127 : plain == kIpv6Loopback;
}

bool IpAddress::IsPrivate() const {
  const IpAddress plain = Unmapped();
  const std::array<uint8_t, 16>& octet = plain.octets_;
  if (plain.family_ == Family::kInet6) return (octet[0] & 0xfe) == 0xfc;
  return octet[0] == 10 || (octet[0] == 172 && (octet[1] & 0xf0) == 16) ||
         (octet[0] == 192 && octet[1] == 168);
}

bool IpAddress::IsMulticast() const {
  const IpAddress plain = Unmapped();
  if (plain.family_ == Family::kInet6) return plain.octets_[0] == 0xff;
  return (plain.octets_[0] & 0xf0) == 0xe0;
}

bool IpAddress::IsInterfaceLocalMulticast() const {
  return family_ == Family::kInet6 && octets_[0] == 0xff && (octets_[1] & 0x0f) == 1;
}

bool IpAddress::IsLinkLocalMulticast() const {
  const IpAddress plain = Unmapped();
  const std::array<uint8_t, 16>& octet = plain.octets_;
  if (plain.family_ == Family::kInet6) return octet[0] == 0xff && (octet[1] & 0x0f) == 2;
  return octet[0] == 224 && octet[1] == 0 && octet[2] == 0;
}

bool IpAddress::IsLinkLocalUnicast() const {
  const IpAddress plain = Unmapped();
  const std::array<uint8_t, 16>& octet = plain.octets_;
  if (plain.family_ == Family::kInet6) return octet[0] == 0xfe && (octet[1] & 0xc0) == 0x80;
  return octet[0] == 169 && octet[1] == 254;
}

bool IpAddress::IsGlobalUnicast() const {
  return !Unmapped().IsUnspecified() && Unmapped() != kIpv4Broadcast && !IsLoopback() &&
         !IsMulticast() && !IsLinkLocalUnicast();
}

std::optional<IpAddress> IpAddress::Masked(const Mask& mask) const {
  if (mask.family() != family_) return std::nullopt;
  IpAddress masked = *this;
  for (size_t i = 0; i < octets().size(); ++i) masked.octets_[i] &= mask.octets()[i];
  return masked;
}

std::optional<Mask> IpAddress::DefaultMask() const {
  const IpAddress plain = Unmapped();
  if (plain.family_ == Family::kInet6) return std::nullopt;
  return Mask::OfLength(Family::kInet, plain.octets_[0] < 0x80   ? 8
                                       : plain.octets_[0] < 0xc0 ? 16
                                                                 : 24);
}

char* IpAddress::WriteTo(char* out) const {
  return family_ == Family::kInet ? WriteV4(octets_.data(), out) : WriteV6(octets_.data(), out);
}

void IpAddress::AppendTo(std::string* out) const {
  char text[kTextRoom];
  out->append(text, static_cast<size_t>(WriteTo(text) - text));
}

// ---- Mask, Prefix, Cidr ----

std::optional<Mask> Mask::OfLength(Family family, unsigned ones) {
  std::array<uint8_t, 16> octets{};
  const size_t size = family == Family::kInet6 ? 16 : 4;
  if (ones > size * 8) return std::nullopt;
  SetOnes(ones, std::span(octets).first(size));
  return FromNetwork(family, std::as_bytes(std::span(octets)));
}

std::optional<uint8_t> Mask::length() const {
  unsigned ones = 0;
  for (const uint8_t octet : octets()) ones += static_cast<unsigned>(std::popcount(octet));
  if (OfLength(family(), ones) != *this) return std::nullopt;
  return static_cast<uint8_t>(ones);
}

void Mask::AppendTo(std::string* out) const { AppendHex(octets(), "", out); }

bool Prefix::Contains(const IpAddress& host) const {
  IpAddress net = address;
  Mask bits = mask;
  const std::span<const uint8_t> octets = mask.octets();
  if (address.IsV4Mapped() && octets.size() == 16 &&
      std::ranges::all_of(octets.first(12), [](uint8_t octet) { return octet == 0xff; })) {
    net = address.Unmapped();
    bits = Mask::FromNetwork(Family::kInet, std::as_bytes(octets.last(4)));
  }
  const IpAddress plain = host.Unmapped();
  return plain.family() == net.family() && net.Masked(bits) &&
         plain.Masked(bits) == net.Masked(bits);
}

void Prefix::AppendTo(std::string* out) const {
  address.AppendTo(out);
  out->push_back('/');
  if (const std::optional<uint8_t> length = mask.length()) {
    AppendDecimal(*length, out);
  } else {
    mask.AppendTo(out);
  }
}

absl::StatusOr<Cidr> Cidr::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = ReadAddress(text.substr(0, slash));
  const std::optional<uint8_t> ones =
      slash == text.npos ? std::nullopt : internal::ParseNumber<uint8_t>(text.substr(slash + 1));
  const std::optional<Mask> mask =
      address && ones ? Mask::OfLength(address->family(), *ones) : std::nullopt;
  if (!mask) return BadInput("CIDR address", text, "invalid");
  return Cidr{*address, {*address->Masked(*mask), *mask}};
}

// ---- Endpoint ----

std::optional<IfIndex> Endpoint::NumericZone(std::string_view zone) {
  const std::optional<uint32_t> number = internal::ParseNumber<uint32_t>(zone);
  if (!number || *number == 0) return std::nullopt;
  return IfIndex(*number);
}

absl::StatusOr<Endpoint> Endpoint::ParseHost(std::string_view text, ZoneNames zones) {
  Endpoint end;
  const size_t percent = text.rfind('%');
  const std::optional<IpAddress> address = ReadAddress(text.substr(0, percent));
  if (!address) return BadInput("IP address", text, "invalid");
  end.address = *address;
  if (percent == text.npos) return end;
  const std::optional<IfIndex> zone = zones(text.substr(percent + 1));
  // IPv4 has no zones.
  if (address->family() != Family::kInet6 || !zone) {
    return BadInput("IP address", text, "no such zone");
  }
  end.zone = *zone;
  return end;
}

absl::StatusOr<Endpoint> Endpoint::Parse(std::string_view text, ZoneNames zones) {
  NETDIAG_ASSIGN_OR_RETURN(const HostPort parts, SplitHostPort(text));
  const std::optional<uint16_t> port = internal::ParseNumber<uint16_t>(parts.port);
  if (!port) return BadInput("address", text, "invalid port");
  NETDIAG_ASSIGN_OR_RETURN(Endpoint end, ParseHost(parts.host, zones));
  end.port = Port::FromHost(*port);
  return end;
}

void Endpoint::AppendHostTo(std::string* out) const {
  address.AppendTo(out);
  if (zone == IfIndex()) return;
  out->push_back('%');
  AppendDecimal(zone.value(), out);
}

void Endpoint::AppendTo(std::string* out) const {
  const bool brackets = address.family() == Family::kInet6;
  if (brackets) out->push_back('[');
  AppendHostTo(out);
  out->append(brackets ? "]:" : ":");
  AppendDecimal(port.value(), out);
}

// ---- Hosts and ports ----

absl::StatusOr<HostPort> SplitHostPort(std::string_view text) {
  const auto refuse = [text](std::string_view why) { return BadInput("address", text, why); };
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return refuse("missing port in address");
  HostPort parts = {text.substr(0, colon), text.substr(colon + 1)};
  size_t after_open = 0;
  size_t after_close = 0;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos) return refuse("missing ']' in address");
    if (end + 1 != colon) {
      const bool more = end + 1 < text.size() && text[end + 1] == ':';
      return refuse(more ? "too many colons in address" : "missing port in address");
    }
    parts.host = text.substr(1, end - 1);
    after_open = 1;
    after_close = end + 1;
  } else if (parts.host.find(':') != text.npos) {
    return refuse("too many colons in address");
  }
  if (text.find('[', after_open) != text.npos) return refuse("unexpected '[' in address");
  if (text.find(']', after_close) != text.npos) return refuse("unexpected ']' in address");
  return parts;
}

std::string JoinHostPort(std::string_view host, std::string_view port) {
  const bool brackets = host.find(':') != host.npos;
  std::string text;
  text.append(brackets ? "[" : "").append(host).append(brackets ? "]:" : ":").append(port);
  return text;
}

// ---- HardwareAddress ----

HardwareAddress HardwareAddress::FromNetwork(Bytes octets) {
  HardwareAddress address;
  address.size_ = static_cast<uint8_t>(std::min(octets.size(), kMaxSize));
  if (address.size_ != 0) std::memcpy(address.octets_.data(), octets.data(), address.size_);
  return address;
}

absl::StatusOr<HardwareAddress> HardwareAddress::Parse(std::string_view text) {
  const absl::Status invalid = BadInput("MAC address", text, "invalid");
  if (text.size() < 14) return invalid;
  const bool quads = text[4] == '.';
  const size_t digits = quads ? 4 : 2;  // between separators
  const char separator = text[digits];
  if (!quads && separator != ':' && separator != '-') return invalid;
  const size_t size = (text.size() + 1) / (digits + 1) * digits / 2;
  if ((text.size() + 1) % (digits + 1) != 0 || (size != 6 && size != 8 && size != 20)) {
    return invalid;
  }
  HardwareAddress address;
  for (size_t i = 0; i < text.size(); i += i % (digits + 1) == digits ? 1 : 2) {
    if (i % (digits + 1) == digits) {
      if (text[i] != separator) return invalid;
      continue;
    }
    std::string_view octet = text.substr(i, 2);
    const std::optional<uint8_t> value = internal::TakeNumber<uint8_t>(&octet, 16);
    if (!value || !octet.empty()) return invalid;
    address.octets_[address.size_++] = *value;
  }
  return address;
}

void HardwareAddress::AppendTo(std::string* out) const { AppendHex(octets(), ":", out); }

}  // namespace netdiag
