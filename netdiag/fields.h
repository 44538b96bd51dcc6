// SPDX-License-Identifier: Apache-2.0
//
// netdiag/fields.h — the field table: the name, unit and value of everything in a Row.
//
//   for (const Field& field : AllFields()) {
//     const FieldValue value = field.get(row, 0);
//     if (!IsAbsent(value)) Print(field.name, value);
//   }
//
// JSON, CSV, columns, filters, sorting and counting read this table and nothing else, so a field
// that is in the table is in all of them. The kernel should be asked only for what is read: call
// AddNeeds() with the fields.
//
// To add a field:
//   1. A member of a kernel struct (struct tcp_info and the others) is one row of the table in
//      netdiag/socket/structs.h: this table takes over all rows of that one. Any other field is one
//      row in fields.cc, in the array of its group: kSocketFields, kOptionFields, kPacketFields,
//      kFanoutFields, kNetlinkFields or kOwnerFacts; or in field_table/families.h: kVsockFields,
//      kTipcFields, kXdpFields, kSmcFields, kSmcLinkFields.
//   2. If its numbers are codes or flags that have names, add the names to field_words.cc.
//   3. docs/architecture.md, "Where to change what", lists the documents and tests that follow.
//
// Cost: to get a value is a call through a pointer and a load; see FieldReader.
// Lifetime: texts are views, valid as long as those of the Row.
// Threads: immutable.

#ifndef NETDIAG_FIELDS_H_
#define NETDIAG_FIELDS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "absl/base/attributes.h"

#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// The value of a field of one row. It is absent (monostate) if the kernel did not send it, if it
// does not apply to the row, or if the kernel's number means "not set": the round trip of a
// listener, a pacing rate of 2^64-1, the interface 0 (socket/structs.h: Unset). Texts are bytes
// that other programs chose: they may be invalid UTF-8 and contain NULs and control characters.
// Escape them where they are shown. `args` is one text, with a NUL between two arguments.
using FieldValue = std::variant<std::monostate, uint64_t, bool, std::string_view, IpAddress>;
inline bool IsAbsent(const FieldValue& value) {
  return std::holds_alternative<std::monostate>(value);
}

// The type of every value of a field that is not absent.
enum class ValueType : uint8_t { kNumber, kFlag, kText, kAddress };

// The numbers of all fields of a struct of the kernel.
struct StructNumbers {
  static constexpr size_t kMax = 128;
  std::array<uint64_t, kMax / 64> present;  // a bit for each that is not absent
  std::array<uint64_t, kMax> numbers;
};

// Reads a field from a row. `i` is the index of the value for fields of lists (IsList()), such as
// the owner; the other fields ignore it.
struct Getter {
  ValueType type = ValueType::kNumber;
  FieldValue (*read)(const Row& row, size_t i) = nullptr;
  // Reads all numbers of the kernel's struct; null: the field is of none.
  void (*read_struct)(const Row& row, StructNumbers* out) = nullptr;
  uint8_t member = 0;  // the field's number in the struct

  FieldValue operator()(const Row& row, size_t i) const { return read(row, i); }
};

