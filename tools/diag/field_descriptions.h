// tools/diag/field_descriptions.h — a sentence about each field of the field table, for the JSON
// Schema and `diag help fields`.

#ifndef NETDIAG_TOOLS_DIAG_FIELD_DESCRIPTIONS_H_
#define NETDIAG_TOOLS_DIAG_FIELD_DESCRIPTIONS_H_

#include <string_view>

#include "netdiag/fields.h"

namespace diag {

// Plain text without quotes and backslashes. Empty if the table has none:
// tests/tools/schema_test.cc fails then.
std::string_view DescriptionOf(const netdiag::Field& field);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_FIELD_DESCRIPTIONS_H_
