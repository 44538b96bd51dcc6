// What the BPF program writes becomes messages, and rows that come again are dropped.

#include "netdiag/bpf/table_messages.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>

namespace netdiag::bpf {
namespace {

constexpr size_t kSize = 88;

struct RowSpec {
  State state = State::kEstablished;
  uint16_t local_port = 1;
  uint16_t remote_port = 2;
  uint64_t address = 0;  // 0: the row is not flagged
  uint32_t netns = 7;
};

template <class T>
void Append(std::vector<std::byte>* out, T value) {
  const auto* const bytes = reinterpret_cast<const std::byte*>(&value);
  out->insert(out->end(), bytes, bytes + sizeof(value));
}

void AppendRow(std::vector<std::byte>* out, const RowSpec& row) {
  const size_t start = out->size();
  Append(out, uint32_t{kSize});
  Append(out, uint16_t{20});
  Append(out, static_cast<uint16_t>(row.address == 0 ? 2 : 2 | kTableFlag));
  Append(out, uint32_t{0});
  Append(out, row.netns);
  Append(out, uint8_t{2});
  Append(out, static_cast<uint8_t>(row.state));
  Append(out, uint16_t{0});
  Append(out, row.local_port);
  Append(out, row.remote_port);
  out->resize(start + kSize);
  if (row.address != 0) Append(out, row.address);
}

void AppendEnd(std::vector<std::byte>* out, const KernelTableEnd& end) {
  Append(out, static_cast<uint32_t>(16 + sizeof(end)));
  Append(out, static_cast<uint16_t>(kTableEndType));
  Append(out, uint16_t{0});
  Append(out, uint64_t{0});
  Append(out, end);
}

struct Got {
  uint16_t local_port = 0;
  uint16_t flags = 0;
  uint32_t sequence = 1;
  uint32_t port_id = 1;
};

std::vector<Got> Drain(TableMessages* messages, std::vector<std::byte>* bytes) {
  messages->Take(*bytes);
  std::vector<Got> all;
  for (std::span<const std::byte> message; messages->Next(&message);) {
    Got got;
    EXPECT_EQ(message.size(), kSize);
    std::memcpy(&got.flags, message.data() + 6, sizeof(got.flags));
    std::memcpy(&got.sequence, message.data() + 8, sizeof(got.sequence));
    std::memcpy(&got.port_id, message.data() + 12, sizeof(got.port_id));
    std::memcpy(&got.local_port, message.data() + 20, sizeof(got.local_port));
    all.push_back(got);
  }
  return all;
}

TEST(TableMessages, HaveTheHeaderOfADumpAndTheNamespaceAsItsPort) {
  TableMessages messages;
  messages.Begin(/*connections=*/true);
  std::vector<std::byte> bytes;
  AppendRow(&bytes, {.local_port = 11, .netns = 0});
  AppendRow(&bytes, {.local_port = 12, .address = 0x1000, .netns = 6});
  AppendEnd(&bytes, {.outcome = kTableWhole, .unsettled = 1, .no_cookie = 2, .retries = 3});
  const std::vector<Got> got = Drain(&messages, &bytes);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].port_id, 0u);
  EXPECT_EQ(got[1].port_id, 6u);
  for (const Got& each : got) {
    EXPECT_EQ(each.flags, 2);
    EXPECT_EQ(each.sequence, 0u);
  }
  EXPECT_TRUE(messages.ended());
  EXPECT_FALSE(messages.damaged());
  EXPECT_EQ(messages.end().unsettled, 1u);
  EXPECT_EQ(messages.end().no_cookie, 2u);
  EXPECT_EQ(messages.end().retries, 3u);
}

TEST(TableMessages, AFlaggedSocketComesOnceEvenInSeveralReads) {
  TableMessages messages;
  messages.Begin(/*connections=*/false);
  std::vector<std::byte> first, second;
  AppendRow(&first, {.local_port = 1, .address = 0x1000});
  AppendRow(&first, {.local_port = 1, .address = 0x2000});
  AppendRow(&second, {.local_port = 1, .address = 0x2000});
  AppendRow(&second, {.local_port = 1, .address = 0x3000});
  EXPECT_EQ(Drain(&messages, &first).size(), 2u) << "other sockets may have the same names";
  EXPECT_EQ(Drain(&messages, &second).size(), 1u);
  EXPECT_EQ(messages.repeated(), 1u);
  messages.Begin(false);
  std::vector<std::byte> again;
  AppendRow(&again, {.local_port = 1, .address = 0x1000});
  EXPECT_EQ(Drain(&messages, &again).size(), 1u);
}

TEST(TableMessages, AConnectionThatEntersTimeWaitComesOnce) {
  TableMessages messages;
  messages.Begin(/*connections=*/true);
  std::vector<std::byte> bytes;
  AppendRow(&bytes, {.state = State::kEstablished, .address = 0x1000});
  AppendRow(&bytes, {.state = State::kTimeWait, .address = 0x9000});
  AppendRow(&bytes, {.state = State::kTimeWait, .address = 0x9000, .netns = 8});
  AppendRow(&bytes, {.state = State::kListen, .address = 0x1000});
  AppendRow(&bytes, {.state = State::kListen, .address = 0x1008});
  EXPECT_EQ(Drain(&messages, &bytes).size(), 4u) << "listeners share their names";
  EXPECT_EQ(messages.repeated(), 1u);
}

TEST(TableMessages, SayIfTheBytesAreCutOffOrDamaged) {
  std::vector<std::byte> whole;
  AppendRow(&whole, {.local_port = 11});
  AppendRow(&whole, {.local_port = 12, .address = 0x1000});
  for (size_t size = 1; size < whole.size(); ++size) {
    if (size == kSize) continue;
    std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    TableMessages messages;
    messages.Begin(true);
    EXPECT_EQ(Drain(&messages, &part).size(), size > kSize ? 1u : 0u);
    EXPECT_TRUE(messages.damaged()) << size;
  }
  for (const uint32_t length : {0U, 15U, 87U, 90U, 0x7fffffffU, 0xffffffffU}) {
    std::vector<std::byte> bytes = whole;
    std::memcpy(bytes.data(), &length, sizeof(length));
    TableMessages messages;
    messages.Begin(true);
    EXPECT_TRUE(Drain(&messages, &bytes).empty());
    EXPECT_TRUE(messages.damaged()) << length;
  }
}

TEST(TableMessages, TheEndIsTheLastMessage) {
  std::vector<std::byte> bytes;
  AppendEnd(&bytes, {});
  AppendRow(&bytes, {});
  TableMessages messages;
  messages.Begin(true);
  EXPECT_TRUE(Drain(&messages, &bytes).empty());
  EXPECT_FALSE(messages.ended());
  EXPECT_TRUE(messages.damaged());
}

}  // namespace
}  // namespace netdiag::bpf
