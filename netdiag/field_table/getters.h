// netdiag/field_table/getters.h — Internal. What the rows of the field table are written with: sets
// of families, and getters over a row or a part of it. Users want netdiag/fields.h.

#ifndef NETDIAG_FIELD_TABLE_GETTERS_H_
#define NETDIAG_FIELD_TABLE_GETTERS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "netdiag/fields.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

inline constexpr FamilySet kUnixOnly = Family::kUnix;
inline constexpr FamilySet kInetOnly = {Family::kInet, Family::kInet6};
inline constexpr FamilySet kPacketOnly = Family::kPacket;
inline constexpr FamilySet kNetlinkOnly = Family::kNetlink;
inline constexpr FamilySet kVsockOnly = Family::kVsock;
inline constexpr FamilySet kTipcOnly = Family::kTipc;
inline constexpr FamilySet kXdpOnly = Family::kXdp;
inline constexpr FamilySet kSmcOnly = Family::kSmc;
inline constexpr FamilySet kAnyFamily = {Family::kUnix,   Family::kInet,    Family::kInet6,
                                         Family::kPacket, Family::kNetlink, Family::kVsock,
                                         Family::kTipc,   Family::kXdp,     Family::kSmc};
constexpr FamilySet Without(FamilySet families, FamilySet left_out) {
  return FamilySet::FromBits(families.bits() & ~left_out.bits());
}
// What the kernel does not tell of each family.
inline constexpr FamilySet kWithIpEnds = kInetOnly | kSmcOnly;
inline constexpr FamilySet kWithInterface = kInetOnly | kPacketOnly | kXdpOnly | kSmcOnly;
inline constexpr FamilySet kWithReceiveQueue = Without(kAnyFamily, kVsockOnly | kSmcOnly);
inline constexpr FamilySet kWithSendQueue = Without(kWithReceiveQueue, kXdpOnly);
inline constexpr FamilySet kWithUid = Without(kAnyFamily, kNetlinkOnly | kVsockOnly);
inline constexpr FamilySet kWithShutdown = kInetOnly | kUnixOnly | kVsockOnly | kSmcOnly;
inline constexpr FamilySet kWithMemory = Without(kAnyFamily, kVsockOnly | kTipcOnly | kSmcOnly);

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

// The type of the FieldValue that ToValue() makes of a T.
template <class T>
constexpr ValueType TypeOf() {
  if constexpr (IsOptional<T>::value) {
    return TypeOf<typename T::value_type>();
  } else if constexpr (std::is_same_v<T, bool>) {
    return ValueType::kFlag;
  } else if constexpr (std::is_same_v<T, IpAddress>) {
    return ValueType::kAddress;
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return ValueType::kText;
  } else {
    return ValueType::kNumber;
  }
}

// Converts a value of the library. An empty optional and an empty text are absent.
template <class T>
FieldValue ToValue(const T& value) {
  if constexpr (IsOptional<T>::value) {
    return value ? ToValue(*value) : FieldValue();
  } else if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, IpAddress>) {
    return value;
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return value.empty() ? FieldValue() : FieldValue(value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return static_cast<uint64_t>(value);
  } else {
    return static_cast<uint64_t>(value.value());  // an Id or a Port
  }
}

// ---- Getters ----

// Each takes a lambda over the row, or over one part of the row.
template <auto Read, class View>
constexpr ValueType TypeRead() {
  return TypeOf<std::remove_cvref_t<std::invoke_result_t<decltype(Read), const View&>>>();
}
template <auto Read>
inline constexpr Getter OfRow = {TypeRead<Read, Row>(),
                                 [](const Row& row, size_t) { return ToValue(Read(row)); }};
// `Part` is a member function of Row that returns a pointer or an optional. The field is absent if
// the row has no such part.
template <auto Part, auto Read>
inline constexpr Getter OfPart = {
    TypeRead<Read, std::remove_cvref_t<decltype(*(std::declval<const Row&>().*Part)())>>(),
    [](const Row& row, size_t) {
      const auto part = (row.*Part)();
      return part ? ToValue(Read(*part)) : FieldValue();
    }};
template <auto Read>
inline constexpr Getter OfInet = OfPart<&Row::inet, Read>;
template <auto Read>
inline constexpr Getter OfUnix = OfPart<&Row::unix_socket, Read>;
template <auto Read>
inline constexpr Getter OfPacket = OfPart<&Row::packet_socket, Read>;
template <auto Read>
inline constexpr Getter OfNetlink = OfPart<&Row::netlink_socket, Read>;
template <auto Read>
inline constexpr Getter OfVsock = OfPart<&Row::vsock_socket, Read>;
template <auto Read>
inline constexpr Getter OfTipc = OfPart<&Row::tipc_socket, Read>;
template <auto Read>
inline constexpr Getter OfXdp = OfPart<&Row::xdp_socket, Read>;
template <auto Read>
inline constexpr Getter OfSmc = OfPart<&Row::smc_socket, Read>;
template <auto Read>
inline constexpr Getter OfPeer = OfPart<&Row::peer, Read>;
template <auto Member>
inline constexpr Getter OfCgroup =
    OfPart<&Row::cgroup, [](const Cgroup& cgroup) { return std::string_view(cgroup.*Member); }>;

// Helpers for lambdas over values that may be absent.
template <class T, class Value>
std::optional<Value> MemberOf(const std::optional<T>& value, Value T::*member) {
  if (!value) return std::nullopt;
  return (*value).*member;
}
template <class Flag>
std::optional<bool> Contains(const std::optional<Set<Flag>>& flags, Flag flag) {
  if (!flags) return std::nullopt;
  return flags->contains(flag);
}

}  // namespace netdiag::internal

#endif  // NETDIAG_FIELD_TABLE_GETTERS_H_
