// Tested by tests/dump/capture_test.cc, fuzzed by tests/fuzz/capture_fuzz.cc.

#include "netdiag/dump/capture.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <zlib.h>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using netlink::Align;
using netlink::Extract;
using netlink::Load;

constexpr std::string_view kMagic = "netdiag2";
constexpr std::string_view kMagic1 = "netdiag1";
constexpr size_t kMaxFrame = 1 << 20;
constexpr size_t kLengthAndType = 8;  // u32 length, u16 type, u16 zero
constexpr size_t kCheckSize = sizeof(uint32_t);
// Bytes that are checked in search of sound records, beside those of one pass over the capture.
constexpr uint64_t kMostSearched = uint64_t{64} << 20;

// Captures are little-endian, as all machines are that Debian 12's Bazel runs on. The netlink bytes
// inside have the byte order of their machine.
static_assert(std::endian::native == std::endian::little);

Bytes AsBytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
void Append(T value, std::string* out) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}

// The fixed parts of the records, byte for byte as in the file.
struct HostPart {
  int64_t nanoseconds = 0;  // since 1970, UTC
};
struct TablePart {
  uint16_t protocol = 0;
  uint8_t source = 0;
  uint8_t reserved = 0;
  uint32_t netns = 0;
  uint64_t families = 0;  // bit N: AF_ N
};
struct OwnerPart {
  uint64_t start_time = 0;
  uint32_t inode = 0;
  int32_t pid = 0;
  int32_t fd = 0;
  int32_t thread = 0;
};
struct ScopePart {
  uint32_t states = 0;  // bit N: state N
  uint32_t flags = 0;   // kScopeOwners, ...
  uint64_t extensions = 0;
};
constexpr uint32_t kScopeOwners = 1, kScopePrograms = 2, kScopeCgroups = 4, kScopeWhole = 8;
struct NoOwnerPart {
  uint32_t inode = 0;
  uint32_t reason = 0;
};
struct CgroupPart {
  uint64_t id = 0;
  uint64_t start_time = 0;
  int32_t pid = 0;
  uint32_t reserved = 0;
};
struct ProgramPart {
  uint64_t start_time = 0;
  int32_t pid = 0;
  uint32_t exe_size = 0;
};
struct NamePart {
  uint16_t kind = 0;
  uint16_t reserved = 0;
  uint32_t netns = 0;
  uint64_t number = 0;
};
static_assert(sizeof(HostPart) == 8 && sizeof(TablePart) == 16 && sizeof(OwnerPart) == 24);
static_assert(sizeof(ScopePart) == 16 && sizeof(NoOwnerPart) == 8 && sizeof(CgroupPart) == 24);
static_assert(sizeof(ProgramPart) == 16 && sizeof(NamePart) == 16);

using Nanoseconds = std::chrono::nanoseconds;

uint32_t FlagsOf(const CaptureRecord& record) {
  return (record.owners ? kScopeOwners : 0) | (record.programs ? kScopePrograms : 0) |
         (record.cgroups ? kScopeCgroups : 0) | (record.whole ? kScopeWhole : 0);
}

// The payloads of the types that version 1 has.
void AppendPayload1(const CaptureRecord& record, std::string* out) {
  switch (record.type) {
    case CaptureType::kHost:
      Append(
          HostPart{std::chrono::duration_cast<Nanoseconds>(record.time.time_since_epoch()).count()},
          out);
      out->append(record.kernel);
      break;
    case CaptureType::kTable:
      Append(TablePart{static_cast<uint16_t>(record.table.protocol),
                       static_cast<uint8_t>(record.source), 0, record.table.netns.value(),
                       record.table.families.bits()},
             out);
      out->append(AsText(record.request));
      break;
    case CaptureType::kDatagram:
      out->append(AsText(record.datagram));
      break;
    case CaptureType::kOwner:
      Append(OwnerPart{record.start_time, record.inode.value(), record.pid.value(), record.fd,
                       record.thread.value()},
             out);
      out->append(record.command);
      break;
    case CaptureType::kEnd:
      Append(record.errnum, out);
      break;
    default:
      out->append(record.name);  // kNetns, kNote
      break;
  }
}

