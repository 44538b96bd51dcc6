// Cgroups, and the parsing of cgroup paths. Tested by tests/process/cgroup_test.cc.

#include <algorithm>
#include <array>

#include "netdiag/process/cgroup.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag {
namespace {

using internal::ReadProcFile;
using internal::TakeUntil;

bool IsHex(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool RemoveSuffix(std::string_view suffix, std::string_view* text) {
  if (!text->ends_with(suffix)) return false;
  text->remove_suffix(suffix.size());
  return true;
}

// The id in "docker-ID.scope", "cri-containerd-ID.scope", "crio-ID", "libpod-ID", "SLICE:docker:ID"
// or "ID". Empty for the runtime's own processes beside a container ("libpod-conmon-ID.scope").
std::string_view ContainerOf(std::string_view name) {
  constexpr size_t kIdSize = 64;
  RemoveSuffix(".scope", &name);
  if (name.size() < kIdSize) return {};
  const std::string_view id = name.substr(name.size() - kIdSize);
  const std::string_view runtime = name.substr(0, name.size() - kIdSize);
  if (!IsHex(id) || runtime.ends_with("conmon-")) return {};
  const bool separated = runtime.empty() || runtime.ends_with("-") || runtime.ends_with(":");
  return separated ? id : std::string_view();
}

// The uid in "podUID" below kubepods, or in "kubepods-burstable-podUID.slice" with '_' for '-'.
std::string PodOf(std::string_view name, bool in_kubepods) {
  constexpr std::string_view kPod = "pod";
  constexpr size_t kUuid = 36;
  constexpr size_t kHash = 32;  // of a static pod, whose uid is a hash
  name = name.substr(0, name.find(':'));
  RemoveSuffix(".slice", &name);
  std::string_view uid;
  if (in_kubepods && name.starts_with(kPod)) uid = name.substr(kPod.size());
  if (name.find("kubepods") != name.npos) {
    const size_t at = name.rfind("-pod");
    if (at != name.npos) uid = name.substr(at + 1 + kPod.size());
  }
  std::string pod(uid);
  std::ranges::replace(pod, '_', '-');
  std::string digits = pod;
  std::erase(digits, '-');
  const bool whole = digits.size() == kHash && (pod.size() == kUuid || pod.size() == kHash);
  return whole && IsHex(digits) ? pod : std::string();
}

bool IsUnit(std::string_view name) {
  // The kinds of unit that have processes. Source: systemd.unit(5).
  constexpr std::array<std::string_view, 5> kKinds = {".service", ".scope", ".socket", ".mount",
                                                      ".swap"};
  return std::ranges::any_of(kKinds, [&](std::string_view kind) {
    return name.size() > kind.size() && name.ends_with(kind);
  });
}

// The start time in the text of /proc/PID/stat, in clock ticks since boot. 0 if there is none.
uint64_t StartTime(std::string_view stat) {
  constexpr int kFieldsBefore = 19;  // after the command, which ends with the last parenthesis
  const size_t command = stat.rfind(") ");
  if (command == stat.npos) return 0;
  stat.remove_prefix(command + 2);
  for (int i = 0; i < kFieldsBefore; ++i) TakeUntil(' ', &stat);
  return internal::ParseNumber<uint64_t>(TakeUntil(' ', &stat)).value_or(0);
}

}  // namespace

Cgroup ParseCgroup(std::string_view path) {
  Cgroup cgroup;
  cgroup.path = path;
  bool in_kubepods = false;
  while (!path.empty()) {
    const std::string_view name = TakeUntil('/', &path);
    in_kubepods |= name.starts_with("kubepods");
    if (const std::string_view id = ContainerOf(name); !id.empty()) cgroup.container = id;
    if (std::string pod = PodOf(name, in_kubepods); !pod.empty()) cgroup.pod = std::move(pod);
    if (IsUnit(name)) cgroup.unit = name;
  }
  return cgroup;
}

std::string_view CgroupPathOfProcess(std::string_view text) {
  std::string_view v2, systemd, first;
  while (!text.empty()) {
    std::string_view line = TakeUntil('\n', &text);
    const std::string_view hierarchy = TakeUntil(':', &line);
    const std::string_view controllers = TakeUntil(':', &line);
    if (hierarchy == "0" && controllers.empty()) {
      v2 = line;
    } else if (controllers == "name=systemd") {
      systemd = line;
    } else if (first.size() <= 1) {
      first = line;
    }
  }
  for (const std::string_view path : {v2, systemd, first}) {
    if (path.size() > 1) return path;
  }
  return v2.empty() ? systemd : v2;
}

const Cgroup* Cgroups::Intern(std::string_view path) {
  const auto [place, is_new] = by_path_.try_emplace(std::string(path));
  if (is_new) place->second = ParseCgroup(path);
  return &place->second;
}

const Cgroup* Cgroups::Find(CgroupId id) {
  const auto known = by_id_.find(id);
  if (known != by_id_.end()) return known->second;
  const std::optional<std::string_view> path = paths_.Find(id);
  // An unknown id is not kept, because a later reading may find it.
  return path ? by_id_[id] = Intern(*path) : nullptr;
}

const Cgroup* Cgroups::OfProcess(Pid pid, uint64_t start_time) {
  const auto known = by_pid_.find(pid);
  if (known != by_pid_.end() && known->second.first == start_time) return known->second.second;
  constexpr size_t kLimit = size_t{64} << 10;
  const std::string directory = proc_root_ + "/" + std::to_string(pid.value());
  const std::string text = ReadProcFile(directory + "/cgroup", kLimit);
  const std::string_view path = CgroupPathOfProcess(text);
  // Read afterwards: if the process is still the same one, the text before was its own.
  const bool same = StartTime(ReadProcFile(directory + "/stat", kLimit)) == start_time;
  const Cgroup* const cgroup = same && !path.empty() ? Intern(path) : nullptr;
  by_pid_[pid] = {start_time, cgroup};
  return cgroup;
}

void Cgroups::Refresh() {
  paths_.Refresh();
  by_id_.clear();
  by_pid_.clear();
  by_path_.clear();
}

size_t Cgroups::memory() const {
  size_t bytes = sizeof(*this);
  for (const auto& [path, cgroup] : by_path_) bytes += 2 * path.size() + sizeof(cgroup);
  return bytes + by_id_.size() * sizeof(*by_id_.begin()) +
         by_pid_.size() * sizeof(*by_pid_.begin());
}

}  // namespace netdiag
