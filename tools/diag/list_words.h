// tools/diag/list_words.h — what the words of a listing mean that are not options: states, tables
// and a filter. No other place decides that.

#ifndef NETDIAG_TOOLS_DIAG_LIST_WORDS_H_
#define NETDIAG_TOOLS_DIAG_LIST_WORDS_H_

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/filter/filter.h"
#include "netdiag/types/types.h"
#include "tools/diag/filter_names.h"

namespace diag {

// What the words say, apart from the meaning of the filter.
struct ListWords {
  std::optional<netdiag::StateSet> states;  // nullopt: no word before the filter names a state
  bool unlisted = false;                    // `state unlisted`: sockets that no dump lists
  std::vector<std::string> tables;          // words before the filter, for TableChoice::AddWord()
  bool help = false;                        // the word is `help`
  std::string expression;                   // of the filter language; empty: none
  // The expression begins with a word that the language does not have (shorthand.h), so that the
  // language has such words in this expression.
  bool shorthand = false;
};

// The arguments are joined by blanks and split by the rules of the filter language, so it does not
// matter how the shell divides them. They are, in this order:
// - `state NAMES` and `exclude NAMES`, NAMES alone, and names of tables, as often as wanted. The
//   first `state` starts from no state, the first `exclude` from all. `unlisted` is a name, too.
// - an expression of the filter language, or one that begins with a shorthand and may have more.
// Errors name the word.
absl::StatusOr<ListWords> ParseListWords(std::span<const std::string_view> words);

// A filter, and what it implies for the listing.
struct ListFilter {
  std::shared_ptr<const netdiag::Filter> filter;  // null: there is none
  // States that are listed together with the default ones, because the filter asks for them: those
  // that it names; every state if it selects by owner or has a shorthand for sockets.
  netdiag::StateSet states;
  bool owners = false;  // a shorthand names sockets, so that owners are shown
  std::string process;  // the first word that searches for a process; empty: none does
};

struct ListFilterOptions {
  std::string path;             // of a file with more of the filter; "-": stdin; empty: none
  netdiag::FamilySet families;  // what is listed; addresses without a family are of the only one
  FilterHost host;
};
// The filter of `words` and of the file; if there are both, both must hold. If the filter is
// refused, `*pointer` becomes its line with a caret below the error. `pointer` can be null.
absl::StatusOr<ListFilter> ParseListFilter(const ListWords& words, const ListFilterOptions& how,
                                           std::string* pointer);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_LIST_WORDS_H_