void AppendPayload(const CaptureRecord& record, std::string* out) {
  switch (record.type) {
    case CaptureType::kScope:
      Append(ScopePart{record.states.bits(), FlagsOf(record), record.extensions.bits()}, out);
      out->append(record.filter);
      break;
    case CaptureType::kNoOwner:
      Append(NoOwnerPart{record.inode.value(), record.reason}, out);
      break;
    case CaptureType::kCgroup:
      Append(CgroupPart{record.cgroup.value(), record.start_time, record.pid.value()}, out);
      for (const std::string_view text : {record.path, record.container, record.pod}) {
        out->append(text).push_back('\0');
      }
      out->append(record.unit);
      break;
    case CaptureType::kProgram:
      Append(ProgramPart{record.start_time, record.pid.value(),
                         static_cast<uint32_t>(record.exe.size())},
             out);
      out->append(record.exe).append(record.args);
      break;
    case CaptureType::kName:
      Append(NamePart{static_cast<uint16_t>(record.kind), 0, record.netns.value(), record.number},
             out);
      out->append(record.name);
      break;
    case CaptureType::kFinish:
      break;
    default:
      AppendPayload1(record, out);
      break;
  }
}

bool ParseTable(Bytes payload, CaptureRecord* record) {
  const auto part = Load<TablePart>(payload);
  if (!part || part->source > static_cast<uint8_t>(kLastSourceKind)) return false;
  record->table.protocol = static_cast<Protocol>(part->protocol);
  if (Describe(record->table.protocol).protocol != record->table.protocol) return false;
  for (const FamilyNames& row : AllFamilies()) {
    if (FamilySet::FromBits(part->families).contains(row.family)) {
      record->table.families |= row.family;
    }
  }
  record->table.netns = NetnsId(part->netns);
  record->source = static_cast<SourceKind>(part->source);
  record->request = payload.subspan(sizeof(*part));
  return true;
}

// The functions below fill `record` from a frame's payload. False if the payload is too short or a
// value is impossible.

// The types that version 1 has.
bool ParsePayload1(Bytes payload, CaptureRecord* record) {
  switch (record->type) {
    case CaptureType::kHost: {
      const auto part = Load<HostPart>(payload);
      if (!part) return false;
      record->time = std::chrono::system_clock::time_point(
          std::chrono::duration_cast<std::chrono::system_clock::duration>(
              Nanoseconds(part->nanoseconds)));
      record->kernel = AsText(payload.subspan(sizeof(*part)));
      return true;
    }
    case CaptureType::kTable:
      return ParseTable(payload, record);
    case CaptureType::kDatagram:
      record->datagram = payload;
      return true;
    case CaptureType::kOwner: {
      const auto part = Load<OwnerPart>(payload);
      if (!part) return false;
      record->start_time = part->start_time;
      record->inode = Inode(part->inode);
      record->pid = Pid(part->pid);
      record->fd = part->fd;
      record->thread = Pid(part->thread);
      record->command = AsText(payload.subspan(sizeof(*part)));
      return true;
    }
    case CaptureType::kEnd: {
      const auto errnum = Load<int32_t>(payload);
      if (!errnum || *errnum < 0 || *errnum > 4095) return false;
      record->errnum = *errnum;
      return true;
    }
    default:
      record->name = AsText(payload);  // kNetns, kNote
      return true;
  }
}

bool ParseScope(Bytes payload, CaptureRecord* record) {
  const auto part = Load<ScopePart>(payload);
  if (!part) return false;
  record->states = StateSet::FromBits(part->states) & StateSet::All();
  record->extensions = ExtensionSet::FromBits(part->extensions);
  record->owners = (part->flags & kScopeOwners) != 0;
  record->programs = (part->flags & kScopePrograms) != 0;
  record->cgroups = (part->flags & kScopeCgroups) != 0;
  record->whole = (part->flags & kScopeWhole) != 0;
  record->filter = AsText(payload.subspan(sizeof(*part)));
  return true;
}

bool ParseCgroup(Bytes payload, CaptureRecord* record) {
  const auto part = Load<CgroupPart>(payload);
  if (!part) return false;
  record->cgroup = CgroupId(part->id);
  record->start_time = part->start_time;
  record->pid = Pid(part->pid);
  std::string_view rest = AsText(payload.subspan(sizeof(*part)));
  for (std::string_view* const text : {&record->path, &record->container, &record->pod}) {
    const size_t end = rest.find('\0');
    if (end == rest.npos) return false;
    *text = rest.substr(0, end);
    rest.remove_prefix(end + 1);
  }
  record->unit = rest;
  return rest.find('\0') == rest.npos;
}

bool ParseProgram(Bytes payload, CaptureRecord* record) {
  const auto part = Load<ProgramPart>(payload);
  if (!part || part->exe_size > payload.size() - sizeof(*part)) return false;
  record->start_time = part->start_time;
  record->pid = Pid(part->pid);
  const std::string_view texts = AsText(payload.subspan(sizeof(*part)));
  record->exe = texts.substr(0, part->exe_size);
  record->args = texts.substr(part->exe_size);
  return true;
}