// The object that holds a field in a nested form such as JSON.
enum class FieldGroup : uint8_t {
  kSocket,      // the row itself
  kOptions,     // socket options, flags
  kTcpInfo,     // struct tcp_info
  kMemory,      // the memory of the buffers: INET_DIAG_SKMEMINFO and its like
  kInetMemory,  // an older form of it: INET_DIAG_MEMINFO
  kVegas,       // congestion control
  kDctcp,
  kBbr,
  kTls,
  kMptcp,        // an MPTCP subflow
  kMptcpInfo,    // struct mptcp_info: an MPTCP connection
  kSctpInfo,     // struct sctp_info: an SCTP endpoint or association
  kDccpInfo,     // what DCCP fills of struct tcp_info
  kLocal,        // one value for each local address of an SCTP endpoint or association
  kPeer,         // one value for each address of the peer of an SCTP association
  kPacket,       // packet sockets
  kReceiveRing,  // of a packet socket
  kSendRing,     // of a packet socket
  kFanout,       // of a packet socket
  kNetlink,      // netlink sockets
  kVsock,        // vsock sockets
  kTipc,         // TIPC sockets
  kXdp,          // XDP sockets
  kUmem,         // of an XDP socket: struct xdp_diag_umem
  kXdpStats,     // of an XDP socket: struct xdp_diag_stats
  kSmc,          // SMC sockets
  kSmcConn,      // of an SMC socket: struct smc_diag_conninfo
  kSmcLink,      // of an SMC-R connection: struct smc_diag_lgrinfo
  kSmcDevice,    // of an SMC-D connection: struct smcd_diag_dmbinfo
  kOwner,        // one value for each owner: get(row, i) for i < row.owners().size()
  kPeerOwner,    // the same for row.peer_owners(), the owners of the peer of a unix socket
};
// Returns "", "options", "tcp_info", "memory", "inet_memory", "vegas", "dctcp", "bbr", "tls",
// "mptcp", "mptcp_info", "sctp_info", "dccp_info", "locals", "peers", "packet", "rx_ring",
// "tx_ring", "fanout", "netlink", "vsock", "tipc", "xdp", "umem", "xdp_stats", "smc", "smc_conn",
// "smc_link", "smc_device", "owners" or "peer_owners".
std::string_view Name(FieldGroup group);
// True if a row can have any number of values for a field of the group: kLocal, kPeer, kOwner and
// kPeerOwner.
bool IsList(FieldGroup group);
// The number of values that `row` has for a field of the group: 1 if the group is no list.
size_t ValuesOf(FieldGroup group, const Row& row);

struct Field {
  FieldGroup group = FieldGroup::kSocket;
  std::string_view name;  // in snake case; unique within the group
  Unit unit = Unit::kNone;
  Meaning meaning = Meaning::kGauge;
  FamilySet families;       // the families whose rows can have the field
  ExtensionSet extensions;  // what a query must ask for to get the field
  Getter get;
  uint8_t bits = 64;  // of the kernel's number: a counter wraps to 0 above them
};

// Reads fields of one row. The fields of a struct of the kernel that are read one after the other
// are decoded together.
class FieldReader {
 public:
  explicit FieldReader(const Row& row ABSL_ATTRIBUTE_LIFETIME_BOUND) : row_(row) {}
  // The value of get(row, 0).
  FieldValue Get(const Getter& get) {
    if (get.read_struct == nullptr) return get(row_, 0);
    if (get.read_struct != read_struct_) {
      read_struct_ = get.read_struct;
      read_struct_(row_, &struct_);
    }
    if ((struct_.present[get.member / 64] >> get.member % 64 & 1) == 0) return {};
    const uint64_t number = struct_.numbers[get.member];
    return get.type == ValueType::kFlag ? FieldValue(number != 0) : FieldValue(number);
  }

 private:
  const Row& row_;
  void (*read_struct_)(const Row& row, StructNumbers* out) = nullptr;
  StructNumbers struct_;
};

// All fields, group by group, in the order in which they are shown.
std::span<const Field> AllFields();
// True for kLocal and kPeer: without the group, "port" could be read as a port of any socket.
bool NeedsGroup(FieldGroup group);
// Finds "group.name", or the first field with that name in any group that needs not be named; null
// if there is none.
const Field* FindField(std::string_view name);
// The value of a field of kOwner or kPeerOwner for an owner that need not belong to a row.
// `programs`: tells `exe` and `args`; null: they are absent.
FieldValue ValueOf(const Field& field, const Owner& owner, Programs* programs = nullptr);
// Adds to `query` what the fields need: extensions, depth, owners, peers, cgroups, programs.
void AddNeeds(std::span<const Field> fields, Query* query);

}  // namespace netdiag

#endif  // NETDIAG_FIELDS_H_
