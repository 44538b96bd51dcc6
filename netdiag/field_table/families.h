// netdiag/field_table/families.h — Internal. The fields that only vsock, TIPC, XDP or SMC sockets
// have, except those of structs. Users want netdiag/fields.h.

#ifndef NETDIAG_FIELD_TABLE_FAMILIES_H_
#define NETDIAG_FIELD_TABLE_FAMILIES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "netdiag/dump/table.h"
#include "netdiag/field_table/getters.h"
#include "netdiag/fields.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

inline constexpr auto kVsockFields = [] {
  using enum Unit;
  using enum Meaning;
  using V = const VsockSocket&;
  constexpr FieldGroup kGroup = FieldGroup::kVsock;
  return std::to_array<Field>({
      {kGroup, "local_cid", kNone, kIdentity, kVsockOnly, {}, OfVsock<[](V s) {
         return s.local_cid();
       }>},
      {kGroup, "local_port", kNone, kIdentity, kVsockOnly, {}, OfVsock<[](V s) {
         return s.local_port();
       }>},
      {kGroup, "remote_cid", kNone, kIdentity, kVsockOnly, {}, OfVsock<[](V s) {
         return s.remote_cid();
       }>},
      {kGroup, "remote_port", kNone, kIdentity, kVsockOnly, {}, OfVsock<[](V s) {
         return s.remote_port();
       }>},
  });
}();

inline constexpr auto kTipcFields = [] {
  using enum Unit;
  using enum Meaning;
  using T = const TipcSocket&;
  using Service = TipcSocket::Service;
  using Group = TipcSocket::Group;
  constexpr FieldGroup kGroup = FieldGroup::kTipc;
  constexpr auto kRow = [](std::string_view name, Meaning meaning, Getter get,
                           Unit unit = Unit::kNone) {
    return Field{kGroup, name, unit, meaning, kTipcOnly, {}, get};
  };
  return std::to_array<Field>({
      kRow("node", kIdentity, OfTipc<[](T s) { return s.node(); }>),
      kRow("ref", kIdentity, OfTipc<[](T s) { return s.reference(); }>),
      kRow("remote_node", kIdentity, OfTipc<[](T s) { return s.remote_node(); }>),
      kRow("remote_ref", kIdentity, OfTipc<[](T s) { return s.remote_reference(); }>),
      kRow("service_type", kIdentity,
           OfTipc<[](T s) { return MemberOf(s.service(), &Service::type); }>),
      kRow("service_instance", kIdentity,
           OfTipc<[](T s) { return MemberOf(s.service(), &Service::instance); }>),
      kRow("published", kFlag, OfTipc<[](T s) { return s.published(); }>),
      kRow("link_congested", kFlag, OfTipc<[](T s) { return s.link_congested(); }>),
      kRow("connection_congested", kFlag, OfTipc<[](T s) { return s.connection_congested(); }>),
      kRow("drops", kCounter, OfTipc<[](T s) { return s.drops(); }>),
      kRow("group_id", kIdentity, OfTipc<[](T s) { return MemberOf(s.group(), &Group::id); }>),
      kRow("group_instance", kIdentity,
           OfTipc<[](T s) { return MemberOf(s.group(), &Group::instance); }>),
      kRow("group_scope", kEnum, OfTipc<[](T s) { return MemberOf(s.group(), &Group::scope); }>),
      kRow("group_open", kFlag, OfTipc<[](T s) { return MemberOf(s.group(), &Group::open); }>),
      kRow("group_next_broadcast", kGauge,
           OfTipc<[](T s) { return MemberOf(s.group(), &Group::next_broadcast); }>),
  });
}();

inline constexpr auto kXdpFields = [] {
  using enum Unit;
  using enum Meaning;
  using X = const XdpSocket&;
  constexpr FieldGroup kGroup = FieldGroup::kXdp;
  return std::to_array<Field>({
      {kGroup, "queue", kNone, kIdentity, kXdpOnly, {}, OfXdp<[](X s) { return s.queue(); }>},
      {kGroup, "rx_ring_entries", kNone, kGauge, kXdpOnly, {}, OfXdp<[](X s) {
         return s.receive_ring();
       }>},
      {kGroup, "tx_ring_entries", kNone, kGauge, kXdpOnly, {}, OfXdp<[](X s) {
         return s.send_ring();
       }>},
      {kGroup, "fill_ring_entries", kNone, kGauge, kXdpOnly, {}, OfXdp<[](X s) {
         return s.fill_ring();
       }>},
      {kGroup, "completion_ring_entries", kNone, kGauge, kXdpOnly, {}, OfXdp<[](X s) {
         return s.completion_ring();
       }>},
  });
}();

inline constexpr auto kSmcFields = [] {
  using enum Unit;
  using enum Meaning;
  using S = const SmcSocket&;
  constexpr FieldGroup kGroup = FieldGroup::kSmc;
  return std::to_array<Field>({
      {kGroup, "state", kNone, kEnum, kSmcOnly, {}, OfSmc<[](S s) { return s.smc_state(); }>},
      {kGroup, "mode", kNone, kEnum, kSmcOnly, {}, OfSmc<[](S s) {
         const std::optional<SmcMode> mode = s.mode();
         return mode ? std::optional(static_cast<uint8_t>(*mode)) : std::nullopt;
       }>},
  });
}();

inline constexpr auto kSmcLinkFields = [] {
  using enum Unit;
  using enum Meaning;
  using S = const SmcSocket&;
  constexpr FieldGroup kGroup = FieldGroup::kSmcLink;
  constexpr ExtensionSet kInfo = Extension::kInfo;
  return std::to_array<Field>({
      {kGroup, "role", kNone, kEnum, kSmcOnly, kInfo,
       OfSmc<[](S s) { return MemberOf(s.link(), &SmcLink::server); }>},
      {kGroup, "device", kNone, kText, kSmcOnly, kInfo,
       OfSmc<[](S s) { return MemberOf(s.link(), &SmcLink::device); }>},
      {kGroup, "device_port", kNone, kIdentity, kSmcOnly, kInfo,
       OfSmc<[](S s) { return MemberOf(s.link(), &SmcLink::port); }>},
      {kGroup, "id", kNone, kIdentity, kSmcOnly, kInfo,
       OfSmc<[](S s) { return MemberOf(s.link(), &SmcLink::id); }>},
      {kGroup, "gid", kNone, kText, kSmcOnly, kInfo,
       OfSmc<[](S s) { return MemberOf(s.link(), &SmcLink::gid); }>},
      {kGroup, "peer_gid", kNone, kText, kSmcOnly, kInfo,
       OfSmc<[](S s) { return MemberOf(s.link(), &SmcLink::peer_gid); }>},
  });
}();

}  // namespace netdiag::internal

#endif  // NETDIAG_FIELD_TABLE_FAMILIES_H_
