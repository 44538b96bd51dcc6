// Cgroups, and the parsing of cgroup paths. Tested by tests/process/cgroup_test.cc.

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

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

// The size up to which small files of /proc are read.
constexpr size_t kLimit = size_t{64} << 10;

// A line of /proc/PID/cgroup: "12:cpu,cpuacct:/path", of v2 "0::/path". Source: cgroups(7).
struct Line {
  std::string_view path;
  bool is_v2 = false;
  bool is_systemd = false;  // of the v1 hierarchy that has no controllers and is systemd's own
};

// Removes the next line with a path from `text`. Returns false if there is none.
bool NextLine(std::string_view* text, Line* line) {
  while (!text->empty()) {
    std::string_view rest = TakeUntil('\n', text);
    const std::string_view hierarchy = TakeUntil(':', &rest);
    const std::string_view controllers = TakeUntil(':', &rest);
    *line = {rest, hierarchy == "0" && controllers.empty(), controllers == "name=systemd"};
    if (!rest.empty()) return true;
  }
  return false;
}

// Adds the names of `more` that `cgroup` lacks. A pod is that of its container.
void AddNames(const Cgroup& more, Cgroup* cgroup) {
  if (cgroup->container.empty() && (cgroup->pod.empty() || cgroup->pod == more.pod)) {
    cgroup->container = more.container;
    cgroup->pod = more.pod.empty() ? cgroup->pod : more.pod;
  }
  if (cgroup->unit.empty()) cgroup->unit = more.unit;
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
  for (Line line; NextLine(&text, &line);) {
    if (line.is_v2) {
      v2 = line.path;
    } else if (line.is_systemd) {
      systemd = line.path;
    } else if (first.size() <= 1) {
      first = line.path;
    }
  }
  for (const std::string_view path : {v2, systemd, first}) {
    if (path.size() > 1) return path;
  }
  return v2.empty() ? systemd : v2;
}

Cgroup ParseV1Cgroups(std::string_view text) {
  Cgroup names;
  bool unit_is_systemd = false;
  for (Line line; NextLine(&text, &line);) {
    if (line.is_v2) continue;
    const Cgroup found = ParseCgroup(line.path);
    AddNames(found, &names);
    if (line.is_systemd && !unit_is_systemd && !found.unit.empty()) names.unit = found.unit;
    unit_is_systemd |= line.is_systemd;
  }
  return names;
}

bool HasV1Cgroups(const std::string& proc_root) {
  const std::string file = ReadProcFile(proc_root + "/self/cgroup", kLimit);
  std::string_view text = file;
  for (Line line; NextLine(&text, &line);) {
    if (!line.is_v2) return true;
  }
  return false;
}

const Cgroup* Cgroups::Intern(std::string_view path) {
  const auto [place, is_new] = by_path_.try_emplace(std::string(path));
  if (is_new) place->second = ParseCgroup(path);
  return &place->second;
}

const Cgroup* Cgroups::Complete(const Cgroup* cgroup, const Cgroup* more) {
  if (more == nullptr) return cgroup;
  Cgroup whole = cgroup != nullptr ? *cgroup : Cgroup();
  AddNames(*more, &whole);
  if (cgroup != nullptr && whole.container == cgroup->container && whole.pod == cgroup->pod &&
      whole.unit == cgroup->unit) {
    return cgroup;
  }
  // No path has a newline: cgroup_mkdir() refuses it.
  const std::string key =
      absl::StrCat(whole.path, "\n", whole.container, "\n", whole.pod, "\n", whole.unit);
  return &by_path_.try_emplace(key, std::move(whole)).first->second;
}

const Cgroup* Cgroups::Find(CgroupId id) {
  const auto known = by_id_.find(id);
  if (known != by_id_.end()) return known->second;
  if (assigned_) return nullptr;
  const std::optional<std::string_view> path = paths_.Find(id);
  // An unknown id is not kept, because a later reading may find it.
  return path ? by_id_[id] = Intern(*path) : nullptr;
}

const Cgroups::OfPid& Cgroups::Read(Pid pid, uint64_t start_time) {
  const auto [place, is_new] = by_pid_.try_emplace(pid);
  OfPid& cgroups = place->second;
  if (!is_new && cgroups.start_time == start_time) return cgroups;
  cgroups = {.start_time = start_time};
  const std::string directory = proc_root_ + "/" + std::to_string(pid.value());
  const std::string text = ReadProcFile(directory + "/cgroup", kLimit);
  // Read afterwards: if the process is still the same one, the text before was its own.
  const bool same = StartTime(ReadProcFile(directory + "/stat", kLimit)) == start_time;
  const std::string_view path = CgroupPathOfProcess(text);
  if (!same || path.empty()) return cgroups;
  const Cgroup v1 = ParseV1Cgroups(text);
  const bool has_names = !v1.container.empty() || !v1.pod.empty() || !v1.unit.empty();
  if (has_names) cgroups.v1 = Complete(nullptr, &v1);
  cgroups.own = Complete(Intern(path), cgroups.v1);
  return cgroups;
}

const Cgroup* Cgroups::OfProcess(Pid pid, uint64_t start_time) {
  return assigned_ ? FindHeldBy(CgroupId(), pid, start_time) : Read(pid, start_time).own;
}

const Cgroup* Cgroups::FindHeldBy(CgroupId id, Pid pid, uint64_t start_time) {
  if (assigned_) {
    const auto known = assigned_->find({id, pid, start_time});
    return known != assigned_->end() ? known->second : Find(id);
  }
  const Cgroup* const found = Find(id);
  if (found == nullptr) {
    const Cgroup* const own = OfProcess(pid, start_time);
    return own != nullptr ? Complete(nullptr, own) : nullptr;
  }
  if (!has_v1_) has_v1_ = HasV1Cgroups(proc_root_);
  return *has_v1_ ? Complete(found, Read(pid, start_time).v1) : found;
}

void Cgroups::Assign(std::span<const Known> cgroups) {
  Refresh();
  assigned_.emplace();
  for (const Known& known : cgroups) {
    // The key is none of Intern()'s, which has no caller from now on.
    const std::string key = absl::StrCat(by_path_.size());
    const Cgroup* const cgroup = &by_path_.try_emplace(key, known.cgroup).first->second;
    assigned_->try_emplace({known.id, known.pid, known.start_time}, cgroup);
    if (known.id != CgroupId()) by_id_.try_emplace(known.id, cgroup);
  }
}

void Cgroups::Refresh() {
  paths_.Refresh();
  has_v1_.reset();
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
