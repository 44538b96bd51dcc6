// tools/diag/empty_answer.h — why an answer is empty by construction.

#ifndef NETDIAG_TOOLS_DIAG_EMPTY_ANSWER_H_
#define NETDIAG_TOOLS_DIAG_EMPTY_ANSWER_H_

#include <string>

#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace diag {

// Why no socket can match `query`, whatever sockets exist, in one sentence: which tables or states
// the options select and which ones the filter can match. Empty if a socket could match.
// `netns`: the only network namespace that is listed; 0: all of them.
std::string WhyEmpty(const netdiag::Query& query, netdiag::NetnsId netns);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_EMPTY_ANSWER_H_
