// netdiag/fields.h — the one table of everything a Row can say.
//
//   for (const Field& field : AllFields()) {
//     const FieldValue value = field.get(row, 0);
//     if (!IsAbsent(value)) Print(field.name, value);
//   }
//
// JSON, columns, filter words, sorting, rates and metrics read this table and nothing else, so a
// new fact is a new row here. What a reader does not read should not be asked of the kernel:
// AddNeeds() adds to a query what the fields it reads ask for.
//
// Cost: a call through a pointer and a load.
// Lifetime: texts are views as the Row's own.
// Threads: immutable.

#ifndef NETDIAG_FIELDS_H_
#define NETDIAG_FIELDS_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// What a field says of one row; monostate: nothing, because the kernel did not send it or it does
// not apply. Text is bytes chosen by others: not always UTF-8, with NULs and control characters.
// Escape it where it is shown.
using FieldValue = std::variant<std::monostate, uint64_t, bool, std::string_view, IpAddress>;
inline bool IsAbsent(const FieldValue& value) {
  return std::holds_alternative<std::monostate>(value);
}

// Which of these a field gives whenever it gives something.
enum class ValueType : uint8_t { kNumber, kFlag, kText, kAddress };

// Reads a field off a row. A function that knows, before there is a row, what type its answers
// have.
struct Getter {
  ValueType type = ValueType::kNumber;
  FieldValue (*read)(const Row& row, size_t owner) = nullptr;
  FieldValue operator()(const Row& row, size_t owner) const { return read(row, owner); }
};

// Where a field stands in a nested form (JSON), and what it is repeated by.
enum class FieldGroup : uint8_t {
  kSocket,      // of the row itself
  kOptions,     // what was set on it, booleans
  kTcpInfo,     // struct tcp_info
  kMemory,      // what its buffers hold
  kInetMemory,  // the older form of it
  kVegas,       // what the congestion control tells
  kDctcp,
  kBbr,
  kTls,        // what a protocol on top of TCP tells
  kMptcp,      // of a subflow
  kMptcpInfo,  // struct mptcp_info, of the connection
  kPacket,     // what packet sockets have
  kReceiveRing,
  kSendRing,
  kFanout,
  kNetlink,    // what netlink sockets have
  kOwner,      // one value an owner: get(row, i) for i < row.owners().size()
  kPeerOwner,  // the same of row.peer_owners(): of a unix socket's other end
};
// "", "options", "tcp_info", "memory", "inet_memory", "vegas", "dctcp", "bbr", "tls", "mptcp",
// "mptcp_info", "packet", "rx_ring", "tx_ring", "fanout", "netlink", "owners", "peer_owners".
std::string_view Name(FieldGroup group);
// How many values a field of the group has of `row`: one, or as many as there are owners.
size_t ValuesOf(FieldGroup group, const Row& row);

struct Field {
  FieldGroup group = FieldGroup::kSocket;
  std::string_view name;  // in snake case; with the group it is unique
  Unit unit = Unit::kNone;
  Meaning meaning = Meaning::kGauge;
  FamilySet families;       // whose rows can have it
  ExtensionSet extensions;  // that a query must ask for, any of them
  Getter get;
};

// In the order in which a reader wants them, group by group.
std::span<const Field> AllFields();
// The field "group.name", or the first of any group with that name; null if there is none.
const Field* FindField(std::string_view name);
// What a field of kOwner or kPeerOwner says of one owner, whichever row's or none's it is.
FieldValue ValueOf(const Field& field, const Owner& owner);
// Adds to `query` what these fields need.
void AddNeeds(std::span<const Field> fields, Query* query);

}  // namespace netdiag

#endif  // NETDIAG_FIELDS_H_
