// tools/diag/input_file.h — reads the file of --replay, TCPDIAG_FILE or -F whole, with the
// privileges of diag's caller.

#ifndef NETDIAG_TOOLS_DIAG_INPUT_FILE_H_
#define NETDIAG_TOOLS_DIAG_INPUT_FILE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace diag {

// How a kind of file begins. A file that begins otherwise, such as /dev/zero, is not read further.
struct Beginning {
  size_t size = 0;  // the number of bytes that tell
  // `begin` is shorter than `size` if the file is. Null: every file is read.
  bool (*fits)(std::string_view begin) = nullptr;
};

// The bytes of the file at `path`; "-": of standard input. Only the beginning of a file that begins
// otherwise. The error names `what` and the path; a file above 4 GiB is EFBIG.
absl::StatusOr<std::string> ReadInput(const std::string& path, std::string_view what,
                                      const Beginning& beginning);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_INPUT_FILE_H_
