// tools/diag/capture_file.h — a capture that --replay reads: its bytes, and what its host called
// the numbers in them. Of the machine that replays a capture, nothing about sockets is read: no
// processes, users, interfaces and cgroups.

#ifndef NETDIAG_TOOLS_DIAG_CAPTURE_FILE_H_
#define NETDIAG_TOOLS_DIAG_CAPTURE_FILE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/filter/filter.h"
#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace netdiag {
struct CaptureRecord;  // dump/capture.h
}  // namespace netdiag

namespace diag {

class CaptureFile {
 public:
  // `path`: "-" is standard input. EBADMSG: it is no capture. Damage behind its beginning is no
  // error here; the Engine tells it.
  static absl::StatusOr<std::shared_ptr<const CaptureFile>> Read(const std::string& path);
  // The same for bytes that are there.
  explicit CaptureFile(std::string bytes);
  CaptureFile(const CaptureFile&) = delete;
  CaptureFile& operator=(const CaptureFile&) = delete;

  netdiag::Bytes bytes() const { return std::as_bytes(std::span(bytes_.data(), bytes_.size())); }
  // When it was made, in UTC: "2027-01-31T12:00:00Z". nullopt: damage hides it.
  const std::optional<std::string>& time() const { return time_; }
  // True if it has the sockets of several network namespaces.
  bool has_namespaces() const { return netns_.size() > 1; }
  // The network namespace of all its sockets; 0: there are several, or it is not known.
  netdiag::NetnsId only_netns() const {
    return netns_.size() == 1 ? *netns_.begin() : netdiag::NetnsId();
  }

  // ---- Names. Views are valid as long as this object. ----

  // Empty: the interface has no name.
  std::string_view InterfaceName(netdiag::NetnsId netns, netdiag::IfIndex index) const;
  std::vector<netdiag::FilterInterface> FindInterfaces(std::string_view name) const;
  // Empty: the user has no name.
  std::string_view UserName(netdiag::Uid uid) const;
  std::optional<netdiag::Uid> FindUser(std::string_view name) const;
  // The command of a process; empty: not known.
  std::string_view CommandOf(int32_t pid) const;
  std::optional<netdiag::CgroupId> FindCgroup(std::string_view path) const;
  // By its name, or its number.
  std::optional<netdiag::NetnsId> FindNamespace(std::string_view name) const;
  // The first and the last ephemeral port.
  std::optional<std::pair<netdiag::Port, netdiag::Port>> ephemeral_ports() const { return ports_; }

  // ---- What it lacks ----

  // What the maker of the capture was told of gaps in it: sentences.
  const std::vector<std::string>& notes() const { return notes_; }
  // What `query` asks and the capture was not made to have.
  struct Lack {
    std::vector<std::string> tables;   // the words of protocols; of its other families, none
    std::vector<std::string> states;   // of the tables that it has
    std::string filter;                // it has only what matches this, and `query` asks for else
    std::vector<std::string> details;  // kinds of details
    bool unknown = false;              // the capture does not say what it was made to have
  };
  Lack LackOf(const netdiag::Query& query) const;

 private:
  struct Scope {
    netdiag::StateSet states;
    netdiag::ExtensionSet extensions;
    bool programs = false;
    bool cgroups = false;
    std::string filter;
  };

  void AddName(const netdiag::CaptureRecord& record);

  std::string bytes_;
  std::optional<std::string> time_;
  std::optional<Scope> scope_;
  std::vector<std::pair<netdiag::Protocol, netdiag::FamilySet>> tables_;
  std::map<std::pair<netdiag::NetnsId, netdiag::IfIndex>, std::string> interfaces_;
  std::map<netdiag::Uid, std::string> users_;
  std::map<int32_t, std::string> commands_;
  std::map<std::string, netdiag::CgroupId, std::less<>> cgroups_;
  std::map<std::string, netdiag::NetnsId, std::less<>> netns_names_;
  std::set<netdiag::NetnsId> netns_;
  netdiag::NetnsId last_netns_;  // of the last table
  std::optional<std::pair<netdiag::Port, netdiag::Port>> ports_;
  std::vector<std::string> notes_;
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_CAPTURE_FILE_H_
