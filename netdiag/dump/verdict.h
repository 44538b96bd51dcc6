// netdiag/dump/verdict.h — Internal. What a check concludes about a dump, and what follows.

#ifndef NETDIAG_DUMP_VERDICT_H_
#define NETDIAG_DUMP_VERDICT_H_

#include <cstdint>
#include <string_view>

namespace netdiag::internal {

struct Verdict {
  enum class Next : uint8_t {
    kVerified,    // no socket is missing
    kDumpAgain,   // another dump is needed: Verifier::request(), Passes::pass()
    kDoubt,       // sockets may be missing: `reason`
    kStep,        // the check has more to do
    kWouldBlock,  // so far nothing can be read, and the step may not wait
  };

  static Verdict Verified() { return {}; }
  static Verdict DumpAgain() { return {.next = Next::kDumpAgain}; }
  static Verdict Doubt(std::string_view reason) { return {.next = Next::kDoubt, .reason = reason}; }
  static Verdict Step() { return {.next = Next::kStep}; }
  static Verdict WouldBlock() { return {.next = Next::kWouldBlock}; }

  Next next = Next::kVerified;
  std::string_view reason;  // a literal
};

// ---- Reasons for a doubt. Users read them after the name of the dump and of the errno ----

inline constexpr std::string_view kTorn =
    "sockets may be missing: some went away while the kernel paused between two datagrams";
inline constexpr std::string_view kHidden =
    "sockets may be missing: the filtered dump could not be verified";
inline constexpr std::string_view kBusy = "sockets may be missing: TCP was busy during the dump";
inline constexpr std::string_view kRestless =
    "sockets may be missing: some went away during every dump";
inline constexpr std::string_view kLeftOut =
    "sockets may be missing: the kernel leaves out one at the end of each datagram";
inline constexpr std::string_view kUncompared =
    "sockets may be missing: what followed the ends of datagrams could not be found in other dumps";

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_VERDICT_H_
