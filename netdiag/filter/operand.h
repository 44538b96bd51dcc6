// netdiag/filter/operand.h — Internal. Users want filter/filter.h.
//
// The operand of a predicate, as a tree. Each function returns nullopt and sets `why` if the
// operand is wrong; `why` is the end of the error message.

#ifndef NETDIAG_FILTER_OPERAND_H_
#define NETDIAG_FILTER_OPERAND_H_

#include <optional>
#include <string>
#include <string_view>

#include "netdiag/fields.h"
#include "netdiag/filter/ast.h"
#include "netdiag/filter/filter.h"

namespace netdiag::internal {

// [FAMILY:]ADDRESS[/BITS][%INTERFACE][:PORT], the operand of src and dst.
std::optional<Node> MakeHost(Side side, Compare compare, std::string_view operand,
                             const FilterOptions& options, std::string* why);
// [FAMILY:][:]PORT or LOW-HIGH, the operand of sport and dport.
std::optional<Node> MakePort(Side side, Compare compare, std::string_view operand,
                             const FilterOptions& options, std::string* why);
// ADDRESS[/BITS], or a host: the operand of a field that is an address.
std::optional<Node> MakeAddress(const Field& field, Compare compare, std::string_view operand,
                                const FilterOptions& options, std::string* why);
// The value of a field (value.cc).
std::optional<Node> MakeField(const Field& field, Compare compare, std::string_view operand,
                              const FilterOptions& options, std::string* why);
// The name of an interface, as the operand of a field that is its index.
std::optional<Node> MakeInterface(const Field& field, Compare compare, std::string_view name,
                                  const FilterOptions& options, std::string* why);
// "yes", "no", "true", …
std::optional<bool> ParseFlag(std::string_view word);
// "; one of these is expected: WORDS", if the field has only these values; else "".
std::string ExpectedWords(const Field* field);

// For `return Refuse(why, "…")`.
inline std::nullopt_t Refuse(std::string* why, std::string_view reason) {
  *why = reason;
  return std::nullopt;
}

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_OPERAND_H_
