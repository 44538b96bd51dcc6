// tools/diag/shorthand.h — words of a listing that the filter language does not have: `diag :443`,
// `diag 10.0.0.1`, `diag LISTEN`, `diag nginx`.

#ifndef NETDIAG_TOOLS_DIAG_SHORTHAND_H_
#define NETDIAG_TOOLS_DIAG_SHORTHAND_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace diag {

struct Shorthand {
  enum class Kind : uint8_t {
    kNone,      // the word has no meaning of its own: it is quoted in vain, or begins with '-'
    kPort,      // 443, :443, *:443, :https, 8000-8010
    kHost,      // 10.0.0.1, 10/8, 10.0.0.1:443, ::1, [::1]:22, localhost:22
    kUnixName,  // /run/x.sock, ./x, @x
    kStates,    // established, LISTEN,close-wait, connected
    kTable,     // tcp, udp, unix, u_str, inet6: see TableChoice::AddWord()
    kHelp,      // help
    kRefused,   // a command's name, or a misplaced or misspelt word of the language
    kProcess,   // any other word: the beginning of a command
  };
  Kind kind = Kind::kNone;
  // In the filter language; empty if the word has no such meaning.
  std::string expression;
  // Why the word is refused if it cannot have its meaning, or has none.
  std::string why;

  // True if the word names sockets or their owners, so that the listing has every state and shows
  // owners.
  bool names_sockets() const {
    return kind == Kind::kPort || kind == Kind::kHost || kind == Kind::kUnixName ||
           kind == Kind::kProcess;
  }
};

// Classifies a word that begins no predicate of the filter language. A `quoted` word is never a
// keyword: a state, a table, or a command of diag. The kernel keeps 15 bytes of a process's command
// (TASK_COMM_LEN), so only these bytes of a kProcess word count.
Shorthand ReadShorthand(std::string_view word, bool quoted);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_SHORTHAND_H_
