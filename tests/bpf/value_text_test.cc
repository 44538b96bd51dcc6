// Values of BPF maps as text, against libbpf, which ss uses.

#include "netdiag/bpf/value_text.h"

#include <linux/btf.h>

#include <bpf/btf.h>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/bpf/type_table.h"

namespace netdiag::bpf {
namespace {

void Collect(void* out, const char* format, va_list arguments) {
  char text[512];
  std::vsnprintf(text, sizeof(text), format, arguments);
  static_cast<std::string*>(out)->append(text);
}

// Types made by libbpf.
class Types {
 public:
  Types() : btf_(btf__new_empty(), btf__free) {}
  btf* get() const { return btf_.get(); }
  std::vector<std::byte> Bytes() const {
    uint32_t size = 0;
    const auto* const raw = static_cast<const std::byte*>(btf__raw_data(btf_.get(), &size));
    return {raw, raw + size};
  }
  std::string ByLibbpf(uint32_t id, netdiag::Bytes value, const ValueLayout& layout) const {
    std::string text;
    const std::unique_ptr<btf_dump, void (*)(btf_dump*)> dump(
        btf_dump__new(btf_.get(), Collect, &text, nullptr), btf_dump__free);
    LIBBPF_OPTS(btf_dump_type_data_opts, options, .indent_level = layout.indent,
                .compact = layout.oneline, .emit_zeroes = true);
    const int size = btf_dump__dump_type_data(dump.get(), id, value.data(), value.size(), &options);
    return size < 0 ? "error" : text;
  }
  std::string ByUs(uint32_t id, netdiag::Bytes value, const ValueLayout& layout) const {
    const std::optional<TypeTable> table = TypeTable::Parse(Bytes());
    std::string text;
    if (!table || !AppendValue(*table, id, value, layout, &text)) return "error";
    return text;
  }

 private:
  std::unique_ptr<btf, void (*)(btf*)> btf_;
};

struct Member {
  const char* name;
  int type;
  uint32_t bit;  // where it begins
  uint32_t bits = 0;
};

// One value with every kind of member.
struct Sample {
  Types types;
  uint32_t id = 0;
  uint32_t size = 0;
  uint32_t texts_at = 0;

  int Struct(const char* name, uint32_t bytes, std::vector<Member> members) const {
    const int made = btf__add_struct(types.get(), name, bytes);
    for (const Member& each : members) {
      btf__add_field(types.get(), each.name, each.type, each.bit, each.bits);
    }
    return made;
  }

  Sample() {
    btf* const b = types.get();
    const int s8 = btf__add_int(b, "signed char", 1, BTF_INT_SIGNED);
    const int u8 = btf__add_int(b, "unsigned char", 1, 0);
    const int u16 = btf__add_int(b, "unsigned short", 2, 0);
    const int s16 = btf__add_int(b, "short", 2, BTF_INT_SIGNED);
    const int u32 = btf__add_int(b, "unsigned int", 4, 0);
    const int s32 = btf__add_int(b, "int", 4, BTF_INT_SIGNED);
    const int u64 = btf__add_int(b, "unsigned long", 8, 0);
    const int s64 = btf__add_int(b, "long", 8, BTF_INT_SIGNED);
    const int u128 = btf__add_int(b, "__int128", 16, 0);
    const int real = btf__add_float(b, "float", 4);
    const int twice = btf__add_float(b, "double", 8);
    const int named = btf__add_typedef(b, "count_t", u32);
    const int fixed = btf__add_const(b, btf__add_volatile(b, named));
    const int pointer = btf__add_ptr(b, btf__add_const(b, s8));
    const int constant = btf__add_const(b, pointer);
    const int pointers = btf__add_array(b, u32, constant, 2);
    const int row = btf__add_array(b, u32, u16, 3);
    const int matrix = btf__add_array(b, u32, row, 2);
    const int to_row = btf__add_ptr(b, row);
    const int function = btf__add_func_proto(b, s32);
    btf__add_func_param(b, "a", pointer);
    btf__add_func_param(b, "b", u64);
    const int to_function = btf__add_ptr(b, function);
    const int enumeration = btf__add_enum(b, "color", 4);
    btf__add_enum_value(b, "RED", 1);
    btf__add_enum_value(b, "GREEN", 0x04030201);
    const int wide = btf__add_enum64(b, "wide", 8, false);
    btf__add_enum64_value(b, "FAR", 0x1122334455667788);
    const int pair = Struct("pair", 8, {{"first", s16, 0}, {"second", u32, 32}});
    const int pairs = btf__add_array(b, u32, pair, 2);
    const int either = btf__add_union(b, nullptr, 8);
    btf__add_field(b, "number", u64, 0, 0);
    btf__add_field(b, "pair", pair, 0, 0);
    const int text = btf__add_array(b, u32, s8, 12);
    const int empty = Struct("empty", 0, {});
    std::vector<Member> members;
    const auto add = [&](const char* name, int type, uint32_t align, uint32_t bytes) {
      size = (size + align - 1) / align * align;
      members.push_back({name, type, size * 8});
      size += bytes;
    };
    // libbpf 1.1.2 takes single bytes behind a text for characters, so texts come last.
    add("u8", u8, 1, 1), add("s8", s8, 1, 1), add("u16", u16, 2, 2), add("s16", s16, 2, 2);
    add("named", named, 4, 4), add("fixed", fixed, 4, 4), add("s32", s32, 4, 4);
    add("u64", u64, 8, 8), add("s64", s64, 8, 8), add("u128", u128, 8, 16);
    add("real", real, 4, 4), add("twice", twice, 8, 8);
    add("pointer", pointer, 8, 8), add("pointers", pointers, 8, 16), add("to_row", to_row, 8, 8);
    add("to_function", to_function, 8, 8), add("matrix", matrix, 2, 12);
    add("enumeration", enumeration, 4, 4), add("wide", wide, 8, 8);
    add("pairs", pairs, 4, 16), add(nullptr, either, 8, 8), add("empty", empty, 1, 0);
    members.push_back({"low", u32, size * 8, 3});
    members.push_back({"high", u32, size * 8 + 3, 29});
    members.push_back({"color", enumeration, size * 8 + 32, 5});
    size += 8;
    texts_at = size;
    add("text", text, 1, 12), add("texts", btf__add_array(b, u32, text, 2), 1, 24);
    size = (size + 7) / 8 * 8;
    // Types have the ids of their order, so the struct comes after its members' types.
    id = static_cast<uint32_t>(Struct("sample", size, members));
  }
};

std::vector<std::byte> Filled(size_t size, unsigned seed) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) {
    // 0: zeros. 1: 1, 2, 3, 4. Others: any bytes.
    const size_t value = seed < 2 ? seed * (i % 4 + 1) : (i + seed) * (i * 2654435761U + seed) >> 7;
    bytes[i] = static_cast<std::byte>(value);
  }
  return bytes;
}

