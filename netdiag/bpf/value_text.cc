// Tested by tests/bpf/value_text_test.cc, against libbpf.

#include "netdiag/bpf/value_text.h"

#include <linux/btf.h>

#include <array>
#include <charconv>
#include <concepts>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

namespace netdiag::bpf {
namespace {

// Unions in unions can multiply a value, so its text is limited.
constexpr size_t kMaxText = size_t{1} << 20;

// A value in the value of the map.
struct Place {
  uint64_t at = 0;    // its first byte
  uint32_t bit = 0;   // in that byte; bit fields only
  uint32_t bits = 0;  // 0: no bit field
};

template <class Number>
void AppendNumber(Number number, std::string* out, int base = 10) {
  std::array<char, 32> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number, base);
  out->append(digits.data(), result.ptr);
}

void AppendHex(uint64_t number, std::string* out) {
  out->append("0x");
  AppendNumber(number, out, 16);
}

class Writer {
 public:
  Writer(const TypeTable& types, Bytes value, const ValueLayout& layout, std::string* out)
      : types_(types), value_(value), layout_(layout), out_(*out), start_(out->size()) {}

  bool Write(uint32_t id, std::string_view name, const Place& place, bool in_char_array = false);

 private:
  bool WriteScalar(const Type& type, const Place& place, bool in_char_array);
  bool WriteInteger(const Type& type, const Place& place, bool in_char_array);
  bool WriteEnumerator(const Type& type, const Place& place);
  bool WriteFloat(const Type& type, const Place& place);
  bool WriteMembers(const Type& type, const Place& place);
  bool WriteElements(const Type& type, const Place& place);

  // Reads an integer of up to 8 bytes, or a bit field. It is not sign-extended.
  std::optional<uint64_t> Read(const Place& place, uint32_t size) const;
  void Indent() {
    if (!layout_.oneline) out_.append(static_cast<size_t>(layout_.indent + depth_), '\t');
  }
  void Open(char bracket) {
    out_.push_back(bracket);
    if (!layout_.oneline) out_.push_back('\n');
    ++depth_;
  }
  void Close(char bracket) {
    --depth_;
    Indent();
    out_.push_back(bracket);
  }
  // Ends a value that is part of another one.
  void Separate() {
    if (depth_ == 0) return;
    out_.push_back(',');
    if (!layout_.oneline) out_.push_back('\n');
  }

  const TypeTable& types_;
  const Bytes value_;
  const ValueLayout& layout_;
  std::string& out_;
  const size_t start_;
  int depth_ = 0;
  bool in_array_ = false;  // the type of each element has been written once
};

std::optional<uint64_t> Writer::Read(const Place& place, uint32_t size) const {
  const uint64_t used = place.bits == 0 ? size : (uint64_t{place.bit} + place.bits + 7) / 8;
  if (place.bits > 64 || used > 9 || (place.bits == 0 && used > 8)) return std::nullopt;
  if (place.at > value_.size() || value_.size() - place.at < used) return std::nullopt;
  uint64_t low = 0;
  uint8_t high = 0;  // the ninth byte
  std::memcpy(&low, value_.data() + place.at, std::min<uint64_t>(used, 8));
  if (used == 9) std::memcpy(&high, value_.data() + place.at + 8, 1);
  if (place.bits == 0) return low;
  uint64_t number = low >> place.bit;
  if (place.bit > 0) number |= uint64_t{high} << (64 - place.bit);
  return place.bits == 64 ? number : number & ((uint64_t{1} << place.bits) - 1);
}

// A number of `size` bytes with its sign.
int64_t Signed(uint64_t number, uint32_t size) {
  const uint32_t unused = 64 - 8 * size;
  return static_cast<int64_t>(number << unused) >> unused;
}

bool Writer::WriteInteger(const Type& type, const Place& place, bool in_char_array) {
  if (type.size == 16 && place.bits == 0) {
    const auto low = Read(place, 8), high = Read({.at = place.at + 8}, 8);
    if (!low || !high) return false;
    AppendHex(*high == 0 ? *low : *high, &out_);
    if (*high == 0) return true;
    std::string digits;
    AppendNumber(*low, &digits, 16);
    out_.append(16 - digits.size(), '0').append(digits);
    return true;
  }
  if (type.size != 1 && type.size != 2 && type.size != 4 && type.size != 8) return false;
  const std::optional<uint64_t> number = Read(place, type.size);
  if (!number) return false;
  const bool is_signed = (BTF_INT_ENCODING(NumberAt(type.rest, 0, 0, 0)) & BTF_INT_SIGNED) != 0;
  if (place.bits != 0) {
    AppendHex(*number, &out_);
  } else if (in_char_array && *number == 0) {
    out_.append("'\\0'");
  } else if (in_char_array && *number >= 0x20 && *number < 0x7F) {
    out_.append({'\'', static_cast<char>(*number), '\''});
  } else if (is_signed) {
    AppendNumber(Signed(*number, type.size), &out_);
  } else {
    AppendNumber(*number, &out_);
  }
  return true;
}

bool Writer::WriteEnumerator(const Type& type, const Place& place) {
  if (type.size != 1 && type.size != 2 && type.size != 4 && type.size != 8) return false;
  const std::optional<uint64_t> read = Read(place, type.size);
  if (!read) return false;
  const bool is_wide = type.kind == BTF_KIND_ENUM64;
  const uint64_t number =
      type.flag && place.bits == 0 ? static_cast<uint64_t>(Signed(*read, type.size)) : *read;
  for (uint32_t i = 0; i < type.count; ++i) {
    const size_t stride = is_wide ? sizeof(btf_enum64) : sizeof(btf_enum);
    uint64_t each = NumberAt(type.rest, i, stride, sizeof(uint32_t));
    if (is_wide) {
      each |= uint64_t{NumberAt(type.rest, i, stride, 2 * sizeof(uint32_t))} << 32;
    } else if (type.flag) {
      each = static_cast<uint64_t>(Signed(each, 4));
    }
    if (each != number) continue;
    out_.append(types_.Name(NumberAt(type.rest, i, stride, 0)));
    return true;
  }
  if (type.flag) {
    AppendNumber(static_cast<int64_t>(number), &out_);
  } else {
    AppendNumber(number, &out_);
  }
  if (is_wide) out_.append(type.flag ? "LL" : "ULL");
  return true;
}

template <std::floating_point Float>
bool AppendFloat(Bytes bytes, std::string* out) {
  Float number = 0;
  std::memcpy(&number, bytes.data(), sizeof(number));
  std::array<char, std::numeric_limits<Float>::max_exponent10 + 16> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number,
                                    std::chars_format::fixed, 6);
  if (result.ec != std::errc()) return false;
  out->append(digits.data(), result.ptr);
  return true;
}

