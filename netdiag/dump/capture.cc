// Tested by tests/dump/capture_test.cc, fuzzed by tests/fuzz/capture_fuzz.cc.

#include "netdiag/dump/capture.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <string>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using netlink::Align;
using netlink::Extract;
using netlink::Load;

constexpr std::string_view kMagic = "netdiag1";
constexpr size_t kFrameHeader = 8;
constexpr size_t kMaxFrame = 1 << 20;

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
static_assert(sizeof(HostPart) == 8 && sizeof(TablePart) == 16 && sizeof(OwnerPart) == 24);

using Nanoseconds = std::chrono::nanoseconds;

void AppendPayload(const CaptureRecord& record, std::string* out) {
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
    case CaptureType::kNetns:
      out->append(record.name);
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

// Fills `record` from a frame's payload. False if the payload is too short or a value is
// impossible.
bool ParsePayload(uint16_t type, Bytes payload, CaptureRecord* record) {
  *record = CaptureRecord();
  record->type = static_cast<CaptureType>(type);
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
    case CaptureType::kNetns:
      record->name = AsText(payload);
      return true;
  }
  return false;
}

bool KnownType(uint16_t type) {
  return type >= static_cast<uint16_t>(CaptureType::kHost) &&
         type <= static_cast<uint16_t>(CaptureType::kNetns);
}

}  // namespace

void CaptureWriter::Write(const CaptureRecord& record) {
  if (!status_.ok()) return;
  frame_.clear();
  if (!begun_) frame_.append(kMagic);
  begun_ = true;
  const size_t header = frame_.size();
  frame_.append(kFrameHeader, '\0');
  AppendPayload(record, &frame_);
  const size_t length = frame_.size() - header - kFrameHeader;
  if (length > kMaxFrame) {
    status_ = ErrnoError(EMSGSIZE, "capture record");
    return;
  }
  const auto length32 = static_cast<uint32_t>(length);
  const auto type = static_cast<uint16_t>(record.type);
  std::memcpy(frame_.data() + header, &length32, sizeof(length32));
  std::memcpy(frame_.data() + header + sizeof(length32), &type, sizeof(type));
  frame_.append(Align(length) - length, '\0');
  status_ = sink_(AsBytes(frame_));
}

CaptureReader::CaptureReader(Bytes capture) : whole_(capture), offset_(kMagic.size()) {
  Bytes magic;
  if (!Extract(capture, 0, kMagic.size(), &magic) || AsText(magic) != kMagic) {
    Fail("does not begin with \"netdiag1\"");
  }
}

bool CaptureReader::Fail(std::string_view detail) {
  std::string text("at byte ");
  text += std::to_string(offset_);
  text += ": ";
  text += detail;
  status_ = DamagedData("capture", text);
  return false;
}

bool CaptureReader::Next(CaptureRecord* record) {
  while (status_.ok() && offset_ < whole_.size()) {
    const auto length = Load<uint32_t>(whole_, offset_);
    const auto type = Load<uint16_t>(whole_, offset_ + sizeof(uint32_t));
    Bytes payload;
    if (length && *length > kMaxFrame) return Fail("the record is longer than 1 MiB");
    if (!length || !type || !Extract(whole_, offset_ + kFrameHeader, *length, &payload)) {
      return Fail("the record does not end within the capture");
    }
    if (KnownType(*type) && !ParsePayload(*type, payload, record)) {
      return Fail("the record contradicts its type");
    }
    offset_ += kFrameHeader + Align(*length);
    if (KnownType(*type)) return true;
  }
  return false;
}

}  // namespace netdiag
