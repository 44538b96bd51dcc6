// tests/testing/status_matchers.h — gtest matchers of absl::Status and absl::StatusOr.
//
//   EXPECT_THAT(conn->Execute(request), IsOk());
//   EXPECT_THAT(conn->Dump(request, visitor), ErrnoIs(ENOENT));

#ifndef NETDIAG_TESTS_TESTING_STATUS_MATCHERS_H_
#define NETDIAG_TESTS_TESTING_STATUS_MATCHERS_H_

#include <cstring>
#include <ostream>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <gmock/gmock.h>

#include "netdiag/types/error.h"

namespace netdiag::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P(ErrnoIs, errnum,
          std::string(negation ? "has not" : "has") + " errno " + std::strerror(errnum)) {
  *result_listener << StatusOf(arg).ToString();
  return Errno(StatusOf(arg)) == errnum;
}

MATCHER(EndedByDeadline, "ended because of a deadline") {
  *result_listener << StatusOf(arg).ToString();
  return IsTimeout(StatusOf(arg));
}

MATCHER(EndedByStop, "ended because of its stop token") {
  *result_listener << StatusOf(arg).ToString();
  return absl::IsCancelled(StatusOf(arg));
}

MATCHER(EndedByClose, "ended because of Close()") {
  *result_listener << StatusOf(arg).ToString();
  return IsClosed(StatusOf(arg));
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_STATUS_MATCHERS_H_
