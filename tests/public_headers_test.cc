// The boundary between netdiag and its users: which headers are public, and what they may show.
//
// Reads headers and BUILD files as text. The figures are printed by
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

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The list of every header that a user of the library may include. All others are internal.
constexpr std::string_view kPublicHeaders = "netdiag/public_headers";

// What engine.h may cost a user who includes it, all the netdiag headers that it includes counted.
constexpr size_t kMostLines = 1425;
constexpr size_t kMostTypes = 60;

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

const std::vector<std::string>& PublicHeaders() {
  static const std::vector<std::string> headers = Lines(Read(kPublicHeaders));
  return headers;
}

bool IsPublic(std::string_view header) {
  return std::ranges::find(PublicHeaders(), header) != PublicHeaders().end();
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

// True if the line declares, in namespace internal, a type, or a function that is a friend in
// `text`.
bool IsNeededInternally(const std::string& line, const std::string& text) {
  static const std::regex type("^(class|struct) \\w+;");
  static const std::regex function("^\\w[^(]*[ &*](\\w+)\\(.*\\);");
  std::smatch match;
  if (std::regex_search(line, type)) return true;
  return std::regex_search(line, match, function) &&
         std::regex_search(text, std::regex("friend [^\n]* internal::" + match[1].str() + "\\("));
}

// The lines of a header that show a user a name of namespace internal. Private members may use one.
std::vector<std::string> ShownInternals(const std::string& text) {
  static const std::regex begins("^namespace internal \\{");
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
    } else if (in_internal ? !IsNeededInternally(line, text)
                           : !is_private && line.find("internal::") != std::string::npos) {
      shown.push_back(whole);
    }
  }
  return shown;
}

// The hdrs of the libraries of a BUILD file that every package may depend on.
std::vector<std::string> PublicHdrsOf(const std::string& build) {
  static const std::regex hdrs("hdrs = \\[([^\\]]*)\\]");
  static const std::regex name("\"([^\"]+)\"");
  const auto is_public = [](const std::string& rule) {
    return rule.find("\"//visibility:public\"") != std::string::npos;
  };
  bool public_by_default = false;
  std::vector<std::string> headers;
  for (size_t begin = 0; begin < build.size();) {
    const size_t end = std::min(build.find("\n)\n", begin), build.size());
    const std::string rule = build.substr(begin, end - begin);
    begin = end + 3;
    if (rule.find("package(default_visibility") != std::string::npos) {
      public_by_default = is_public(rule.substr(0, rule.find(']')));
    }
    const bool has_its_own = rule.find("\n    visibility =") != std::string::npos;
    std::smatch match;
    if (!(has_its_own ? is_public(rule) : public_by_default)) continue;
    if (!std::regex_search(rule, match, hdrs)) continue;
    const std::string list = match[1];
    for (std::sregex_iterator i(list.begin(), list.end(), name); i != std::sregex_iterator(); ++i) {
      headers.push_back((*i)[1]);
    }
  }
  return headers;
}

TEST(PublicHeaders, AreAllThatStandAtTheTopLevel) {
  std::vector<std::string> others;
  for (const auto& entry : std::filesystem::directory_iterator("netdiag")) {
    const std::string path = entry.path().string();
    if (path.ends_with(".h") && !IsPublic(path)) others.push_back(path);
  }
  EXPECT_THAT(others, IsEmpty()) << "put internal headers into a folder, and list public ones";
}

TEST(PublicHeaders, IncludeOnlyPublicHeaders) {
  for (const std::string& header : PublicHeaders()) {
    SCOPED_TRACE(header);
    std::vector<std::string> internal;
    for (const std::string& include : IncludesOf(Read(header))) {
      if (!IsPublic(include)) internal.push_back(include);
    }
    EXPECT_THAT(internal, IsEmpty());
  }
}

TEST(PublicHeaders, ShowNoInternalName) {
  for (const std::string& header : PublicHeaders()) {
    SCOPED_TRACE(header);
    EXPECT_THAT(ShownInternals(Read(header)), IsEmpty());
  }
}

TEST(PublicHeaders, AreThoseOfPublicTargets) {
  std::set<std::string> exported;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("netdiag")) {
    if (entry.path().filename() != "BUILD") continue;
    for (const std::string& header : PublicHdrsOf(Read(entry.path().string()))) {
      exported.insert((entry.path().parent_path() / header).string());
    }
  }
  EXPECT_EQ(exported, std::set<std::string>(PublicHeaders().begin(), PublicHeaders().end()));
}

TEST(PublicHeaders, AreNotCalledInternal) {
  for (const std::string& header : PublicHeaders()) {
    const std::string title = Lines(Read(header)).at(0);
    EXPECT_EQ(title.find("Internal."), std::string::npos) << title;
  }
}

// The link error of another Abseil, which tests/install/install_test.sh makes, comes from this
// header.
TEST(PublicHeaders, ThatIncludeAbseilNameItsVersion) {
  for (const std::string& header : PublicHeaders()) {
    if (Read(header).find("#include \"absl/") == std::string::npos) continue;
    EXPECT_TRUE(ClosureOf({header}).contains("netdiag/types/abseil.h")) << header;
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
  EXPECT_EQ(ShownInternals("namespace internal {\nX& F(int x);\n}\n").size(), 1u);
  EXPECT_THAT(ShownInternals("namespace internal {\nX& F(int x);\n}\nclass A {\n private:\n"
                             "  friend X& internal::F(int x);\n};\n"),
              IsEmpty());
  EXPECT_EQ(ShownInternals("struct A {\n  internal::X* x;\n};\n").size(), 1u);
  EXPECT_THAT(ShownInternals("// See internal::X.\n"), IsEmpty());
}

TEST(Check, FindsTheHeadersOfPublicTargets) {
  const std::string internal = "cc_library(\n    name = \"a\",\n    hdrs = [\"a.h\"],\n)\n";
  const std::string shown =
      "cc_library(\n    name = \"b\",\n    hdrs = [\n        \"b.h\",\n        \"c.h\",\n    ],\n"
      "    visibility = [\"//visibility:public\"],\n)\n";
  const std::string by_default = "package(default_visibility = [\"//visibility:public\"])\n\n";
  const std::string hidden =
      "cc_library(\n    hdrs = [\"d.h\"],\n    visibility = [\"//visibility:private\"],\n)\n";
  EXPECT_THAT(PublicHdrsOf(internal + shown), ElementsAre("b.h", "c.h"));
  EXPECT_THAT(PublicHdrsOf(by_default + internal + hidden), ElementsAre("a.h"));
  EXPECT_THAT(PublicHdrsOf(hidden + internal), IsEmpty());
}

TEST(Check, CountsLinesTypesAndIncludesOfAHeader) {
  EXPECT_EQ(IncludesOf("#include \"netdiag/a.h\"\n#include <b.h>\n// #include \"netdiag/c.h\"\n"),
            std::vector<std::string>{"netdiag/a.h"});
  EXPECT_TRUE(ClosureOf({"netdiag/engine.h"}).contains("netdiag/types/types.h"));
  EXPECT_GT(SizeOf({"netdiag/types/types.h"}).types, 10u);
}

}  // namespace
}  // namespace netdiag
