// netdiag/dump/bucket_request.h — Internal. Which sockets of a bucket a request hides, and the
// request that hides none.
//
// TCP and UDP keep the sockets of both families in the same buckets, so a request for one family
// hides the sockets of the other one, as states, ports and programs hide sockets.
//
// Threads: functions without state.

#ifndef NETDIAG_DUMP_BUCKET_REQUEST_H_
#define NETDIAG_DUMP_BUCKET_REQUEST_H_

#include "netdiag/dump/table.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The states of the sockets in TCP's table of connections.
StateSet ConnectionStates();
// True if a dump of `request` can leave out sockets that share a bucket with sockets that it gives.
// Always true for MPTCP: its rows have no cookies, so a gone row cannot be told from a hidden one.
bool HidesSockets(const DumpRequest& request);
// The request for every socket that shares a bucket with sockets that `request` asks for.
DumpRequest WidenToBuckets(DumpRequest request);

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_BUCKET_REQUEST_H_
