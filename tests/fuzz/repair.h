// tests/fuzz/repair.h — gives the records of a damaged capture right checks. A fuzzer cannot guess
// a CRC-32, so without this it would hardly reach what reads the records.

#ifndef NETDIAG_TESTS_FUZZ_REPAIR_H_
#define NETDIAG_TESTS_FUZZ_REPAIR_H_

#include <array>
#include <cstring>
#include <string>
#include <zlib.h>

#include "netdiag/dump/capture.h"

namespace netdiag::fuzz {

// Returns `capture` with the check of each record that fits computed anew, up to the first that
// does not. Docs/capture.md has the format.
inline std::string Repair(std::string capture) {
  if (!capture.starts_with("netdiag2")) return capture;
  uint64_t table = 0;
  for (uint64_t offset = 8; capture.size() - offset >= 12;) {
    uint32_t length = 0;
    uint16_t type = 0;
    std::memcpy(&length, &capture[offset], sizeof(length));
    std::memcpy(&type, &capture[offset + 4], sizeof(type));
    const uint64_t rest = (uint64_t{length} + 3) / 4 * 4;
    if (rest > capture.size() - offset - 12) break;
    const auto known = static_cast<CaptureType>(type);
    if (known == CaptureType::kTable) table = offset;
    const bool of_table = known == CaptureType::kDatagram || known == CaptureType::kEnd ||
                          known == CaptureType::kNetns;
    const std::array<uint64_t, 2> places = {offset, of_table ? table : 0};
    uLong check = crc32_z(0, reinterpret_cast<const Bytef*>(places.data()), sizeof(places));
    const auto* const frame = reinterpret_cast<const Bytef*>(&capture[offset]);
    check = crc32_z(check, frame, 8);
    check = crc32_z(check, frame + 12, rest);
    const auto check32 = static_cast<uint32_t>(check);
    std::memcpy(&capture[offset + 8], &check32, sizeof(check32));
    offset += 12 + rest;
  }
  return capture;
}

}  // namespace netdiag::fuzz

#endif  // NETDIAG_TESTS_FUZZ_REPAIR_H_
