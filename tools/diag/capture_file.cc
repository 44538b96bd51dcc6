// Tested by tests/tools/capture_file_test.cc.

#include "tools/diag/capture_file.h"

#include <algorithm>

#include "absl/time/time.h"

#include "netdiag/dump/capture.h"
#include "netdiag/dump/table.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "tools/diag/input_file.h"

namespace diag {
namespace {

using netdiag::CapturedName;
using netdiag::CaptureReader;
using netdiag::CaptureRecord;
using netdiag::CaptureType;
using netdiag::FamilySet;
using netdiag::NetnsId;
using netdiag::Port;
using netdiag::Protocol;
using netdiag::StateSet;

constexpr std::string_view kOption = "--replay";

bool BeginsCapture(std::string_view begin) {
  return CaptureReader(std::as_bytes(std::span(begin.data(), begin.size()))).version() != 0;
}
constexpr Beginning kBeginning = {.size = 8, .fits = BeginsCapture};

// The value of `key`, or a default one.
template <class Map, class Key>
auto Find(const Map& map, const Key& key) {
  using Value = std::optional<typename Map::mapped_type>;
  const auto found = map.find(key);
  return found == map.end() ? Value() : Value(found->second);
}
template <class Map, class Key>
std::string_view FindText(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string_view() : std::string_view(found->second);
}

FamilySet Both(FamilySet a, FamilySet b) { return FamilySet::FromBits(a.bits() & b.bits()); }
FamilySet Without(FamilySet a, FamilySet b) { return FamilySet::FromBits(a.bits() & ~b.bits()); }

}  // namespace

absl::StatusOr<std::shared_ptr<const CaptureFile>> CaptureFile::Read(const std::string& path) {
  NETDIAG_ASSIGN_OR_RETURN(std::string bytes, ReadInput(path, kOption, kBeginning));
  const CaptureReader reader(std::as_bytes(std::span(bytes.data(), bytes.size())));
  if (reader.version() == 0) return reader.status();
  return std::make_shared<const CaptureFile>(std::move(bytes));
}

CaptureFile::CaptureFile(std::string bytes) : bytes_(std::move(bytes)) {
  CaptureReader reader(this->bytes());
  for (CaptureRecord record; reader.Next(&record);) {
    switch (record.type) {
      case CaptureType::kHost:
        time_ = absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", absl::FromChrono(record.time),
                                 absl::UTCTimeZone());
        break;
      case CaptureType::kScope:
        scope_ = {record.states, record.extensions, record.programs, record.cgroups,
                  std::string(record.filter)};
        break;
      case CaptureType::kTable:
        tables_.emplace_back(record.table.protocol, record.table.families);
        netns_.insert(record.table.netns);
        last_netns_ = record.table.netns;
        break;
      case CaptureType::kNetns:
        netns_names_.try_emplace(std::string(record.name), last_netns_);
        break;
      case CaptureType::kCgroup:
        if (record.cgroup != netdiag::CgroupId()) {
          cgroups_.try_emplace(std::string(record.path), record.cgroup);
        }
        break;
      case CaptureType::kName:
        AddName(record);
        break;
      case CaptureType::kNote:
        notes_.emplace_back(record.name);
        break;
      default:
        break;
    }
  }
}

void CaptureFile::AddName(const CaptureRecord& record) {
  const auto number = static_cast<uint32_t>(record.number);
  switch (record.kind) {
    case CapturedName::kInterface:
      interfaces_.try_emplace({record.netns, netdiag::IfIndex(number)}, record.name);
      break;
    case CapturedName::kUser:
      users_.try_emplace(netdiag::Uid(number), record.name);
      break;
    case CapturedName::kCommand:
      commands_.try_emplace(static_cast<int32_t>(number), record.name);
      break;
    case CapturedName::kLocalPorts:
      ports_ = {Port::FromHost(static_cast<uint16_t>(number)),
                Port::FromHost(static_cast<uint16_t>(number >> 16))};
      break;
  }
}

// ---- Names ----

std::string_view CaptureFile::InterfaceName(NetnsId netns, netdiag::IfIndex index) const {
  return FindText(interfaces_, std::pair(netns, index));
}

std::vector<netdiag::FilterInterface> CaptureFile::FindInterfaces(std::string_view name) const {
  std::vector<netdiag::FilterInterface> found;
  for (const auto& [place, text] : interfaces_) {
    if (text == name) found.push_back({place.first, place.second});
  }
  return found;
}

std::string_view CaptureFile::UserName(netdiag::Uid uid) const { return FindText(users_, uid); }

std::optional<netdiag::Uid> CaptureFile::FindUser(std::string_view name) const {
  const auto user =
      std::ranges::find_if(users_, [&](const auto& entry) { return entry.second == name; });
  return user == users_.end() ? std::nullopt : std::optional(user->first);
}

std::string_view CaptureFile::CommandOf(int32_t pid) const { return FindText(commands_, pid); }

std::optional<netdiag::CgroupId> CaptureFile::FindCgroup(std::string_view path) const {
  return Find(cgroups_, path);
}

std::optional<NetnsId> CaptureFile::FindNamespace(std::string_view name) const {
  if (const auto named = Find(netns_names_, name)) return named;
  const auto number = netdiag::internal::ParseNumber<uint32_t>(name);
  return number && netns_.contains(NetnsId(*number)) ? std::optional(NetnsId(*number))
                                                     : std::nullopt;
}

// ---- What it lacks ----

CaptureFile::Lack CaptureFile::LackOf(const netdiag::Query& query) const {
  Lack lack;
  netdiag::Query needs = query;
  if (query.filter != nullptr) query.filter->AddNeeds(&needs);
  StateSet states;  // that are asked of the tables that it has
  for (const Protocol protocol : query.protocols) {
    const netdiag::TableInfo& info = Describe(protocol);
    const StateSet asked = query.states & info.states;
    FamilySet missing = Both(query.families, info.families);
    if (asked.empty() || missing.empty()) continue;
    for (const auto& [other, families] : tables_) {
      if (other == protocol) missing = Without(missing, families);
    }
    if (missing != Both(query.families, info.families)) states = states | asked;
    if (!missing.empty()) lack.tables.push_back(Text(netdiag::Table{protocol, missing}));
  }
  lack.unknown = !scope_;
  if (!scope_) return lack;
  for (const netdiag::StateNames& row : netdiag::AllStates()) {
    if ((states - scope_->states).contains(row.state)) lack.states.emplace_back(row.ss);
  }
  const std::string filter = query.filter != nullptr ? query.filter->ToString() : "";
  if (filter != scope_->filter) lack.filter = scope_->filter;
  if ((needs.extensions.bits() & ~scope_->extensions.bits()) != 0) {
    lack.details.emplace_back("attributes that only -i, -m, -b, -e or --tos ask for");
  }
  if (needs.programs && !scope_->programs) lack.details.emplace_back("exe and args of processes");
  const bool cgroups = needs.cgroups || needs.containers;
  if (cgroups && !scope_->cgroups) lack.details.emplace_back("the paths of cgroups");
  return lack;
}

}  // namespace diag
