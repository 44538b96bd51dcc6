// RequestBuilder, compared with libmnl. Every storage ends where mapped memory ends.

#include "netdiag/netlink/request_builder.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/status/statusor.h"
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/wire.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/guarded_buffer.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::netlink {
namespace {

using namespace netdiag::testing;  // NOLINT

TEST(RequestBuilder, BuildsTheSameRequestAsLibmnl) {
  alignas(4) std::array<std::byte, 128> storage;
  RequestBuilder builder(storage);
  const uint32_t fixed = 0x01020304;
  builder.Header(20, kFlagDump)
      .Put(fixed)
      .Attribute(5, Bytes(Text("abc")))
      .Attribute(6, uint16_t{7});
  const absl::StatusOr<Bytes> ours = builder.Finish();
  ASSERT_THAT(ours, IsOk());

  alignas(4) char theirs[128] = {};
  nlmsghdr* const header = mnl_nlmsg_put_header(theirs);
  header->nlmsg_type = 20;
  header->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  *static_cast<uint32_t*>(mnl_nlmsg_put_extra_header(header, sizeof(fixed))) = fixed;
  mnl_attr_put(header, 5, 3, "abc");
  mnl_attr_put_u16(header, 6, 7);
  ASSERT_EQ(ours->size(), header->nlmsg_len);
  EXPECT_EQ(std::memcmp(ours->data(), theirs, ours->size()), 0);
}

TEST(RequestBuilder, OverflowIsReportedByFinish) {
  for (size_t size = 0; size < 28; ++size) {
    GuardedBuffer guarded(size);
    RequestBuilder builder(guarded.writable());
    builder.Header(20, 0).Attribute(1, Bytes(Text("12345678")));
    EXPECT_THAT(builder.Finish(), ErrnoIs(ENOBUFS)) << size << " bytes of storage";
  }
  GuardedBuffer guarded(28);
  RequestBuilder builder(guarded.writable());
  EXPECT_THAT(builder.Header(20, 0).Attribute(1, Bytes(Text("12345678"))).Finish(), IsOk());
}

TEST(RequestBuilder, AttributeLongerThan64KiBIsAnOverflow) {
  Packet storage(100000);
  RequestBuilder builder(storage);
  EXPECT_THAT(builder.Header(20, 0).Attribute(1, Bytes(Packet(65532))).Finish(), ErrnoIs(ENOBUFS));
}

TEST(RequestBuilder, RequestWithoutHeaderIsAnError) {
  std::array<std::byte, 32> storage;
  EXPECT_THAT(RequestBuilder(storage).Finish(), ErrnoIs(EINVAL));
}

}  // namespace
}  // namespace netdiag::netlink
