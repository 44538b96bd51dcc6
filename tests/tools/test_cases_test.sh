#!/bin/bash
# A program that died must not count as passed. The reports below are as GoogleTest 1.12 and Bazel 4.2 write them.
set -euo pipefail
cd "$TEST_TMPDIR"
awk_file=$TEST_SRCDIR/$TEST_WORKSPACE/tools/test_cases.awk
failures=0

# expect NAME STATUS WANTED: runs the script on the files log and xml. WANTED has a line "outcome|case|reason" for each
# case.
expect() {
  local got
  got=$(awk -v where=here -v status="$2" -f "$awk_file" log xml | sed 's/\there\t/|/; s/\t/|/')
  [[ $got == "$3" ]] && return
  printf '%s\nwanted:\n%s\ngot:\n%s\n\n' "$1" "$3" "$got"
  failures=$((failures + 1))
}

googletest_report() {
  echo '[==========] Running 4 tests from 1 test suite.' >log
  cat <<'XML' >xml
<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" disabled="1" errors="0" time="0" name="AllTests">
  <testsuite name="A" tests="4" failures="1" disabled="1" skipped="1" errors="0" time="0">
    <testcase name="Passes" file="a.cc" line="4" status="run" result="completed" time="0" classname="A" />
    <testcase name="Skips" file="a.cc" line="5" status="run" result="skipped" time="0" classname="A">
      <skipped message="a.cc:5&#x0A;no &quot;IPv6&quot; &lt;here&gt; &amp; there"><![CDATA[a.cc:5
no "IPv6" <here> & there]]></skipped>
    </testcase>
    <testcase name="DISABLED_Off" file="a.cc" line="7" status="notrun" result="suppressed" time="0" classname="A" />
    <testcase name="Fails" file="a.cc" line="8" status="run" result="completed" time="0" classname="A">
      <failure message="a.cc:8&#x0A;first" type=""><![CDATA[a.cc:8
<testcase name="quoted" classname="A" />
]]>]]&gt;<![CDATA[
<testcase name="quoted" classname="A" />]]></failure>
      <failure message="a.cc:9&#x0A;second" type=""><![CDATA[a.cc:9]]></failure>
    </testcase>
  </testsuite>
</testsuites>
XML
}

# made_up_report TESTCASE_BODY
made_up_report() {
  cat <<XML >xml
<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="tests/a/b_test" tests="1" failures="0" errors="0">
    <testcase name="tests/a/b_test" status="run" duration="0" time="0">$1</testcase>
      <system-out>
Generated test.log (if the file is not UTF-8, then this may be unreadable):
<![CDATA[<testcase name="quoted" classname="A" />]]>
      </system-out>
    </testsuite>
</testsuites>
XML
}

googletest_report
expect "each case counts once" FAILED \
  'passed|A.Passes|
skipped|A.Skips|a.cc:5 no "IPv6" <here> & there
skipped|A.DISABLED_Off|disabled
failed|A.Fails|a.cc:8 first'

echo '[==========] Running 1 test from 1 test suite.' >log
cat <<'XML' >xml
<testsuites tests="1" failures="0" disabled="0" errors="0" time="0" name="AllTests">
    <testcase name="Passes" status="run" result="completed" classname="A" />
</testsuites>
XML
expect "a leak that is found at exit counts" FAILED \
  'passed|A.Passes|
failed|the whole program|FAILED: though no case failed'

echo '<testsuites tests="0" failures="0" disabled="0" errors="0" time="0" name="AllTests">' >xml
expect "a program without cases fails" PASSED 'failed|the whole program|PASSED: reported no case'

made_up_report '<error message="exited with error code 134"></error>'
expect "a crash fails once" FAILED 'failed|the whole program|FAILED: ended before it reported its cases'

made_up_report ''
expect "an early exit with 0 fails" PASSED 'failed|the whole program|PASSED: ended before it reported its cases'

: >xml
expect "a missing report fails" TIMEOUT 'failed|the whole program|TIMEOUT: ended before it reported its cases'

: >log
expect "a missing report and log fail" TIMEOUT 'failed|the whole program|TIMEOUT: though no case failed'

made_up_report ''
expect "a shell test counts as one" PASSED 'passed|tests/a/b_test|'

made_up_report '<error message="exited with error code 1"></error>'
expect "a failed shell test counts as one" FAILED 'failed|tests/a/b_test|FAILED: exited with error code 1'

exit "$failures"