bool Writer::WriteFloat(const Type& type, const Place& place) {
  if (place.at > value_.size() || value_.size() - place.at < type.size) return false;
  const Bytes bytes = value_.subspan(place.at, type.size);
  if (type.size == sizeof(float)) return AppendFloat<float>(bytes, &out_);
  return type.size == sizeof(double) && AppendFloat<double>(bytes, &out_);
}

bool Writer::WriteMembers(const Type& type, const Place& place) {
  Open('{');
  for (uint32_t i = 0; i < type.count; ++i) {
    const auto field = [&](size_t offset) {
      return NumberAt(type.rest, i, sizeof(btf_member), offset);
    };
    const uint32_t offset = field(offsetof(btf_member, offset));
    const uint32_t first = type.flag ? BTF_MEMBER_BIT_OFFSET(offset) : offset;
    const Place member = {.at = place.at + first / 8,
                          .bit = first % 8,
                          .bits = type.flag ? BTF_MEMBER_BITFIELD_SIZE(offset) : 0};
    const std::string_view name = types_.Name(field(offsetof(btf_member, name_off)));
    if (!Write(field(offsetof(btf_member, type)), name, member)) return false;
  }
  Close('}');
  return true;
}

bool Writer::WriteElements(const Type& type, const Place& place) {
  const uint32_t id = NumberAt(type.rest, 0, 0, offsetof(btf_array, type));
  const uint32_t count = NumberAt(type.rest, 0, 0, offsetof(btf_array, nelems));
  const std::optional<uint32_t> size = types_.SizeOf(id);
  const std::optional<Type> element = types_.Resolve(id);
  if (!size || *size == 0 || !element) return false;
  const bool is_text = element->kind == BTF_KIND_INT && *size == 1;
  Open('[');
  const bool was_in_array = std::exchange(in_array_, true);
  for (uint64_t i = 0; i < count; ++i) {
    const Place each = {.at = place.at + i * *size};
    if (!Write(id, {}, each, is_text)) return false;
    if (is_text && value_[each.at] == std::byte{0}) break;  // the rest of a string is not shown
  }
  in_array_ = was_in_array;
  Close(']');
  return true;
}

bool Writer::WriteScalar(const Type& type, const Place& place, bool in_char_array) {
  switch (type.kind) {
    case BTF_KIND_INT:
      return WriteInteger(type, place, in_char_array);
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return WriteEnumerator(type, place);
    case BTF_KIND_FLOAT:
      return WriteFloat(type, place);
    case BTF_KIND_PTR: {
      const std::optional<uint64_t> pointer = Read({.at = place.at}, sizeof(uint64_t));
      if (!pointer) return false;
      if (*pointer == 0) {
        out_.append("(nil)");
      } else {
        AppendHex(*pointer, &out_);
      }
      return true;
    }
    default:
      return false;  // has no values, or is a section of a program
  }
}

bool Writer::Write(uint32_t id, std::string_view name, const Place& place, bool in_char_array) {
  const std::optional<Type> type = types_.Resolve(id);
  if (!type || depth_ >= TypeTable::kMaxDepth || out_.size() - start_ > kMaxText) return false;
  Indent();
  if (!name.empty()) out_.append(".").append(name).append(" = ");
  if (!in_array_) {
    out_.push_back('(');
    if (!types_.AppendTo(id, &out_)) return false;
    out_.push_back(')');
  }
  bool ok = false;
  switch (type->kind) {
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      ok = WriteMembers(*type, place);
      break;
    case BTF_KIND_ARRAY:
      ok = WriteElements(*type, place);
      break;
    default:
      ok = WriteScalar(*type, place, in_char_array);
      break;
  }
  if (ok) Separate();
  return ok;
}

}  // namespace

bool AppendValue(const TypeTable& types, uint32_t id, Bytes value, const ValueLayout& layout,
                 std::string* out) {
  const std::optional<uint32_t> size = types.SizeOf(id);
  return size && *size <= value.size() && Writer(types, value, layout, out).Write(id, {}, {});
}

}  // namespace netdiag::bpf
