// The boundary between netdiag and its users: which headers are public, and what they may show.
//
// Reads the headers as text. The figures are printed by
//   bazel test //tests:public_headers_test --test_output=all

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace netdiag {
namespace {

using ::testing::IsEmpty;

// Every header that a user of the library may include. All others are internal.
constexpr std::string_view kPublicHeaders[] = {
    "netdiag/capabilities.h",   "netdiag/collect.h",
    "netdiag/connections.h",    "netdiag/destroy.h",
    "netdiag/dump/capture.h",   "netdiag/dump/table.h",
    "netdiag/engine.h",         "netdiag/field_words.h",
    "netdiag/fields.h",         "netdiag/filter/filter.h",
    "netdiag/net/interfaces.h", "netdiag/net/io_counters.h",
    "netdiag/net/resolver.h",   "netdiag/net/services.h",
    "netdiag/netlink/call.h",   "netdiag/netlink/conn.h",
    "netdiag/netlink/netns.h",  "netdiag/netlink/wire.h",
    "netdiag/process/cgroup.h", "netdiag/process/process.h",
    "netdiag/query.h",          "netdiag/row.h",
    "netdiag/snapshot.h",       "netdiag/socket/socket.h",
    "netdiag/socket/structs.h", "netdiag/summary.h",
    "netdiag/types/address.h",  "netdiag/types/bpf_instruction.h",
    "netdiag/types/error.h",    "netdiag/types/numbers.h",
    "netdiag/types/types.h",    "netdiag/unlisted.h",
};
// Internal headers that are still beside the public ones. Add none.
constexpr std::string_view kInternalAtTheTop[] = {
    "netdiag/engine_impl.h", "netdiag/namespaces.h", "netdiag/owner_join.h",
    "netdiag/recorder.h",    "netdiag/row_store.h",
};

// What engine.h may cost a user who includes it, all the netdiag headers that it includes counted.
constexpr size_t kMostLines = 1300;
constexpr size_t kMostTypes = 60;

bool IsPublic(std::string_view header) {
  return std::ranges::find(kPublicHeaders, header) != std::end(kPublicHeaders);
}

std::string Read(std::string_view path) {
  std::ifstream file{std::filesystem::path(path), std::ios::binary};
  EXPECT_TRUE(file.good()) << path;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> IncludesOf(const std::string& text) {
  static const std::regex include("^#include \"(netdiag/[^\"]+)\"");
  std::vector<std::string> includes;
  for (const std::string& line : Lines(text)) {
    std::smatch match;
    if (std::regex_search(line, match, include)) includes.push_back(match[1]);
  }
  return includes;
}

// The netdiag headers that a translation unit with these includes reads.
std::set<std::string> ClosureOf(std::vector<std::string> includes) {
  std::set<std::string> closure;
  while (!includes.empty()) {
    const std::string header = includes.back();
    includes.pop_back();
    if (!closure.insert(header).second) continue;
    for (std::string& next : IncludesOf(Read(header))) includes.push_back(std::move(next));
  }
  return closure;
}

struct Size {
  size_t headers = 0;
  size_t lines = 0;
  size_t types = 0;  // top-level classes, structs and scoped enumerations, declarations included
};

Size SizeOf(const std::set<std::string>& headers) {
  static const std::regex type("^(class|struct|enum class)\\b");
  Size size = {.headers = headers.size()};
  for (const std::string& header : headers) {
    for (const std::string& line : Lines(Read(header))) {
      ++size.lines;
      if (std::regex_search(line, type)) ++size.types;
    }
  }
  return size;
}

// The lines of a header that show a user a name of namespace internal. Private members may name
// one, and `namespace internal` may declare one.
std::vector<std::string> ShownInternals(const std::string& text) {
  static const std::regex begins("^namespace internal \\{");
  static const std::regex declares("^(class|struct) \\w+;");
  std::vector<std::string> shown;
  bool is_private = false;
  bool in_internal = false;
  for (const std::string& whole : Lines(text)) {
    const std::string line = whole.substr(0, whole.find("//"));
    if (line.starts_with(" private:")) is_private = true;
    if (line.starts_with(" public:") || line.starts_with("}")) is_private = false;
    if (std::regex_search(line, begins)) {
      in_internal = true;
    } else if (in_internal && line.starts_with("}")) {
      in_internal = false;
    } else if (in_internal ? !std::regex_search(line, declares)
                           : !is_private && line.find("internal::") != std::string::npos) {
      shown.push_back(whole);
    }
  }
  return shown;
}

TEST(PublicHeaders, AreAllThatStandAtTheTopLevel) {
  std::vector<std::string> others;
  for (const auto& entry : std::filesystem::directory_iterator("netdiag")) {
    const std::string path = entry.path().string();
    if (!path.ends_with(".h") || IsPublic(path)) continue;
    if (std::ranges::find(kInternalAtTheTop, path) == std::end(kInternalAtTheTop)) {
      others.push_back(path);
    }
  }
  EXPECT_THAT(others, IsEmpty()) << "put internal headers into a folder, and list public ones";
}

TEST(PublicHeaders, IncludeOnlyPublicHeaders) {
  for (const std::string_view header : kPublicHeaders) {
    SCOPED_TRACE(header);
    std::vector<std::string> internal;
    for (const std::string& include : IncludesOf(Read(header))) {
      if (!IsPublic(include)) internal.push_back(include);
    }
    EXPECT_THAT(internal, IsEmpty());
  }
}

TEST(PublicHeaders, ShowNoInternalName) {
  for (const std::string_view header : kPublicHeaders) {
    SCOPED_TRACE(header);
    EXPECT_THAT(ShownInternals(Read(header)), IsEmpty());
  }
}

TEST(PublicHeaders, AreNotCalledInternal) {
  for (const std::string_view header : kPublicHeaders) {
    const std::string title = Lines(Read(header)).at(0);
    EXPECT_EQ(title.find("Internal."), std::string::npos) << title;
  }
}

TEST(PublicHeaders, OfEngineStaySmall) {
  const std::map<std::string, std::vector<std::string>> users = {
      {"engine.h", {"netdiag/engine.h"}},
      {"engine.h and row.h", {"netdiag/engine.h", "netdiag/row.h"}},
  };
  for (const auto& [name, includes] : users) {
    const Size size = SizeOf(ClosureOf(includes));
    std::cout << name << ": " << size.headers << " headers, " << size.lines << " lines, "
              << size.types << " top-level types\n";
  }
  const Size engine = SizeOf(ClosureOf({"netdiag/engine.h"}));
  EXPECT_LE(engine.lines, kMostLines);
  EXPECT_LE(engine.types, kMostTypes);
}

// The checks themselves: each finds what it is there for.
TEST(Check, FindsInternalNamesWhereAUserSeesThem) {
  EXPECT_THAT(ShownInternals("namespace internal {\nclass X;\nstruct Y;\n}\n"
                             "class A {\n public:\n  A();\n private:\n"
                             "  friend class internal::X;\n  internal::Y* y_;\n};\n"),
              IsEmpty());
  EXPECT_EQ(ShownInternals("class A {\n public:\n  internal::X x();\n};\n").size(), 1u);
  EXPECT_EQ(ShownInternals("class A {\n private:\n  int x_;\n};\nint F(internal::X*);\n").size(),
            1u);
  EXPECT_EQ(ShownInternals("namespace internal {\nclass X {};\n}\n").size(), 1u);
  EXPECT_EQ(ShownInternals("struct A {\n  internal::X* x;\n};\n").size(), 1u);
  EXPECT_THAT(ShownInternals("// See internal::X.\n"), IsEmpty());
}

TEST(Check, CountsLinesTypesAndIncludesOfAHeader) {
  EXPECT_EQ(IncludesOf("#include \"netdiag/a.h\"\n#include <b.h>\n// #include \"netdiag/c.h\"\n"),
            std::vector<std::string>{"netdiag/a.h"});
  EXPECT_TRUE(ClosureOf({"netdiag/engine.h"}).contains("netdiag/types/types.h"));
  EXPECT_GT(SizeOf({"netdiag/types/types.h"}).types, 10u);
}

}  // namespace
}  // namespace netdiag
