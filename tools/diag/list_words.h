// tools/diag/list_words.h — what the words of a listing mean that are not options: states, and a
// filter. No other place decides that.

#ifndef NETDIAG_TOOLS_DIAG_LIST_WORDS_H_
#define NETDIAG_TOOLS_DIAG_LIST_WORDS_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

#include "netdiag/filter/filter.h"
#include "netdiag/types/types.h"

namespace diag {

struct ListWords {
  std::optional<netdiag::StateSet> states;  // nullopt: no word names a state
  std::string expression;                   // of the filter language; empty: none
  bool asks_for_owners = false;             // the expression is a command's name
};

// `words` are `state NAME` and `exclude NAME`, as often as wanted, then an expression or its short
// form (shorthand.h). The first `state` starts from no state, the first `exclude` from all. Errors
// name the word.
absl::StatusOr<ListWords> ParseListWords(std::span<const std::string_view> words);

// The filter of `expression` and of the file at `path` ("-": stdin; empty: no file); if there are
// both, both must hold. Null if there is no filter. `families`: what is listed; addresses without a
// family are of the only one. If the filter is refused, `*pointer` becomes its line with a caret
// below the error. `pointer` can be null.
absl::StatusOr<std::shared_ptr<const netdiag::Filter>> ParseListFilter(
    const std::string& expression, const std::string& path, netdiag::FamilySet families,
    std::string* pointer);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_LIST_WORDS_H_
