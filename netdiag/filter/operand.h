// netdiag/filter/operand.h — Internal. Users want filter/filter.h.
//
// What stands on the right of an operator, as trees. Each function answers nullopt, and says why,
// if the operand is none of that kind.

#ifndef NETDIAG_FILTER_OPERAND_H_
#define NETDIAG_FILTER_OPERAND_H_

#include <optional>
#include <string>
#include <string_view>

#include "netdiag/fields.h"
#include "netdiag/filter/ast.h"
#include "netdiag/filter/filter.h"

namespace netdiag::internal {

// [FAMILY:]ADDRESS[/BITS][:PORT], of src and dst.
std::optional<Node> MakeHost(Side side, Compare compare, std::string_view operand,
                             const FilterOptions& options, std::string* why);
// [FAMILY:][:]PORT or LOW-HIGH, of sport and dport.
std::optional<Node> MakePort(Side side, Compare compare, std::string_view operand,
                             const FilterOptions& options, std::string* why);
// The value of a field.
std::optional<Node> MakeField(const Field& field, Compare compare, std::string_view operand,
                              const FilterOptions& options, std::string* why);
// "yes", "no", "true", …
std::optional<bool> ParseFlag(std::string_view word);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_OPERAND_H_
