// netdiag/filter/parse.h — Internal. Users want filter/filter.h.
//
//   expression  := and { ("or" | "|" | "||") and }
//   and         := not { [ "and" | "&" | "&&" ] not }
//   not         := { "not" | "!" } primary
//   primary     := "(" expression ")" | "autobound" | FIELD [ OPERATOR ] OPERAND
//
// Source: ss(8), "EXPRESSION". The precedence is that of the page.

#ifndef NETDIAG_FILTER_PARSE_H_
#define NETDIAG_FILTER_PARSE_H_

#include <string_view>

#include "absl/status/statusor.h"

#include "netdiag/filter/ast.h"
#include "netdiag/filter/filter.h"

namespace netdiag::internal {

absl::StatusOr<Node> ParseFilter(std::string_view text, const FilterOptions& options);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_PARSE_H_
