// SPDX-License-Identifier: Apache-2.0
//
// netdiag/filter/possible.h — whether a socket can match a query at all.
//
//   if (PossibleStates(query, {Protocol::kTcp, Family::kInet}).empty()) …  // no socket of IPv4 TCP
//
// Threads: pure functions.
// Cost: one translation of the query's filter.

#ifndef NETDIAG_FILTER_POSSIBLE_H_
#define NETDIAG_FILTER_POSSIBLE_H_

#include "netdiag/dump/table.h"
#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace netdiag {

// The states, as a query names them, in which a socket of `table` can match `query`. Empty: no
// socket of the table matches, whatever sockets exist. Considers the states and the filter of the
// query, and the states that sockets of the table can have; not the query's protocols and families.
// Of the filter, it considers states, protocols, families, and which tables have the fields; other
// values only if two predicates of a conjunction exclude each other. If table.netns is 0, the table
// can be of any namespace.
StateSet PossibleStates(const Query& query, const Table& table);

}  // namespace netdiag

#endif  // NETDIAG_FILTER_POSSIBLE_H_
