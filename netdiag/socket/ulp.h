// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/ulp.h — what a protocol on top of TCP (tls, mptcp, espintcp, smc) tells about a
// socket: nested attributes as tables of fields.
//
// Lifetime: views of the message's bytes. Threads: values. Cost: as structs.h.

#ifndef NETDIAG_SOCKET_ULP_H_
#define NETDIAG_SOCKET_ULP_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/types.h"

namespace netdiag {

// A view of nested attributes as a table of fields, which works like StructView. The `offset` of a
// row is the attribute's type. A row of width 0 is a flag: 1 if its attribute is present.
template <class Traits>
class NestedView {
 public:
  explicit NestedView(Bytes bytes) : index_(bytes) {}

  static constexpr std::span<const StructField> fields() { return Traits::kFields; }
  static consteval const StructField& Field(std::string_view name) {
    return StructView<Traits>::Field(name);
  }

  // nullopt if the attribute was not sent or is shorter than the field.
  std::optional<uint64_t> operator[](const StructField& field) const {
    if (!index_.has(field.offset)) return std::nullopt;
    if (field.width == 0) return 1;
    return StructView<Traits>(index_[field.offset])[StructField{.width = field.width}];
  }
  // Equals operator[], because the kernel leaves out the attribute of a field that has no value.
  std::optional<uint64_t> ValueOf(const StructField& field) const { return (*this)[field]; }
  Bytes bytes() const { return index_.bytes(); }

 private:
  AttrIndex<12> index_;  // MPTCP_SUBFLOW_ATTR_MAX is 11, TLS_INFO_MAX 7
};

// Kernel TLS. Modes are TLS_CONF_*: 1 none, 2 software, 3 hardware, 4 hardware records.
// Source: tls_get_info(), net/tls/tls_main.c; include/uapi/linux/tls.h.
struct TlsTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"version", 1, 2, Unit::kNone, Meaning::kEnum},  // 0x0303: 1.2, 0x0304: 1.3
      {"cipher", 2, 2, Unit::kNone, Meaning::kEnum},   // TLS_CIPHER_*
      {"tx_mode", 3, 2, Unit::kNone, Meaning::kEnum},
      {"rx_mode", 4, 2, Unit::kNone, Meaning::kEnum},
      {"tx_zero_copy", 5, 0, Unit::kNone, Meaning::kFlag},   // 5.19
      {"rx_no_padding", 6, 0, Unit::kNone, Meaning::kFlag},  // 6.0
      {"tx_max_payload", 7, 2, Unit::kBytes},                // 6.19; TLS_TX_MAX_PAYLOAD_LEN
  });
};
using TlsInfo = NestedView<TlsTraits>;

// A subflow of MPTCP: one TCP socket of the connection. Source: subflow_get_info(),
// net/mptcp/diag.c; include/uapi/linux/mptcp.h.
struct SubflowTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"remote_token", 1, 4, Unit::kNone, Meaning::kIdentity},
      {"local_token", 2, 4, Unit::kNone, Meaning::kIdentity},
      {"relative_write_sequence", 3, 4, Unit::kBytes},
      {"map_sequence", 4, 8, Unit::kBytes},
      {"map_subflow_sequence", 5, 4, Unit::kBytes},
      {"subflow_offset", 6, 4, Unit::kBytes},
      {"map_length", 7, 2, Unit::kBytes},
      {"flags", 8, 4, Unit::kNone, Meaning::kEnum},  // MPTCP_SUBFLOW_FLAG_*
      {"remote_id", 9, 1, Unit::kNone, Meaning::kIdentity},
      {"local_id", 10, 1, Unit::kNone, Meaning::kIdentity},
  });
};
using SubflowInfo = NestedView<SubflowTraits>;

// The protocol on top of TCP. The kernel sends the details only to processes with CAP_NET_ADMIN.
struct UlpInfo {
  std::string_view name;
  std::optional<TlsInfo> tls;
  std::optional<SubflowInfo> mptcp;
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_ULP_H_
