// netdiag/dump/bucket_request.h — Internal. Which sockets of a bucket a request hides, and the
// request that hides none.
//
// TCP and UDP keep the sockets of both families in the same buckets, so a request for one family
// hides the sockets of the other one, as states, ports and programs hide sockets.
//
// Threads: functions without state.

#ifndef NETDIAG_DUMP_BUCKET_REQUEST_H_
#define NETDIAG_DUMP_BUCKET_REQUEST_H_

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/table.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The states of the sockets in TCP's table of connections.
StateSet ConnectionStates();
// True if a dump of `request` can leave out sockets that share a bucket with sockets that it gives.
bool HidesSockets(const DumpRequest& request);
// True if that holds for every request, so that a torn dump of the protocol is always a doubt. Rows
// of MPTCP have no cookies of their own, so a gone row cannot be told from a hidden one. SCTP's
// associations are in one table that can be resized during the dump
// (sctp_transport_traverse_process()). A dump of DCCP has one family, and its buckets have both. A
// dump of TIPC leaves out one socket at the end of each datagram (verifier.h).
bool AlwaysHides(Protocol protocol);
// The request for every socket that shares a bucket with sockets that `request` asks for.
DumpRequest WidenToBuckets(DumpRequest request);

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_BUCKET_REQUEST_H_
