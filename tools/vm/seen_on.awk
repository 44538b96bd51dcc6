# Writes the column "seen on" of docs/kernel.md: the kernels on which a live test that checks the fact has passed.
#   awk -f tools/vm/seen_on.awk RESULTS... docs/kernel.md
# RESULTS are lines as tools/test_cases.awk prints them; "where" begins with the kernel. Kernels that the results name are
# written anew, and all others stay as they are in the document.
BEGIN { FS = "\t" }

FILENAME != ARGV[ARGC - 1] {
  split($2, where, " ")
  if (where[1] !~ /^[0-9]+\.[0-9]+$/) next
  ran[where[1]]
  if ($1 == "passed") passed[where[1], $3]
  next
}

function by_version(list, n,    i, j, kept) {
  for (i = 2; i <= n; i++) {
    kept = list[i]
    for (j = i - 1; j > 0 && newer(list[j], kept); j--) list[j + 1] = list[j]
    list[j + 1] = kept
  }
}

function newer(left, right,    l, r) {
  split(left, l, ".")
  split(right, r, ".")
  return l[1] != r[1] ? l[1] > r[1] : l[2] > r[2]
}

# The kernels of the cell that were not run now, and those that ran where a named test passed.
function seen_on(cell, checks,    kernels, n, list, names, m, i, kernel, text) {
  split(cell, kernels, /[ ,]+/)
  n = 0
  for (i in kernels) if (kernels[i] ~ /^[0-9]/ && !(kernels[i] in ran)) list[++n] = kernels[i]
  m = split(checks, names, /[ ,;()|]+/)
  for (kernel in ran) {
    for (i = 1; i <= m; i++)
      if ((kernel, names[i]) in passed) {
        list[++n] = kernel
        break
      }
  }
  by_version(list, n)
  for (i = 1; i <= n; i++) text = text (i > 1 ? ", " : "") list[i]
  return text
}

/^\| fact \|/ { in_table = 1 }
!/^\|/ { in_table = 0 }
in_table && !/^\| fact \|/ && !/^\|---/ {
  # An empty part, fact, source, since, seen on, checked by, and an empty part.
  cells = split($0, cell, /\|/)
  if (cells == 7) {
    text = seen_on(cell[5], cell[6])
    cell[5] = text == "" ? " " : " " text " "
    $0 = ""
    for (i = 2; i < cells; i++) $0 = $0 "|" cell[i]
    $0 = $0 "|"
  } else {
    printf "docs/kernel.md has a row of %d cells: %s\n", cells - 2, $0 >"/dev/stderr"
    bad = 1
  }
}
{ print }
END { exit bad }
