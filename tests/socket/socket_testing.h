// tests/socket/socket_testing.h — messages that end where mapped memory ends, and the rule of
// sizes: whatever length an attribute claims, a field is read iff it is there, and never beyond.

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

// 1, 2, 3, …: no two bytes of a field are equal, so that a byte order that is wrong shows.
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

// `fixed` and one attribute without its padding, so that the payload's end is the message's.
inline Packet WithAttribute(const Packet& fixed, uint16_t type, const Packet& payload) {
  const uint16_t header[2] = {static_cast<uint16_t>(4 + payload.size()), type};
  return Join({fixed, RawBytes(header), payload});
}

// What an accessor gives for one attribute, as text; nullopt: it says that there is none.
template <class View>
struct AttributeCase {
  const char* name;
  uint16_t type;
  size_t minimum;  // the shortest payload that the accessor reads
  size_t exact;    // what the kernel sends
  std::function<std::optional<std::string>(const View&)> read;
  const char* expected;  // of the payload 1, 2, 3, …
};

template <class T>
std::optional<std::string> Hex(std::optional<T> value) {
  if (!value) return std::nullopt;
  char text[32];
  std::snprintf(text, sizeof(text), "%llx", static_cast<unsigned long long>(*value));
  return text;
}

template <class View>
void ExpectReadsWhatIsThere(const AttributeCase<View>& row, const Packet& fixed) {
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
  // Absent: the message ends after its fixed part.
  const GuardedBuffer bare(fixed);
  EXPECT_EQ(row.read(*View::Parse(bare.bytes())), std::nullopt) << row.name;
}

// The rules that hold for the attributes of either view. `known` is a type that it knows.
template <class View>
void ExpectSkipsAndCountsUnknown(const Packet& fixed, uint16_t first_unknown) {
  const Packet payload = Pattern(5);
  const GuardedBuffer message(Join({fixed, Attribute(first_unknown, payload),
                                    Attribute(0x3fff, payload), Attribute(0xc000 | 200, {})}));
  const std::optional<View> view = View::Parse(message.bytes());
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->unknown_attributes(), 3);
  EXPECT_FALSE(view->malformed());
  // They can be walked with attributes().
  netlink::AttrCursor cursor(view->attributes());
  std::vector<uint16_t> types;
  for (netlink::Attr attribute; cursor.Next(&attribute);) types.push_back(attribute.type());
  EXPECT_EQ(types, (std::vector<uint16_t>{first_unknown, 0x3fff, 200}));

  // More than the counter holds: it stays at its highest value.
  Packet many(fixed);
  const Packet empty = Attribute(first_unknown, {});
  for (int i = 0; i < 65536 + 10; ++i) many.insert(many.end(), empty.begin(), empty.end());
  EXPECT_EQ(View::Parse(many)->unknown_attributes(), UINT16_MAX);
}

// Every cut of a message: too short is nullopt, and attributes before the cut stay readable.
template <class View>
void ExpectEveryCutIsSafe(const Packet& message, void (*touch)(const View&)) {
  for (size_t size = 0; size <= message.size(); ++size) {
    const GuardedBuffer cut(Bytes(message).first(size));
    const std::optional<View> view = View::Parse(cut.bytes());
    EXPECT_EQ(view.has_value(), size >= View::kFixedSize) << size;
    if (view) touch(*view);
  }
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_SOCKET_SOCKET_TESTING_H_
