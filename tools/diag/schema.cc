// The JSON Schema of --json and --jsonl, made from the field table. Tested by
// tests/tools/help_test.cc.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"

#include "netdiag/fields.h"
#include "tools/diag/columns.h"
#include "tools/diag/help.h"

namespace diag {
namespace {

// The property of a socket or of an owner that `column` is.
std::string Property(const Column& column) {
  using netdiag::Meaning;
  const netdiag::Field& field = *column.field;
  const std::string key = "\"" + column.key + "\": ";
  const std::string hex = ",\n\"" + column.key + "_hex\": {\"$ref\": \"#/definitions/hex\"}";
  const auto of = [&](std::string_view type) {
    return key + "{\"type\": " + std::string(type) + "}";
  };
  if (column.as_text) return key + "{\"$ref\": \"#/definitions/id\"}";
  if (column.words != nullptr) {
    if (column.words->flags) return key + "{\"$ref\": \"#/definitions/strings\"}";
    return of("\"string\"");
  }
  if (field.group == netdiag::FieldGroup::kOptions) return of("\"boolean\"");
  switch (field.meaning) {
    case Meaning::kCounter:
    case Meaning::kGauge:
      return key + "{\"$ref\": \"#/definitions/count\"}";
    case Meaning::kText:
      return of("\"string\"") + hex;
    case Meaning::kIdentity:
      return of("[\"string\", \"integer\"]");
    case Meaning::kEnum:
      break;
  }
  return of("[\"string\", \"boolean\", \"integer\"]");
}

std::string Object(const std::vector<std::string>& properties, std::string_view more = {}) {
  return "{\"type\": \"object\", \"additionalProperties\": false" + std::string(more) +
         ", \"properties\": {\n" + absl::StrJoin(properties, ",\n") + "}}";
}

constexpr std::string_view kDefinitions = R"("count": {"type": "integer", "minimum": 0},
"id": {"type": "string", "pattern": "^[0-9]+$"},
"hex": {"type": "string", "pattern": "^([0-9a-f][0-9a-f])*$"},
"strings": {"type": "array", "items": {"type": "string"}},
"group": {"type": "object", "required": ["count"],
"properties": {"count": {"$ref": "#/definitions/count"}, "sums": {"type": "object",
"additionalProperties": {"$ref": "#/definitions/count"}}}},
"table": {"type": "object", "additionalProperties": false,
"required": ["protocol", "families", "netns", "source", "rows", "complete"], "properties": {
"protocol": {"type": "string"},
"families": {"$ref": "#/definitions/strings"},
"netns": {"$ref": "#/definitions/count"},
"netns_name": {"type": "string"},
"netns_name_hex": {"$ref": "#/definitions/hex"},
"source": {"type": "string"},
"rows": {"$ref": "#/definitions/count"},
"complete": {"type": "boolean"},
"exact": {"type": "boolean"},
"walks": {"$ref": "#/definitions/count"},
"repeated": {"$ref": "#/definitions/count"},
"unsettled": {"$ref": "#/definitions/count"},
"doubt": {"type": "string"},
"doubt_hex": {"$ref": "#/definitions/hex"},
"error": {"type": "string"},
"error_hex": {"$ref": "#/definitions/hex"},
"refusal": {"type": "string"},
"refusal_hex": {"$ref": "#/definitions/hex"}}},
"namespaces": {"type": "object", "additionalProperties": false,
"required": ["listed", "denied", "vanished", "hidden", "beyond"], "properties": {
"listed": {"$ref": "#/definitions/count"},
"denied": {"$ref": "#/definitions/count"},
"vanished": {"$ref": "#/definitions/count"},
"hidden": {"$ref": "#/definitions/count"},
"beyond": {"$ref": "#/definitions/count"},
"denial": {"type": "string"},
"denial_hex": {"$ref": "#/definitions/hex"},
"no_socket_search": {"type": "string"},
"no_socket_search_hex": {"$ref": "#/definitions/hex"}}},
"owner_scan": {"type": "object", "additionalProperties": false, "properties": {
"source": {"enum": ["proc", "bpf"]},
"no_bpf": {"type": "string"},
"no_bpf_hex": {"$ref": "#/definitions/hex"},
"processes": {"$ref": "#/definitions/count"},
"descriptors": {"$ref": "#/definitions/count"},
"sockets": {"$ref": "#/definitions/count"},
"vanished": {"$ref": "#/definitions/count"},
"denied": {"$ref": "#/definitions/count"},
"errors": {"$ref": "#/definitions/count"},
"hidepid": {"type": "boolean"},
"other_pid_namespace": {"type": "boolean"},
"complete": {"type": "boolean"}}})";

constexpr std::string_view kOutcome = R"("schema": {"enum": [2]},
"kernel": {"type": "string"},
"kernel_hex": {"$ref": "#/definitions/hex"},
"tables": {"type": "array", "items": {"$ref": "#/definitions/table"}},
"owner_scan": {"$ref": "#/definitions/owner_scan"},
"namespaces": {"$ref": "#/definitions/namespaces"},
"owner_error": {"type": "string"},
"owner_error_hex": {"$ref": "#/definitions/hex"},
"held": {"type": "array", "items": {"$ref": "#/definitions/held"}},
"rows": {"$ref": "#/definitions/count"},
"stopped": {"type": "boolean"},
"interrupted": {"type": "boolean"},
"foreign": {"$ref": "#/definitions/count"},
"damaged": {"$ref": "#/definitions/count"},
"duplicates": {"$ref": "#/definitions/count"},
"unknown_attributes": {"$ref": "#/definitions/count"})";

