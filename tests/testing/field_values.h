// tests/testing/field_values.h — the values of a row by the names of their fields, and structs
// whose fields all have different values.

#ifndef NETDIAG_TESTS_TESTING_FIELD_VALUES_H_
#define NETDIAG_TESTS_TESTING_FIELD_VALUES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>

#include <gtest/gtest.h>

#include "netdiag/fields.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"
#include "tests/testing/fake_kernel.h"

namespace netdiag::testing {

inline std::string Key(const Field& field) {
  return field.group == FieldGroup::kSocket
             ? std::string(field.name)
             : std::string(Name(field.group)) + "." + std::string(field.name);
}

inline std::string TextOf(const FieldValue& value) {
  std::string out;
  if (const auto* number = std::get_if<uint64_t>(&value)) out = std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value)) out = *flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string_view>(&value)) out = *text;
  if (const auto* address = std::get_if<IpAddress>(&value)) address->AppendTo(&out);
  return out;
}

// The values of all fields of a row that are present, by "group.name". Of lists, the value `i`.
inline std::map<std::string, std::string> ValuesOf(const Row& row, size_t i = 0) {
  std::map<std::string, std::string> values;
  FieldReader reader(row);
  for (const Field& field : AllFields()) {
    const FieldValue value = field.get(row, i);
    if (!IsList(field.group)) {
      EXPECT_EQ(TextOf(reader.Get(field.get)), TextOf(value)) << Key(field);
    }
    if (IsAbsent(value)) continue;
    values[Key(field)] = TextOf(value);
  }
  return values;
}

// True for a field that only rows of SCTP or DCCP have.
inline bool IsOfSctpOrDccp(const Field& field) {
  return field.group == FieldGroup::kSctpInfo || field.group == FieldGroup::kDccpInfo ||
         field.group == FieldGroup::kLocal || field.group == FieldGroup::kPeer ||
         field.name == "association";
}

// A struct whose byte N is N+1, so that no two fields have the same value.
inline Packet Pattern(size_t size) {
  Packet bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i % 251 + 1);
  return bytes;
}

// The value of a field of the pattern.
inline uint64_t PatternValue(size_t offset, size_t width) {
  uint64_t value = 0;
  for (size_t i = width; i-- > 0;) value = value << 8 | ((offset + i) % 251 + 1);
  return value;
}

// Adds the values of a struct that is a pattern.
template <class Struct>
void ExpectPattern(std::string_view group, std::map<std::string, std::string>* expected) {
  for (const StructField& field : Struct::fields()) {
    uint64_t value = PatternValue(field.offset, field.width);
    if (field.bits != 0) value = (value >> field.shift) & ((1u << field.bits) - 1);
    std::string text = std::to_string(value);
    if (field.meaning == Meaning::kFlag) text = value != 0 ? "true" : "false";
    (*expected)[std::string(group) + "." + std::string(field.name)] = text;
  }
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_FIELD_VALUES_H_