TEST(ValueText, IsThatOfLibbpf) {
  const Sample sample;
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::vector<std::byte> value = Filled(sample.size, seed);
    // libbpf 1.1.2 writes nothing for the NUL of a text, and loses the texts that follow.
    for (size_t i = sample.texts_at; i < value.size(); ++i) value[i] |= std::byte{1};
    for (const ValueLayout layout : {ValueLayout{}, {.oneline = true}, {.indent = 2}}) {
      const std::string text = sample.types.ByUs(sample.id, value, layout);
      EXPECT_EQ(text, sample.types.ByLibbpf(sample.id, value, layout)) << seed;
      EXPECT_NE(text, "error");
    }
  }
}

TEST(ValueText, ANumberBehindATextStaysANumber) {
  Types types;
  const int character = btf__add_int(types.get(), "char", 1, BTF_INT_SIGNED);
  const int text = btf__add_array(types.get(), character, character, 2);
  const int id = btf__add_struct(types.get(), "s", 4);
  btf__add_field(types.get(), "text", text, 0, 0);
  btf__add_field(types.get(), "a", character, 16, 0);
  btf__add_field(types.get(), "b", character, 24, 0);
  const std::array<std::byte, 4> value = {std::byte{'x'}, {}, std::byte{'A'}, {}};
  EXPECT_EQ(types.ByUs(static_cast<uint32_t>(id), value, {.oneline = true}),
            "(struct s){.text = (char[2])['x','\\0',],.a = (char)65,.b = (char)0,}");
}

TEST(ValueText, AValueThatIsTooShortIsAnError) {
  const Sample sample;
  for (size_t size = 0; size < sample.size; ++size) {
    EXPECT_EQ(sample.types.ByUs(sample.id, std::vector<std::byte>(size), {}), "error") << size;
  }
}

TEST(ValueText, UnknownTypesAndTypesWithoutValuesAreErrors) {
  Types types;
  const int forward = btf__add_fwd(types.get(), "f", BTF_FWD_STRUCT);
  const std::vector<std::byte> value(64);
  EXPECT_EQ(types.ByUs(static_cast<uint32_t>(forward), value, {}), "error");
  EXPECT_EQ(types.ByUs(0, value, {}), "error");
  EXPECT_EQ(types.ByUs(99, value, {}), "error");
}

TEST(ValueText, UnionsInUnionsDoNotExhaustMemory) {
  Types types;
  int id = btf__add_int(types.get(), "int", 4, BTF_INT_SIGNED);
  for (int depth = 0; depth < 20; ++depth) {
    const int next = btf__add_union(types.get(), "u", 4);
    for (int i = 0; i < 8; ++i) btf__add_field(types.get(), "m", id, 0, 0);
    id = next;
  }
  EXPECT_EQ(types.ByUs(static_cast<uint32_t>(id), std::vector<std::byte>(4), {}), "error");
}

// Every prefix and every changed byte of the types: no crash, no endless loop.
TEST(ValueText, DamagedTypesDoNoHarm) {
  const Sample sample;
  const std::vector<std::byte> good = sample.types.Bytes();
  const std::vector<std::byte> value = Filled(sample.size, 3);
  std::string text;
  const auto use = [&](std::vector<std::byte> bytes) {
    const std::optional<TypeTable> table = TypeTable::Parse(std::move(bytes));
    text.clear();
    if (table) AppendValue(*table, sample.id, value, {}, &text);
  };
  for (size_t size = 0; size < good.size(); ++size) {
    use({good.begin(), good.begin() + static_cast<ptrdiff_t>(size)});
  }
  for (size_t at = 0; at < good.size(); ++at) {
    for (const unsigned change : {1U, 2U, 0x80U, 0xFFU}) {
      std::vector<std::byte> bytes = good;
      bytes[at] ^= static_cast<std::byte>(change);
      use(std::move(bytes));
    }
  }
}

}  // namespace
}  // namespace netdiag::bpf
