// netdiag/c/query.h — Internal. The query behind the C interface's handle.

#ifndef NETDIAG_C_QUERY_H_
#define NETDIAG_C_QUERY_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/c/netdiag.h"
#include "netdiag/fields.h"
#include "netdiag/query.h"

struct netdiag_query {
  netdiag::Query query;
  std::vector<const netdiag::Field*> columns;
};

namespace netdiag::c {

// The field of a number; null: there is none.
const Field* FieldOf(int id);
// What an error says about a word that is no field: "; did you mean uid?". Empty: no name is near.
std::string Suggestion(std::string_view word);
// OK, or why rows of `query` do not have the field: the kernel was not asked for it.
absl::Status CheckHas(const Query& query, const Field& field);

}  // namespace netdiag::c

#endif  // NETDIAG_C_QUERY_H_
