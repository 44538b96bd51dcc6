// tests/tools/schema_testing.h — validates the JSON of diag against its schema, with RapidJSON.

#ifndef NETDIAG_TESTS_TOOLS_SCHEMA_TESTING_H_
#define NETDIAG_TESTS_TOOLS_SCHEMA_TESTING_H_

#include <memory>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

namespace diag::testing {

class SchemaValidator {
 public:
  explicit SchemaValidator(const std::string& schema) {
    EXPECT_FALSE(source_.Parse(schema.c_str()).HasParseError()) << source_.GetErrorOffset();
    schema_ = std::make_unique<rapidjson::SchemaDocument>(source_);
  }
  // Returns "" if the text is valid, else the reason.
  std::string Complaint(std::string_view text) const {
    rapidjson::Document document;
    if (document.Parse(text.data(), text.size()).HasParseError()) return "no JSON";
    rapidjson::SchemaValidator validator(*schema_);
    if (document.Accept(validator)) return "";
    rapidjson::StringBuffer where;
    validator.GetInvalidDocumentPointer().StringifyUriFragment(where);
    return std::string(where.GetString()) + " " + validator.GetInvalidSchemaKeyword();
  }

 private:
  rapidjson::Document source_;
  std::unique_ptr<rapidjson::SchemaDocument> schema_;
};

}  // namespace diag::testing

#endif  // NETDIAG_TESTS_TOOLS_SCHEMA_TESTING_H_
