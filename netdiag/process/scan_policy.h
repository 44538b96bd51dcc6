// netdiag/process/scan_policy.h — what a scan or search reads, in which order, and when it has
// enough. Internal.
//
// A policy decides and OwnerIndex acts. Start() gives the first Action, and Next() the one after
// each slice. A policy reads and changes ScanParts, but opens, reads and ends nothing by itself.
// There is one policy for a scan of everything (FullScan) and one for each OwnerPolicy (SecondLook,
// FirstOwner, CachedOwners; they share OwnerSearch).
//
// Cost: a virtual call a slice. Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_SCAN_POLICY_H_
#define NETDIAG_PROCESS_SCAN_POLICY_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "netdiag/process/bpf_scan.h"
#include "netdiag/process/inode_index.h"
#include "netdiag/process/link_checks.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/proc_scan.h"
#include "netdiag/process/process_list.h"
#include "netdiag/process/procfs.h"
#include "netdiag/process/scan.h"
#include "netdiag/process/source_choice.h"
#include "netdiag/process/wanted_sockets.h"

namespace netdiag::internal {

// What an index is made of, between scans.
struct IndexBase {
  enum class Kind : uint8_t {
    kNone,    // nothing that a search can start from
    kScan,    // a scan of everything, and what second looks have added
    kCached,  // what searches by kCached have kept
  };
  Kind kind = Kind::kNone;
  bool partial = false;  // the budget ended the scan
  size_t sockets = 0;    // that the scan found
};

// The parts of an index, which it shares with its policies.
struct ScanParts {
  explicit ScanParts(const OwnerOptions& options)
      : procfs(options.proc_root),
        proc(&procfs, options.threads),
        bpf(options.netns),
        choice(options.source, &bpf) {}
  ScanParts(const ScanParts&) = delete;
  ScanParts& operator=(const ScanParts&) = delete;

  // SourceChoice::PrefersBpf() for this host.
  bool PrefersBpf(uint64_t links) const {
    return choice.PrefersBpf(links,
                             std::max<uint64_t>(proc.list().expected(), scan.sockets.size()));
  }

  // Notes the listed sizes of the tables that were read in this scan. REQUIRES: the scan is in the
  // order of the index.
  void NoteSizes();

  Procfs procfs;
  ProcScan proc;
  BpfScan bpf;
  SourceChoice choice;
  Scan scan;         // what was found; when the scan is done, in the order of `index`
  InodeIndex index;  // of `scan`
  IndexBase base;
  WantedSockets wanted;
  LinkChecks checks;
};

// What OwnerIndex does next.
enum class Action : uint8_t {
  kGoOn,    // another slice of the same
  kCheck,   // checks known links (ScanParts::checks)
  kList,    // opens the procfs and lists its processes; then asks Next()
  kRead,    // reads the descriptors that part() names
  kBpf,     // makes a pass of BPF, which is the end. With kAuto, if BPF fails: asks Next()
  kFinish,  // ends the scan
};

class ScanPolicy {
 public:
  virtual ~ScanPolicy() = default;
  // The first action.
  virtual Action Start() = 0;
  // The action after a slice of checks or of /proc, and where Action says so.
  virtual Action Next() = 0;
  // The descriptors to read after kRead.
  virtual Descriptors part() const = 0;
  // Begins to put what was found into the index (InodeIndex::Begin()), and updates the base.
  // `whole`: no budget ended the scan.
  virtual void Finish(bool whole) = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_SCAN_POLICY_H_
