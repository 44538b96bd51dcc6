# Reads tools/vm/lacks and the results of the guests, and prints the results. A skip that no line of tools/vm/lacks
# expects on its kernel becomes a failure.
#   awk -f check_lacks.awk tools/vm/lacks results
BEGIN { FS = OFS = "\t" }

FNR == NR {
  if ($0 ~ /^#/ || NF < 2) next
  kernels[++lines] = " " $1 " "
  pattern[lines] = $2
  next
}

function is_expected(kernel, text,    i) {
  for (i = 1; i <= lines; i++) {
    if ((kernels[i] == " * " || index(kernels[i], " " kernel " ")) && text ~ pattern[i]) return 1
  }
  return 0
}

$1 == "skipped" {
  split($2, where, " ")
  if (!is_expected(where[1], $3 ": " $4)) {
    $1 = "failed"
    $4 = "skipped, which tools/vm/lacks does not expect: " $4
  }
}

{ print }
