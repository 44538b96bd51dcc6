// tools/diag/privileges.h — what diag does with its privileges.
//
// diag can gain privileges by exec: file capabilities (setcap) or set-user-ID. They are for reading
// sockets and processes. Files that the caller names are opened with the caller's own privileges,
// and the environment chooses no file.
//
// However it got its capabilities, diag gives up those that its command line cannot need, before it
// reads anything that another process chose: first by its command, then by its options.

#ifndef NETDIAG_TOOLS_DIAG_PRIVILEGES_H_
#define NETDIAG_TOOLS_DIAG_PRIVILEGES_H_

#include <linux/capability.h>
#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <string>

namespace diag {

// True if exec gave privileges to the program. Source: getauxval(3), AT_SECURE.
bool GainedPrivileges();

// open(2) without the privileges that exec gave. Sets errno if it fails. Not for threads: it
// changes the credentials of the calling thread for the moment.
int OpenAsCaller(const std::string& path, int flags, mode_t mode = 0);

// Capabilities by their numbers, as CAP_NET_ADMIN.
class CapabilitySet {
 public:
  constexpr CapabilitySet() = default;
  constexpr CapabilitySet(std::initializer_list<int> capabilities) {
    for (const int each : capabilities) bits_ |= uint64_t{1} << each;
  }
  static constexpr CapabilitySet FromBits(uint64_t bits) {
    CapabilitySet set;
    set.bits_ = bits;
    return set;
  }
  static constexpr CapabilitySet All() { return FromBits(~uint64_t{0}); }
  constexpr uint64_t bits() const { return bits_; }
  constexpr bool contains(CapabilitySet other) const { return (other.bits_ & ~bits_) == 0; }
  constexpr CapabilitySet& operator|=(CapabilitySet other) {
    bits_ |= other.bits_;
    return *this;
  }
  friend constexpr CapabilitySet operator|(CapabilitySet a, CapabilitySet b) { return a |= b; }
  friend constexpr bool operator==(CapabilitySet, CapabilitySet) = default;

 private:
  uint64_t bits_ = 0;
};

// To write a file whose permissions forbid it.
inline constexpr CapabilitySet kForFiles = {CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE};
// To read what /proc tells of other users' processes.
inline constexpr CapabilitySet kForProcesses = {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
inline constexpr CapabilitySet kForBpf = {CAP_BPF, CAP_PERFMON};
// To enter the network namespace of a file or of a process.
inline constexpr CapabilitySet kForNamespaces = kForProcesses | CapabilitySet{CAP_SYS_ADMIN};
inline constexpr CapabilitySet kForOwners = kForProcesses | kForBpf;

// The effective capabilities of this thread.
CapabilitySet EffectiveCapabilities();

// Gives up all capabilities but `kept`, for ever, and hands none to programs that this one becomes.
// What stands in for a capability that the thread does not have is kept, too: CAP_SYS_ADMIN for
// CAP_BPF and CAP_PERFMON; CAP_DAC_OVERRIDE for CAP_DAC_READ_SEARCH; all of them for
// CAP_SYS_PTRACE, because a process may then read only of processes that have no capability beyond
// its own. For CapabilitySet::All() it does nothing. If a sandbox forbids it, nothing changes. Call
// it before other threads start. Source: capset(2); bpf_capable(), perfmon_capable(),
// include/linux/capability.h; generic_permission(), fs/namei.c; cap_ptrace_access_check(),
// security/commoncap.c.
void KeepOnly(CapabilitySet kept);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_PRIVILEGES_H_
