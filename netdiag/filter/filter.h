// SPDX-License-Identifier: Apache-2.0
//
// netdiag/filter/filter.h — a filter over sockets, parsed from text.
//
//   absl::StatusOr<Filter> filter = Filter::Parse("state = established and rtt > 100ms");
//   if (!filter.ok()) Print(filter.status().message(), PointAt(text, filter.status()));
//   Query query{.filter = std::make_shared<Filter>(*filter)};  // the engine applies the filter
//   if (filter->Matches(row)) …                                // or the caller does
//
// The language is that of ss, with the precedence that its man page gives, and with a predicate for
// every field of netdiag/fields.h: docs/filter.md. The engine lets the kernel filter by states,
// ports and a program of inet_diag, and then calls Matches() on each row. So the result is the same
// for rows from a kernel, from /proc/net and from a capture.
//
// A predicate is false for a row that lacks the field that it reads, whatever the operator. `not`
// inverts only the result of the expression after it.
//
// Threads: a Filter is immutable; any number of threads may use it.
// Lifetime: a Filter is a handle; copies share one tree.
// Cost: Matches() reads only the fields that it needs, and allocates nothing.
// Errors: only Parse() fails, with kInvalidArgument; the error carries its place (PointAt()).

#ifndef NETDIAG_FILTER_FILTER_H_
#define NETDIAG_FILTER_FILTER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Filter;
struct Field;  // fields.h

namespace internal {
struct Node;
const Node& RootOf(const Filter& filter);
}  // namespace internal

// An interface in one network namespace. Namespaces give the same name to different interfaces.
struct FilterInterface {
  NetnsId netns = {};  // 0: the interface has this index in every namespace that is listed
  IfIndex index = {};
};

// Functions that resolve names. Only Parse() calls them, and they may block. A null function
// resolves no name. Numbers are parsed without them.
struct FilterNames {
  std::function<std::vector<IpAddress>(std::string_view host)> hosts;
  // The ports of a service. If there is more than one, a socket with any of these ports matches.
  std::function<std::vector<Port>(std::string_view service)> services;
  // The interfaces of this name, at most one for each namespace that is listed. Empty: there is
  // none.
  std::function<std::vector<FilterInterface>(std::string_view interface)> interfaces;
  std::function<std::optional<Uid>(std::string_view user)> users;
  std::function<std::optional<CgroupId>(std::string_view path)> cgroups;
  std::function<std::optional<NetnsId>(std::string_view name)> namespaces;
};

// A token of an expression, as the parser reads it.
struct FilterToken {
  std::string text;     // a word without its quotation marks, or a symbol
  size_t offset = 0;    // in the expression
  bool symbol = false;  // an operator or a parenthesis
  bool quoted = false;  // of a word: a quoted word is never a keyword
};

struct FilterOptions {
  FilterNames names = {};
  // Adds words to the language. Parse() calls it with each word that stands where a predicate is
  // expected, begins no predicate, and has no operator after it. The result is an expression in
  // the language without such words; it is parsed in place of the word, as in parentheses. nullopt
  // refuses the word, and `*why` can say why. Null: no word is added.
  std::function<std::optional<std::string>(const FilterToken& word, std::string* why)> shorthand =
      {};
  // The family of the operands of `src` and `dst` that name none. Only kUnix, kNetlink, kPacket and
  // kVsock have an effect.
  Family family = Family::kUnspecified;
  // The range for `autobound`: ports that the kernel assigns, net.ipv4.ip_local_port_range.
  Port first_local_port = Port::FromHost(32768);
  Port last_local_port = Port::FromHost(60999);
};

class Filter {
 public:
  static constexpr size_t kMaxText = 65536;  // bytes of an expression
  static constexpr size_t kMaxDepth = 64;    // nested parentheses
  // A name that stands for several addresses or ports counts once for each, and the name of an
  // interface twice for each namespace that has it.
  static constexpr size_t kMaxPredicates = 4096;

  // Matches every row, as an empty expression does.
  Filter();
  // In `text`, `#` begins a comment that ends with the line.
  static absl::StatusOr<Filter> Parse(std::string_view text, const FilterOptions& options = {});

  bool Matches(const Row& row) const;
  // Returns a normal form, with names replaced by their numbers. Parse() makes an equal filter of
  // it. The operands keep their bytes: escape them before a terminal.
  std::string ToString() const;
  // Adds to `query` what the fields that the filter reads need. The engine does this for
  // Query::filter.
  void AddNeeds(Query* query) const;
  // Calls `visit` with each field that a predicate compares, once for each predicate. Ends, ports,
  // states and names of unix sockets, which every row has, are not among them.
  void VisitFields(absl::FunctionRef<void(const Field&)> visit) const;
  // True if the filter reads processes. Such a filter can judge a row only after the row has been
  // joined with its owners.
  bool ReadsOwners() const;
  // The states that satisfy a predicate on the state; empty if there is no such predicate. Under
  // `not`, these are the states that the predicate does not name.
  StateSet NamedStates() const;

  friend bool operator==(const Filter& a, const Filter& b);

 private:
  explicit Filter(std::shared_ptr<const internal::Node> root);
  friend const internal::Node& internal::RootOf(const Filter& filter);

  std::shared_ptr<const internal::Node> root_;
};

// Splits an expression as Parse() does. Errors: an open quotation mark, a backslash at the end.
absl::StatusOr<std::vector<FilterToken>> SplitFilter(std::string_view text);
// True if the unquoted `word` can begin an expression: a field, `src`, `not`, …
bool BeginsFilter(std::string_view word);

// Shows where in `text` an error of Parse() lies: the line, and below it a caret. Bytes that are
// not printable ASCII become '?'. Returns an empty string for any other error.
std::string PointAt(std::string_view text, const absl::Status& error);
// The offset in the text where an error of Parse() lies; nullopt for any other error.
std::optional<size_t> OffsetOf(const absl::Status& error);

}  // namespace netdiag

#endif  // NETDIAG_FILTER_FILTER_H_
