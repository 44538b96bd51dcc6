# Reads the log and the report (test.xml) of one test that Bazel ran, and prints a line for each test case:
# "passed|failed|skipped <tab> where <tab> case <tab> reason".
#   awk -v where=NAME -v status=PASSED -f test_cases.awk test.log test.xml
# GoogleTest writes the report ("AllTests") after all cases. For a shell script, and for a program that died early,
# Bazel writes a report with a single case and no suite ("classname").
BEGIN { FS = "\n" }

function attribute(name,    text) {
  if (!match($0, " " name "=\"[^\"]*\"")) return ""
  text = substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
  gsub(/&#x0A;/, " ", text)
  gsub(/&#x0D;|&#x9;|&#x09;|\t/, " ", text)
  gsub(/&quot;/, "\"", text)
  gsub(/&apos;/, "'", text)
  gsub(/&lt;/, "<", text)
  gsub(/&gt;/, ">", text)
  gsub(/&amp;/, "\\&", text)
  sub(/ +$/, "", text)
  return text
}

# True if LINE, which begins inside a CDATA section or contains the start of one, ends inside one.
function opens_quote(line) {
  if (!sub(/.*\]\]>/, "", line)) return 1
  return line ~ /<!\[CDATA\[/
}

function put(outcome, name, reason) {
  printf "%s\t%s\t%s\t%s\n", outcome, where, name, reason
  count[outcome]++
}

function end_case() {
  if (outcome == "failed" && suite == "") reason = status ": " reason
  if (outcome != "") put(outcome, name, reason)
  outcome = ""
}

FILENAME != ARGV[ARGC - 1] {  # the log
  if (/^\[==========\] Running /) googletest = 1
  next
}

quoted {  # output of the program under test
  quoted = opens_quote($0)
  next
}

(start = index($0, "<![CDATA[")) {
  quoted = opens_quote($0)
  $0 = substr($0, 1, start - 1)
}

/<testsuites .* name="AllTests"/ { own_report = 1 }

/<testcase / {
  end_case()
  suite = attribute("classname")
  name = suite == "" ? attribute("name") : suite "." attribute("name")
  outcome = "passed"
  reason = ""
  if (/ status="notrun"/) {
    outcome = "skipped"
    reason = "disabled"
  } else if (/ result="skipped"/) {
    outcome = "skipped"
    reason = "without a reason"
  }
}

/<(failure|error) message=/ && outcome != "failed" {
  outcome = "failed"
  reason = attribute("message")
}

/<skipped message=/ { reason = attribute("message") }

END {
  if (googletest && !own_report) {  # The case in Bazel's report stands for none of GoogleTest's.
    put("failed", "the whole program", status ": ended before it reported its cases")
    exit
  }
  end_case()
  if (status != "PASSED" && !count["failed"])
    put("failed", "the whole program", status ": though no case failed")
  else if (!count["passed"] && !count["failed"] && !count["skipped"])
    put("failed", "the whole program", status ": reported no case")
}