constexpr std::string_view kRequired =
    ", \"required\": [\"schema\", \"kernel\", \"tables\", \"rows\", \"stopped\", \"interrupted\", "
    "\"foreign\",\n\"damaged\", \"duplicates\", \"unknown_attributes\"]";

// "key": an array whose elements are `items`.
std::string Array(std::string_view key, std::string_view items) {
  return "\"" + std::string(key) + "\": {\"type\": \"array\", \"items\": " + std::string(items) +
         "}";
}

constexpr std::string_view kCount = "{\"$ref\": \"#/definitions/count\"}";
constexpr std::string_view kHex = "{\"$ref\": \"#/definitions/hex\"}";

// Properties that are counts, and one whose value is bytes in hexadecimal digits.
std::vector<std::string> Counts(std::initializer_list<std::string_view> keys,
                                std::string_view hex_key) {
  std::vector<std::string> properties;
  for (const std::string_view key : keys) {
    properties.push_back("\"" + std::string(key) + "\": " + std::string(kCount));
  }
  properties.push_back("\"" + std::string(hex_key) + "\": " + std::string(kHex));
  return properties;
}

// Properties that hold lists. They are not in the field table, where a field has one value.
std::vector<std::string> Lists() {
  return {
      Array("pending_connections", kCount),
      Array("groups", kCount),
      Array("memberships", Object(Counts({"interface", "type", "count"}, "address_hex"))),
      Array("filter", "{\"type\": \"array\", \"minItems\": 4, \"maxItems\": 4,\n\"items\": " +
                          std::string(kCount) + "}"),
      Array("unknown_attributes", Object(Counts({"type", "size"}, "hex"),
                                         ", \"required\": [\"type\", \"size\", \"hex\"]")),
      "\"tcp_info_rest_hex\": " + std::string(kHex),
  };
}

// A socket of --unlisted.
std::string Unlisted() {
  using netdiag::FieldGroup;
  std::vector<std::string> owner;
  for (const Column& column : AllColumns(true)) {
    if (column.field->group == FieldGroup::kOwner) owner.push_back(Property(column));
  }
  std::vector<std::string> properties = Counts({"inode", "netns"}, "protocol_hex");
  properties.push_back("\"protocol\": {\"type\": \"string\"}");
  properties.push_back("\"netns_name\": {\"type\": \"string\"}");
  properties.push_back("\"netns_name_hex\": {\"$ref\": \"#/definitions/hex\"}");
  properties.push_back(Array(Name(FieldGroup::kOwner), Object(owner)));
  return Object(properties, ",\n\"required\": [\"protocol\", \"inode\", \"owners\"]");
}

std::string Socket() {
  using netdiag::FieldGroup;
  std::vector<std::string> properties;
  std::vector<std::string> nested;
  const std::vector<Column> columns = AllColumns(true);
  for (size_t i = 0; i < columns.size(); ++i) {
    const FieldGroup group = columns[i].field->group;
    nested.push_back(Property(columns[i]));
    if (i + 1 < columns.size() && columns[i + 1].field->group == group) continue;
    if (group == FieldGroup::kSocket) {
      properties.swap(nested);
    } else {
      const std::string_view name = Name(group);
      properties.push_back(columns[i].per_owner()
                               ? Array(name, Object(nested))
                               : "\"" + std::string(name) + "\": " + Object(nested));
    }
    nested.clear();
  }
  for (const char* name : {"dev", "user"}) {  // columns of --columns that are names
    properties.push_back("\"" + std::string(name) + "\": {\"type\": \"string\"}");
  }
  for (std::string& list : Lists()) properties.push_back(std::move(list));
  return Object(properties);
}

}  // namespace

std::string JsonSchema() {
  const std::string outcome(kOutcome);
  const auto rows_of = [](std::string_view key, std::string_view definition) {
    return Array(key, "{\"$ref\": \"#/definitions/" + std::string(definition) + "\"}");
  };
  std::string text =
      "{\"$schema\": \"http://json-schema.org/draft-04/schema#\",\n"
      "\"title\": \"diag --json; of --jsonl, each line is a socket, a group or held, the last a "
      "summary\",\n"
      "\"definitions\": {\n";
  text += std::string(kDefinitions) + ",\n\"held\": " + Unlisted() + ",\n\"socket\": " + Socket() +
          ",\n";
  text += "\"summary\": " +
          Object({"\"summary\": " + Object({outcome}, kRequired)}, ", \"required\": [\"summary\"]");
  text += "},\n\"anyOf\": [\n";
  text += Object({outcome, rows_of("sockets", "socket")}, kRequired) + ",\n";
  text += Object({outcome, rows_of("counts", "group")}, kRequired) + ",\n";
  text +=
      "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"held\"],\n"
      "\"properties\": {\"held\": {\"$ref\": \"#/definitions/held\"}}},\n"
      "{\"$ref\": \"#/definitions/summary\"},\n{\"$ref\": \"#/definitions/group\"},\n"
      "{\"$ref\": \"#/definitions/socket\"}]}\n";
  return text;
}

}  // namespace diag
