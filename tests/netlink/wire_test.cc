// The cursors over messages and attributes, compared with libmnl on the same bytes. Every buffer
// ends where mapped memory ends.

#include "netdiag/netlink/wire.h"

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <random>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>

#include "netdiag/netlink/abi.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/guarded_buffer.h"
#include "tests/testing/rounds.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::netlink {
namespace {

using ::testing::ElementsAre;
using namespace netdiag::testing;  // NOLINT

struct Step {
  size_t offset;
  size_t length;
  uint16_t type;
  friend bool operator==(const Step&, const Step&) = default;
};
void PrintTo(const Step& step, std::ostream* out) {
  *out << "{" << step.offset << "+" << step.length << " type " << step.type << "}";
}

std::vector<Step> OurMessages(Bytes bytes) {
  std::vector<Step> steps;
  MessageCursor messages(bytes);
  for (Message message; messages.Next(&message);) {
    steps.push_back({static_cast<size_t>(message.whole().data() - bytes.data()),
                     message.whole().size(), message.type()});
  }
  return steps;
}

std::vector<Step> OurAttributes(Bytes bytes) {
  std::vector<Step> steps;
  AttrCursor attributes(bytes);
  for (Attr attribute; attributes.Next(&attribute);) {
    const std::byte* const payload = attribute.payload().data();
    steps.push_back({static_cast<size_t>(payload - bytes.data()) - kAttrHeaderSize,
                     attribute.payload().size() + kAttrHeaderSize, attribute.type()});
  }
  return steps;
}

// A copy for libmnl, which needs aligned bytes.
class MnlCopy {
 public:
  explicit MnlCopy(Bytes bytes)
      : words_(bytes.size() / 4 + 2), size_(static_cast<int>(bytes.size())) {
    if (!bytes.empty()) std::memcpy(words_.data(), bytes.data(), bytes.size());
  }
  std::vector<Step> Messages() const {
    std::vector<Step> steps;
    const nlmsghdr* header = reinterpret_cast<const nlmsghdr*>(words_.data());
    for (int left = size_; mnl_nlmsg_ok(header, left);) {
      if (header->nlmsg_len > INT_MAX)
        break;  // libmnl 1.0.4 takes it for a negative number and accepts it
      steps.push_back({Offset(header), header->nlmsg_len, header->nlmsg_type});
      if (static_cast<int>(MNL_ALIGN(header->nlmsg_len)) >= left) break;
      header = mnl_nlmsg_next(header, &left);
    }
    return steps;
  }
  std::vector<Step> Attributes() const {
    std::vector<Step> steps;
    const nlattr* attribute = reinterpret_cast<const nlattr*>(words_.data());
    for (int left = size_; mnl_attr_ok(attribute, left);) {
      steps.push_back({Offset(attribute), attribute->nla_len, mnl_attr_get_type(attribute)});
      left -= static_cast<int>(MNL_ALIGN(attribute->nla_len));
      if (left <= 0) break;
      attribute = mnl_attr_next(attribute);
    }
    return steps;
  }

 private:
  size_t Offset(const void* at) const {
    return static_cast<size_t>(static_cast<const char*>(at) -
                               reinterpret_cast<const char*>(words_.data()));
  }
  std::vector<uint32_t> words_;
  int size_;
};

class Generator {
 public:
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

