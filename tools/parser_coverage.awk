# Prints how many lines of each parser ran. The first file is tools/parsers; the second has lines "path, lines that ran,
# lines" with tabs between. Fails below 95 % of all lines.
BEGIN { FS = "\t" }
FNR == NR {
  if ($0 !~ /^#/ && $0 != "") pattern = pattern (pattern == "" ? "" : "|") $0
  next
}
{
  sub(/^.*\/(execroot\/[^\/]*|cwd)\//, "", $1)
  if ($1 !~ "^(" pattern ")$" || $3 == 0) next
  printf "%5.1f %% %5d of %5d  %s\n", 100 * $2 / $3, $2, $3, $1 | "sort -k6"
  ran += $2
  lines += $3
}
END {
  close("sort -k6")
  percent = lines > 0 ? 100 * ran / lines : 0
  printf "%5.1f %% %5d of %5d  all parsers\n", percent, ran, lines
  exit percent < 95
}
