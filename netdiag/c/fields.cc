// The field table, and versions. Tested by tests/c/netdiag_test.cc.

#include "netdiag/fields.h"

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/c/border.h"
#include "netdiag/c/netdiag.h"
#include "netdiag/c/query.h"
#include "netdiag/field_words.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "netdiag/version.h"

namespace netdiag::c {
namespace {

const char* UnitName(Unit unit) {
  switch (unit) {
    case Unit::kNone:
      return "";
    case Unit::kBytes:
      return "bytes";
    case Unit::kPackets:
      return "packets";
    case Unit::kMilliseconds:
      return "ms";
    case Unit::kMicroseconds:
      return "us";
    case Unit::kBytesPerSecond:
      return "bytes_per_second";
    case Unit::k256ths:
      return "256ths";
  }
  return "";
}

const char* MeaningName(Meaning meaning) {
  switch (meaning) {
    case Meaning::kCounter:
      return "counter";
    case Meaning::kGauge:
      return "gauge";
    case Meaning::kEnum:
      return "enum";
    case Meaning::kFlag:
      return "flag";
    case Meaning::kText:
      return "text";
    case Meaning::kIdentity:
      return "identity";
  }
  return "";
}

int TypeOf(ValueType type) {
  switch (type) {
    case ValueType::kNumber:
      return NETDIAG_NUMBER;
    case ValueType::kFlag:
      return NETDIAG_FLAG;
    case ValueType::kText:
      return NETDIAG_TEXT;
    case ValueType::kAddress:
      return NETDIAG_ADDRESS;
  }
  return NETDIAG_ABSENT;
}

// "group.name" of each field.
const std::vector<std::string>& FullNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> made;
    for (const Field& field : AllFields()) {
      std::string name(Name(field.group));
      if (!name.empty()) name += '.';
      made.push_back(name.append(field.name));
    }
    return made;
  }();
  return names;
}

bool IsField(int id) { return id >= 0 && static_cast<size_t>(id) < AllFields().size(); }

absl::StatusOr<int> Describe(int id, netdiag_field* out) {
  if (!IsField(id)) return ErrnoError(ENOENT, "field " + std::to_string(id));
  const Field& field = AllFields()[static_cast<size_t>(id)];
  const netdiag_field described = {.size = sizeof(described),
                                   .name = FullNames()[static_cast<size_t>(id)].c_str(),
                                   .unit = UnitName(field.unit),
                                   .meaning = MeaningName(field.meaning),
                                   .type = TypeOf(field.get.type),
                                   .is_list = IsList(field.group) ? 1 : 0};
  NETDIAG_RETURN_IF_ERROR(WriteResult(described, out));
  return 0;
}

absl::StatusOr<int> Find(const char* name) {
  if (name == nullptr) return ErrnoError(EINVAL, "field", "its name is null");
  const Field* const field = FindFieldByWord(name);
  if (field != nullptr) return static_cast<int>(field - AllFields().data());
  return ErrnoError(ENOENT, std::string("field ") + name, "there is none" + Suggestion(name));
}

}  // namespace
}  // namespace netdiag::c

extern "C" {

int netdiag_c_version(void) { return NETDIAG_C_VERSION; }

const char* netdiag_version(void) { return NETDIAG_VERSION_STRING; }

int netdiag_field_count(void) { return static_cast<int>(netdiag::AllFields().size()); }

int netdiag_field_find(const char* name, netdiag_error* error) {
  return netdiag::c::Guarded(error, [&] { return netdiag::c::Find(name); });
}

int netdiag_field_describe(int id, netdiag_field* field, netdiag_error* error) {
  return netdiag::c::Guarded(error, [&] { return netdiag::c::Describe(id, field); });
}

const char* netdiag_field_word(int id, uint64_t number) {
  if (!netdiag::c::IsField(id)) return nullptr;
  const netdiag::FieldWords* const words =
      netdiag::WordsOf(netdiag::AllFields()[static_cast<size_t>(id)]);
  if (words == nullptr) return nullptr;
  // Words are string literals, so a NUL follows.
  const std::string_view word = words->Word(number);
  return word.empty() ? nullptr : word.data();
}

}  // extern "C"
