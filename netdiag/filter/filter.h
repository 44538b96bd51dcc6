// netdiag/filter/filter.h — which sockets: an expression over everything a row can say.
//
//   absl::StatusOr<Filter> filter = Filter::Parse("state = established and rtt > 100ms");
//   if (!filter.ok()) Print(filter.status().message(), PointAt(text, filter.status()));
//   Query query{.filter = std::make_shared<Filter>(*filter)};      // the engine does the rest
//   if (filter->Matches(row)) …                                    // or by hand
//
// The language is that of ss, with the precedence of its man page, and predicates on every field of
// netdiag/fields.h: docs/filter.md. What the kernel can decide it is told to (states, ports, a
// program of inet_diag's bytecode); Matches() decides all of it again on each row, so a row is
// judged alike whether it came from a kernel, from /proc/net or from a capture.
//
// A row without the field that a predicate reads does not match it, whatever the operator; `not`
// turns round what stands behind it and nothing else.
//
// Threads: immutable.
// Lifetime: a Filter is a handle; copies share what they point to.
// Cost: Matches() reads the fields it needs and allocates nothing.
// Errors: Parse() only; kInvalidArgument with the place inside.

#ifndef NETDIAG_FILTER_FILTER_H_
#define NETDIAG_FILTER_FILTER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/table.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

namespace internal {
struct Node;
}  // namespace internal

// Who knows what names stand for. Parse() asks, and nobody else; each may block as it pleases, and
// one that is not set knows no name. Numbers need none of them.
struct FilterNames {
  std::function<std::vector<IpAddress>(std::string_view host)> hosts;
  // The ports of a service; of more than one, any matches.
  std::function<std::vector<Port>(std::string_view service)> services;
  std::function<std::optional<IfIndex>(std::string_view interface)> interfaces;
  std::function<std::optional<Uid>(std::string_view user)> users;
  std::function<std::optional<CgroupId>(std::string_view path)> cgroups;
  std::function<std::optional<NetnsId>(std::string_view name)> namespaces;
};

struct FilterOptions {
  FilterNames names;
  // What `src` and `dst` name where they say no family: kUnix, kNetlink and kPacket count.
  Family family = Family::kUnspecified;
  // What `autobound` takes for the ports that the kernel hands out: net.ipv4.ip_local_port_range.
  Port first_local_port = Port::FromHost(32768);
  Port last_local_port = Port::FromHost(60999);
};

// What a kernel can be told, so that it sends less. Never less than what matches.
struct KernelPart {
  StateSet states = StateSet::All();  // empty: nothing of the table matches
  // Zero: any.
  Port source_port;
  Port destination_port;
  // INET_DIAG_REQ_BYTECODE; empty: nothing to add.
  std::vector<std::byte> bytecode;
  // The program asks for marks, which kernels tell, and let ask for, only to CAP_NET_ADMIN: EPERM
  // otherwise. Then there is no right answer without the program either.
  bool needs_net_admin = false;
  // Both ends of a connection and the interface that its socket is bound to, where the filter names
  // them all. At most one socket of TCP has these. Without the interface there could be two: one
  // that is bound to a device, and one that is not.
  struct Ends {
    Endpoint local, remote;
    IfIndex interface;
    friend bool operator==(const Ends&, const Ends&) = default;
  };
  std::optional<Ends> ends;
};

class Filter {
 public:
  static constexpr size_t kMaxText = 65536;       // bytes of an expression
  static constexpr size_t kMaxDepth = 64;         // of parentheses
  static constexpr size_t kMaxPredicates = 4096;  // names with many addresses count as many

  // An empty expression matches every row; so does the filter that is made without one. `#` begins
  // a comment, up to the end of its line.
  Filter();
  static absl::StatusOr<Filter> Parse(std::string_view text, const FilterOptions& options = {});

  bool Matches(const Row& row) const;
  // In one form of many, with names replaced by what they stood for; parses to the same filter.
  // Bytes of the expression come through as they were: escape before a terminal.
  std::string ToString() const;
  // Adds what the fields that it reads must be asked for.
  void AddNeeds(Query* query) const;
  // Whether it reads processes, so that it can judge rows only when they have been joined.
  bool ReadsOwners() const;
  // For a dump of `table`.
  KernelPart PlanFor(const Table& table) const;
  // The same where the kernel is to send everything: no more than what makes it refuse a query that
  // its rows could not answer.
  KernelPart GuardFor(const Table& table) const;

  friend bool operator==(const Filter& a, const Filter& b);

 private:
  explicit Filter(std::shared_ptr<const internal::Node> root);
  std::shared_ptr<const internal::Node> root_;
};

// Where in `text` an error of Parse() lies: the line, and below it a caret. Bytes that are not
// printable ASCII are shown as '?'. Empty for another error.
std::string PointAt(std::string_view text, const absl::Status& error);

}  // namespace netdiag

#endif  // NETDIAG_FILTER_FILTER_H_