bool ParsePayload(uint16_t type, Bytes payload, CaptureRecord* record) {
  *record = CaptureRecord();
  record->type = static_cast<CaptureType>(type);
  switch (record->type) {
    case CaptureType::kScope:
      return ParseScope(payload, record);
    case CaptureType::kNoOwner: {
      const auto part = Load<NoOwnerPart>(payload);
      if (!part) return false;
      record->inode = Inode(part->inode);
      record->reason = part->reason;
      return true;
    }
    case CaptureType::kCgroup:
      return ParseCgroup(payload, record);
    case CaptureType::kProgram:
      return ParseProgram(payload, record);
    case CaptureType::kName: {
      const auto part = Load<NamePart>(payload);
      if (!part) return false;
      record->kind = static_cast<CapturedName>(part->kind);
      record->netns = NetnsId(part->netns);
      record->number = part->number;
      record->name = AsText(payload.subspan(sizeof(*part)));
      return true;
    }
    case CaptureType::kFinish:
      return payload.empty();
    default:
      return ParsePayload1(payload, record);
  }
}

bool KnownType(uint16_t type, int version) {
  const CaptureType last = version == 1 ? CaptureType::kNetns : CaptureType::kFinish;
  return type >= static_cast<uint16_t>(CaptureType::kHost) && type <= static_cast<uint16_t>(last);
}

// True for the types that mean something only after their table's kTable record.
bool BelongsToTable(uint16_t type) {
  const auto known = static_cast<CaptureType>(type);
  return known == CaptureType::kDatagram || known == CaptureType::kEnd ||
         known == CaptureType::kNetns;
}

// The check of a frame at byte `offset`. `table` is the offset of the frame of its table, or 0.
// `head` has length and type, `rest` is what follows the check, with its padding.
uint32_t CheckOf(uint64_t offset, uint64_t table, Bytes head, Bytes rest) {
  const std::array<uint64_t, 2> places = {offset, table};
  uLong check = 0;
  for (const Bytes part : {Bytes(std::as_bytes(std::span(places))), head, rest}) {
    check = crc32_z(check, reinterpret_cast<const Bytef*>(part.data()), part.size());
  }
  return static_cast<uint32_t>(check);
}

}  // namespace

// ---- Writer ----

void CaptureWriter::Write(const CaptureRecord& record) {
  if (!status_.ok()) return;
  frame_.clear();
  if (offset_ == 0) frame_.append(kMagic);
  const size_t start = frame_.size();
  const uint64_t offset = offset_ + start;
  frame_.append(kLengthAndType + kCheckSize, '\0');
  const size_t payload = frame_.size();
  AppendPayload(record, &frame_);
  const size_t length = frame_.size() - payload;
  if (length > kMaxFrame) {
    status_ = ErrnoError(EMSGSIZE, "capture record");
    return;
  }
  frame_.append(Align(length) - length, '\0');
  const auto length32 = static_cast<uint32_t>(length);
  const auto type = static_cast<uint16_t>(record.type);
  std::memcpy(frame_.data() + start, &length32, sizeof(length32));
  std::memcpy(frame_.data() + start + sizeof(length32), &type, sizeof(type));
  if (record.type == CaptureType::kTable) table_ = offset;
  const Bytes whole = AsBytes(frame_);
  const uint32_t check = CheckOf(offset, BelongsToTable(type) ? table_ : 0,
                                 whole.subspan(start, kLengthAndType), whole.subspan(payload));
  std::memcpy(frame_.data() + start + kLengthAndType, &check, sizeof(check));
  offset_ += frame_.size();
  status_ = sink_(AsBytes(frame_));
}

absl::Status CaptureWriter::Finish() {
  Write({.type = CaptureType::kFinish});
  return status_;
}

// ---- Reader ----

struct CaptureReader::Frame {
  uint64_t offset = 0;
  uint64_t end = 0;  // the offset of the next frame
  uint16_t type = 0;
  uint32_t check = 0;  // version 2
  Bytes head;          // length and type
  Bytes payload;
  Bytes rest;  // version 2: the payload with its padding
};

CaptureReader::CaptureReader(Bytes capture)
    : whole_(capture), offset_(kMagic.size()), search_left_(capture.size() + kMostSearched) {
  const std::string_view magic = AsText(capture.first(std::min(capture.size(), kMagic.size())));
  if (magic == kMagic) version_ = 2;
  if (magic == kMagic1) version_ = 1;
  if (version_ != 0) return;
  offset_ = 0;
  Damage(0, "this is no capture: it does not begin with \"netdiag2\"");
  ended_ = true;
}

CaptureReader CaptureReader::Afresh() const {
  CaptureReader copy = *this;
  if (version_ != 0) copy.status_ = absl::OkStatus();
  return copy;
}

