// Errors: the form of their text, the errno inside, the kernel's words, the predicates.

#include "netdiag/types/error.h"

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include <gtest/gtest.h>

namespace netdiag {
namespace {

std::string Text(const absl::Status& status) { return std::string(status.message()); }

TEST(Error, SaysWhatThenWhyThenAdvice) {
  EXPECT_EQ(Text(ErrnoError(ECONNREFUSED, "recvmsg")), "recvmsg: Connection refused");
  EXPECT_EQ(Text(ErrnoError(EPERM, "setns", "needs CAP_SYS_ADMIN")),
            "setns: Operation not permitted: needs CAP_SYS_ADMIN");
  EXPECT_EQ(Text(ErrnoError(ENOENT, "")), "No such file or directory");
  EXPECT_EQ(Text(TimeoutError("recvmsg")), "recvmsg: deadline passed");
  EXPECT_EQ(Text(CancelledError("recvmsg")), "recvmsg: cancelled");
  EXPECT_EQ(Text(ClosedError("recvmsg")), "recvmsg: connection is closed");
  EXPECT_EQ(Text(BadInput("state", "estab", "one of established, …")),
            "state: \"estab\": one of established, …");
  EXPECT_EQ(Text(DamagedData("capture", "at byte 8")), "capture: at byte 8");
}

TEST(Error, KeepsEveryErrno) {
  for (int errnum = 1; errnum <= 4095; ++errnum) {
    const absl::Status status = ErrnoError(errnum, "x");
    EXPECT_FALSE(status.ok()) << errnum;
    EXPECT_EQ(Errno(status), errnum);
    EXPECT_EQ(status.code(), absl::ErrnoToStatusCode(errnum)) << errnum;
  }
}

TEST(Error, EveryMakerSetsErrnoAndCode) {
  const struct {
    absl::Status status;
    absl::StatusCode code;
    int errnum;
  } kRows[] = {
      {TimeoutError("x"), absl::StatusCode::kDeadlineExceeded, ETIMEDOUT},
      {CancelledError("x"), absl::StatusCode::kCancelled, ECANCELED},
      {ClosedError("x"), absl::StatusCode::kFailedPrecondition, EBADF},
      {BadInput("x", "y", "z"), absl::StatusCode::kInvalidArgument, EINVAL},
      {DamagedData("x", "y"), absl::StatusCode::kDataLoss, EBADMSG},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(row.status.code(), row.code) << row.status;
    EXPECT_EQ(Errno(row.status), row.errnum) << row.status;
  }
}

TEST(Error, OtherStatusesHaveNoErrno) {
  EXPECT_EQ(Errno(absl::OkStatus()), 0);
  EXPECT_EQ(Errno(absl::InternalError("boom")), 0);
  for (const char* damaged : {"", "x", " 5", "99999999999999999999"}) {
    absl::Status status = absl::InternalError("boom");
    status.SetPayload("netdiag/errno", absl::Cord(damaged));
    EXPECT_EQ(Errno(status), 0) << damaged;
  }
}

TEST(KernelError, KeepsTheKernelsWords) {
  const absl::Status status = KernelError(EINVAL, "dump tcp", {"Invalid attribute", 0xfffffffe});
  EXPECT_EQ(Text(status), "dump tcp: Invalid argument: Invalid attribute");
  EXPECT_EQ(Errno(status), EINVAL);
  EXPECT_EQ(WordsOfKernel(status).message, "Invalid attribute");
  EXPECT_EQ(WordsOfKernel(status).offset, 0xfffffffe);
}

TEST(KernelError, WithoutWordsHasOnlyTheErrno) {
  const absl::Status status = KernelError(EINVAL, "dump tcp", {});
  EXPECT_EQ(Text(status), "dump tcp: Invalid argument");
  EXPECT_EQ(WordsOfKernel(status).message, "");
  EXPECT_FALSE(WordsOfKernel(status).offset.has_value());
  EXPECT_EQ(WordsOfKernel(KernelError(EINVAL, "x", {"", 0})).offset, 0u);  // 0 is a valid offset
  EXPECT_FALSE(WordsOfKernel(absl::OkStatus()).offset.has_value());
}

// Expects that `question` is true for these errnos and false for everything else.
void ExpectHoldsFor(bool (*question)(const absl::Status&), const std::vector<int>& errnos) {
  for (int errnum = 1; errnum < 200; ++errnum) {
    bool wanted = false;
    for (int each : errnos) wanted |= each == errnum;
    EXPECT_EQ(question(ErrnoError(errnum, "x")), wanted) << errnum;
  }
  EXPECT_FALSE(question(absl::OkStatus()));
  EXPECT_FALSE(question(absl::InternalError("boom")));
}

TEST(Error, PredicatesHoldForTheirErrnosOnly) {
  ExpectHoldsFor(IsUnsupported, {ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT, ENOSYS});
  ExpectHoldsFor(IsPermission, {EPERM, EACCES});
  ExpectHoldsFor(IsRetryable, {EINTR, ENOBUFS, EBUSY, EAGAIN});
}

// A deadline differs from ETIMEDOUT in an answer of the kernel, and Close() from EBADF.
TEST(Error, EndsOfACallExcludeEachOther) {
  const absl::Status timeout = TimeoutError("x"), closed = ClosedError("x");
  const absl::Status cancelled = CancelledError("x");
  EXPECT_TRUE(IsTimeout(timeout));
  EXPECT_TRUE(IsClosed(closed));
  EXPECT_TRUE(absl::IsCancelled(cancelled));
  EXPECT_FALSE(IsTimeout(closed) || IsTimeout(cancelled) || IsTimeout(absl::OkStatus()));
  EXPECT_FALSE(IsClosed(timeout) || IsClosed(cancelled) || IsClosed(absl::OkStatus()));
  EXPECT_FALSE(IsTimeout(absl::DeadlineExceededError("elsewhere")));
  EXPECT_FALSE(IsClosed(absl::FailedPreconditionError("elsewhere")));
  EXPECT_FALSE(IsTimeout(ErrnoError(ETIMEDOUT, "an answer of the kernel")));
  EXPECT_FALSE(IsClosed(ErrnoError(EBADF, "a wrong descriptor")));
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return BadInput("half", std::to_string(value), "an even number");
  return value / 2;
}
absl::StatusOr<int> Quarter(int value) {
  NETDIAG_ASSIGN_OR_RETURN(const int half, Half(value));
  NETDIAG_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return quarter;
}
absl::Status IsQuarter(int value) {
  NETDIAG_RETURN_IF_ERROR(Quarter(value).status());
  return absl::OkStatus();
}

TEST(Macros, ReturnTheFirstError) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Text(Quarter(6).status()), "half: \"3\": an even number");
  EXPECT_TRUE(IsQuarter(12).ok());
  EXPECT_EQ(Errno(IsQuarter(5)), EINVAL);
}

}  // namespace
}  // namespace netdiag