  Packet Attributes(uint32_t count) {
    Packet all;
    for (uint32_t i = 0; i < count; ++i) {
      Packet payload(Below(20));
      for (std::byte& byte : payload) byte = static_cast<std::byte>(Below(256));
      all = Join({all, Attribute(static_cast<uint16_t>(Below(0x10000)), payload)});
    }
    return all;
  }
  Packet Messages(uint32_t count) {
    Packet all;
    for (uint32_t i = 0; i < count; ++i) {
      const Request request(static_cast<uint16_t>(Below(30)), 0, Attributes(Below(4)));
      const Bytes bytes = request;
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
  }
  // Changes some bytes, often to small values because lengths are small, and cuts the end.
  void Mutate(Packet* packet) {
    for (uint32_t i = Below(4); i > 0 && !packet->empty(); --i) {
      (*packet)[Below(static_cast<uint32_t>(packet->size()))] =
          static_cast<std::byte>(Below(2) == 0 ? Below(40) : Below(256));
    }
    if (Below(2) == 0)
      packet->resize(packet->size() - Below(static_cast<uint32_t>(packet->size()) + 1));
  }

 private:
  std::mt19937 random_{20240607};
};

TEST(Wire, MessagesEqualThoseOfLibmnl) {
  Generator generator;
  int damaged = 0;
  const int rounds = netdiag::testing::Rounds(20000);
  for (int round = 0; round < rounds; ++round) {
    Packet bytes = generator.Messages(generator.Below(6));
    if (round % 4 != 0) generator.Mutate(&bytes);
    const GuardedBuffer guarded(bytes);
    ASSERT_EQ(OurMessages(guarded.bytes()), MnlCopy(bytes).Messages()) << "round " << round;
    MessageCursor messages(guarded.bytes());
    for (Message message; messages.Next(&message);) message.errnum();
    damaged += messages.malformed();
    ASSERT_EQ(messages.malformed(), messages.trailing() != 0) << "round " << round;
  }
  EXPECT_GT(damaged, rounds / 20);
}

TEST(Wire, AttributesEqualThoseOfLibmnl) {
  Generator generator;
  int damaged = 0;
  const int rounds = netdiag::testing::Rounds(20000);
  for (int round = 0; round < rounds; ++round) {
    Packet bytes = generator.Attributes(generator.Below(8));
    if (round % 4 != 0) generator.Mutate(&bytes);
    const GuardedBuffer guarded(bytes);
    ASSERT_EQ(OurAttributes(guarded.bytes()), MnlCopy(bytes).Attributes()) << "round " << round;
    AttrCursor attributes(guarded.bytes());
    for (Attr attribute; attributes.Next(&attribute);) attribute.AsText();
    damaged += attributes.malformed();
  }
  EXPECT_GT(damaged, rounds / 20);
}

TEST(Wire, LastMessageMayLackItsPadding) {
  const Request request(20, 0, Text("12345678"));
  for (size_t stray = 0; stray < 4; ++stray) {
    const Bytes whole = request;
    const Packet packet = Unaligned(Packet(whole.begin(), whole.end()), stray);
    const GuardedBuffer guarded(packet);
    MessageCursor messages(guarded.bytes());
    Message message;
    SCOPED_TRACE(stray);
    ASSERT_TRUE(messages.Next(&message));
    EXPECT_EQ(message.payload().size(), 8 - stray);
    EXPECT_FALSE(messages.Next(&message));
    EXPECT_FALSE(messages.malformed());
  }
}

TEST(Wire, WrongLengthStopsTheCursor) {
  for (const uint32_t length : {0u, 15u, 25u, 0x7fffffffu, 0xffffffffu}) {
    const Request first(20, 0, Text("good")), second(20, 0, Text("12345678"));
    Packet bytes = Join({Packet(Bytes(first).begin(), Bytes(first).end()),
                         Packet(Bytes(second).begin(), Bytes(second).end())});
    std::memcpy(bytes.data() + 20, &length, sizeof(length));
    const GuardedBuffer guarded(bytes);
    EXPECT_EQ(OurMessages(guarded.bytes()).size(), 1u) << length;
    MessageCursor messages(guarded.bytes());
    for (Message message; messages.Next(&message);) {
    }
    EXPECT_TRUE(messages.malformed()) << length;
    EXPECT_EQ(messages.trailing(), 24u) << length;
  }
}

TEST(Wire, ErrnumIsTheNegatedFirstWordOfResults) {
  const Request request(20, 0);
  const auto errnum = [&](uint16_t type, Bytes payload) {
    const Packet packet = Reply(request, type, 0, payload);
    MessageCursor messages(packet);
    Message message;
    EXPECT_TRUE(messages.Next(&message));
    return message.errnum();
  };
  const auto word = [](const int32_t& value) { return std::as_bytes(std::span(&value, 1)); };
  EXPECT_EQ(errnum(kTypeDone, word(-2)), 2);
  EXPECT_EQ(errnum(kTypeError, word(-4095)), 4095);
  EXPECT_EQ(errnum(kTypeDone, word(0)), 0);
  EXPECT_EQ(errnum(kTypeDone, word(7)), 0);
  EXPECT_EQ(errnum(kTypeDone, word(INT32_MIN)), 0);
  EXPECT_EQ(errnum(kTypeError, word(0)), 0);
  EXPECT_EQ(errnum(kTypeError, word(7)), std::nullopt);
  EXPECT_EQ(errnum(kTypeError, word(-4096)), std::nullopt);
  EXPECT_EQ(errnum(kTypeDone, Text("abc")), std::nullopt);
  EXPECT_EQ(errnum(20, word(-2)), std::nullopt);
}

TEST(Wire, AsRequiresTheExactLength) {
  for (size_t size = 0; size <= 9; ++size) {
    const GuardedBuffer guarded(size);
    const Attr attribute(1, guarded.bytes());
    EXPECT_EQ(attribute.As<uint8_t>().has_value(), size == 1) << size;
    EXPECT_EQ(attribute.As<uint16_t>().has_value(), size == 2) << size;
    EXPECT_EQ(attribute.As<uint32_t>().has_value(), size == 4) << size;
    EXPECT_EQ(attribute.As<uint64_t>().has_value(), size == 8) << size;
  }
}

TEST(Wire, AttributeTypeExcludesItsFlags) {
  EXPECT_EQ(Attr(kAttrNested | 5, {}).type(), 5);
  EXPECT_TRUE(Attr(kAttrNested | 5, {}).nested());
  EXPECT_FALSE(Attr(kAttrNested | 5, {}).network_order());
  EXPECT_TRUE(Attr(kAttrNetworkOrder | 5, {}).network_order());
}

TEST(Wire, TextEndsAtItsFirstNul) {
  const auto text = [](std::string_view from) {
    const GuardedBuffer guarded(Bytes(Text(from)));
    return std::string(Attr(1, guarded.bytes()).AsText());
  };
  EXPECT_EQ(text(""), "");
  EXPECT_EQ(text("abc"), "abc");
  EXPECT_EQ(text(std::string_view("abc\0def", 7)), "abc");
  EXPECT_EQ(text(std::string_view("\0abc", 4)), "");
}

}  // namespace
}  // namespace netdiag::netlink