void CaptureReader::Damage(uint64_t offset, std::string_view detail) {
  if (!status_.ok()) return;
  std::string text("at byte ");
  text += std::to_string(offset);
  text += ": ";
  text += detail;
  status_ = DamagedData("capture", text);
}

// Finds a frame by its length. False if it does not end within the capture.
bool CaptureReader::FrameAt(uint64_t offset, Frame* frame) const {
  const size_t header = kLengthAndType + (version_ == 2 ? kCheckSize : 0);
  const auto length = Load<uint32_t>(whole_, offset);
  Bytes whole;
  if (!length || *length > kMaxFrame || !Extract(whole_, offset, header + *length, &whole)) {
    return false;
  }
  // The last frame of version 1 may lack its padding.
  if (version_ == 2 && !Extract(whole_, offset + header, Align(*length), &frame->rest)) {
    return false;
  }
  frame->offset = offset;
  frame->end = offset + header + Align(*length);
  frame->head = whole.first(kLengthAndType);
  frame->type = *Load<uint16_t>(whole, sizeof(uint32_t));
  if (version_ == 2) frame->check = *Load<uint32_t>(whole, kLengthAndType);
  frame->payload = whole.subspan(header);
  return true;
}

bool CaptureReader::IsSound(const Frame& frame) const {
  if (version_ == 1) return true;
  if (verified_ != nullptr) {
    return !std::ranges::binary_search(*verified_, frame.offset, {}, &Gaps::value_type::first);
  }
  return frame.check ==
         CheckOf(frame.offset, BelongsToTable(frame.type) ? table_ : 0, frame.head, frame.rest);
}

// The offset of the next sound frame of a known type behind the damage at `offset`.
uint64_t CaptureReader::EndOfGap(uint64_t offset) {
  if (verified_ != nullptr) {
    const auto gap = std::ranges::lower_bound(*verified_, offset, {}, &Gaps::value_type::first);
    return gap->second;
  }
  Frame frame;
  for (offset += sizeof(uint32_t); offset < whole_.size(); offset += sizeof(uint32_t)) {
    if (!FrameAt(offset, &frame) || !KnownType(frame.type, version_)) continue;
    if (Load<uint16_t>(frame.head, sizeof(uint32_t) + sizeof(uint16_t)) != 0) continue;
    if (frame.rest.size() > search_left_) break;
    search_left_ -= frame.rest.size();
    if (IsSound(frame)) return offset;
  }
  return whole_.size();
}

// Finds the next sound frame. False at the end.
bool CaptureReader::NextFrame(Frame* frame) {
  while (!ended_ && offset_ < whole_.size()) {
    const uint64_t at = offset_;
    const bool fits = FrameAt(at, frame);
    if (fits && IsSound(*frame)) {
      offset_ = frame->end;
      return true;
    }
    Damage(at, fits ? "the record does not match its check"
                    : "the record is longer than 1 MiB or than the rest of the capture");
    ended_ = version_ == 1;
    if (!ended_) offset_ = EndOfGap(at);
  }
  if (!std::exchange(ended_, true) && version_ == 2 && !finished_) {
    Damage(offset_, "the capture was cut off: its last record is missing");
  }
  return false;
}

bool CaptureReader::Next(CaptureRecord* record) {
  for (Frame frame; NextFrame(&frame);) {
    const bool begins_table = frame.type == static_cast<uint16_t>(CaptureType::kTable);
    if (begins_table) table_ = frame.offset;
    if (finished_) Damage(frame.offset, "a record follows the last one");
    if (!KnownType(frame.type, version_)) continue;
    const bool parsed = ParsePayload(frame.type, frame.payload, record);
    if (begins_table) no_table_ = !parsed;
    if (no_table_ && BelongsToTable(frame.type)) continue;
    if (!parsed) {
      Damage(frame.offset, "the record contradicts its type");
      ended_ = version_ == 1;
      continue;
    }
    finished_ |= record->type == CaptureType::kFinish;
    return true;
  }
  return false;
}

void CaptureReader::Verify() {
  CaptureReader scan = Afresh();
  auto gaps = std::make_shared<Gaps>();
  uint64_t at = scan.offset_;
  for (Frame frame; scan.NextFrame(&frame); at = scan.offset_) {
    if (frame.offset != at) gaps->emplace_back(at, frame.offset);
    if (frame.type == static_cast<uint16_t>(CaptureType::kTable)) scan.table_ = frame.offset;
  }
  if (at < whole_.size()) gaps->emplace_back(at, whole_.size());
  verified_ = std::move(gaps);
}

}  // namespace netdiag
