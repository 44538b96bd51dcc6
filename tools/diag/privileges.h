// tools/diag/privileges.h — what diag does for its caller with privileges that the caller lacks.
//
// diag can gain privileges by exec: file capabilities (setcap) or set-user-ID. They are for reading
// sockets and processes. Files that the caller names are opened with the caller's own privileges,
// and the environment chooses no file.

#ifndef NETDIAG_TOOLS_DIAG_PRIVILEGES_H_
#define NETDIAG_TOOLS_DIAG_PRIVILEGES_H_

#include <sys/types.h>

#include <string>

namespace diag {

// True if exec gave privileges to the program. Source: getauxval(3), AT_SECURE.
bool GainedPrivileges();

// open(2) without the privileges that exec gave. Sets errno if it fails. Not for threads: it
// changes the credentials of the calling thread for the moment.
int OpenAsCaller(const std::string& path, int flags, mode_t mode = 0);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_PRIVILEGES_H_
