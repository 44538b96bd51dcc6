// tools/diag/monitor/change_text.h — a change of a socket as text and as JSON.

#ifndef NETDIAG_TOOLS_DIAG_MONITOR_CHANGE_TEXT_H_
#define NETDIAG_TOOLS_DIAG_MONITOR_CHANGE_TEXT_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "netdiag/monitor.h"
#include "tools/diag/json.h"

namespace diag {

// "2026-11-30T12:00:01.123+01:00"
std::string TimeText(std::chrono::system_clock::time_point time);
// "tcp 127.0.0.1:8080 127.0.0.1:40000". The kernel clears the remote end of a connection that its
// own process aborts; the text then has the end that the last look saw.
void AppendEnds(const netdiag::Change& change, std::string* out);
// "nginx/123", or "nginx/123+2" if two more descriptors hold the socket; "nginx/123?" if it is the
// owner of a listener, who has probably accepted the connection; "-" if no owner is known.
void AppendOwner(const netdiag::Change& change, std::string* out);
// "850ms", "12.3s", "3h05m".
void AppendDuration(std::chrono::nanoseconds time, std::string* out);
// "999", "1.2k", "45M": powers of 1000, at most four characters.
void AppendShort(uint64_t number, std::string* out);

// One line of `diag watch`; `word` says what happened: "opened", "closed", "state", "when", "gone".
void AppendLine(std::string_view word, const netdiag::Change& change, std::string* out);
// The same as an object, with every counter and what it has gained since the last look.
void PutChange(std::string_view word, const netdiag::Change& change, Json* json);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_MONITOR_CHANGE_TEXT_H_
