# Prints the lines that did not run of the files whose paths match `pattern`, from the output of `llvm-cov show`.
/^\// { file = $0; sub(/^.*\/(execroot\/[^\/]*|cwd)\//, "", file); sub(/:$/, "", file); next }
file ~ pattern && /^ *[0-9]+\| *0\|/ { print file ":" $0 }
