// tests/socket/socket_testing.h — messages that end where mapped memory ends, and the checks that
// all views share: whatever length an attribute claims, a field is read only if its bytes are
// there.

#ifndef NETDIAG_TESTS_SOCKET_SOCKET_TESTING_H_
#define NETDIAG_TESTS_SOCKET_SOCKET_TESTING_H_

#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/types/types.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/guarded_buffer.h"

namespace netdiag::testing {

// The bytes 1, 2, 3, …: all bytes of a field differ, so that a wrong byte order is visible.
inline Packet Pattern(size_t size) {
  Packet bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i + 1);
  return bytes;
}

template <class T>
Packet RawBytes(const T& value) {
  Packet bytes(sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

// `fixed` and one attribute without padding, so that the message ends with its payload.
inline Packet WithAttribute(const Packet& fixed, uint16_t type, const Packet& payload) {
  const uint16_t header[2] = {static_cast<uint16_t>(4 + payload.size()), type};
  return Join({fixed, RawBytes(header), payload});
}

// An accessor for one attribute and its expected result as text; nullopt means absent.
template <class View>
struct AttributeCase {
  const char* name;
  uint16_t type;
  size_t minimum;  // the shortest payload that the accessor reads
  size_t exact;    // what the kernel sends
  std::function<std::optional<std::string>(const View&)> read;
  const char* expected;  // for the payload 1, 2, 3, …
};

template <class T>
std::optional<std::string> Hex(std::optional<T> value) {
  if (!value) return std::nullopt;
  char text[32];
  std::snprintf(text, sizeof(text), "%llx", static_cast<unsigned long long>(*value));
  return text;
}

template <class View>
void ExpectReadsIfPresent(const AttributeCase<View>& row, const Packet& fixed) {
  for (const size_t size :
       std::set<size_t>{0, row.minimum - 1, row.minimum, row.exact, row.exact + 4}) {
    SCOPED_TRACE(std::string(row.name) + " of " + std::to_string(size) + " bytes");
    const GuardedBuffer message(WithAttribute(fixed, row.type, Pattern(size)));
    const std::optional<View> view = View::Parse(message.bytes());
    ASSERT_TRUE(view.has_value());
    EXPECT_FALSE(view->malformed());
    EXPECT_EQ(view->unknown_attributes(), 0);
    const std::optional<std::string> value = row.read(*view);
    if (size < row.minimum) {
      EXPECT_EQ(value, std::nullopt);
    } else {
      EXPECT_EQ(value, row.expected);
    }
  }
  // The attribute is absent: the message ends after its fixed part.
  const GuardedBuffer bare(fixed);
  EXPECT_EQ(row.read(*View::Parse(bare.bytes())), std::nullopt) << row.name;
}

// Unknown attributes are skipped and counted. `first_unknown` is the lowest unknown type.
template <class View>
void ExpectSkipsAndCountsUnknown(const Packet& fixed, uint16_t first_unknown) {
  const Packet payload = Pattern(5);
  const GuardedBuffer message(Join({fixed, Attribute(first_unknown, payload),
                                    Attribute(0x3fff, payload), Attribute(0xc000 | 200, {})}));
  const std::optional<View> view = View::Parse(message.bytes());
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->unknown_attributes(), 3);
  EXPECT_FALSE(view->malformed());
  // attributes() contains them.
  netlink::AttrCursor cursor(view->attributes());
  std::vector<uint16_t> types;
  for (netlink::Attr attribute; cursor.Next(&attribute);) types.push_back(attribute.type());
  EXPECT_EQ(types, (std::vector<uint16_t>{first_unknown, 0x3fff, 200}));

  // The counter stops at its highest value.
  Packet many(fixed);
  const Packet empty = Attribute(first_unknown, {});
  for (int i = 0; i < 65536 + 10; ++i) many.insert(many.end(), empty.begin(), empty.end());
  EXPECT_EQ(View::Parse(many)->unknown_attributes(), UINT16_MAX);
}

// Truncates a message to every length. Parse() fails if it is shorter than the fixed part; `touch`
// reads the attributes that are left.
template <class View>
void ExpectEveryTruncationIsSafe(const Packet& message, void (*touch)(const View&)) {
  for (size_t size = 0; size <= message.size(); ++size) {
    SCOPED_TRACE(std::to_string(size) + " bytes");
    const GuardedBuffer cut(Bytes(message).first(size));
    const std::optional<View> view = View::Parse(cut.bytes());
    EXPECT_EQ(view.has_value(), size >= View::kFixedSize);
    if (view) touch(*view);
  }
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_SOCKET_SOCKET_TESTING_H_
