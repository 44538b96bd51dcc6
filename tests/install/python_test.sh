#!/bin/bash
# The Python package as it is installed: its own tests, and psutil's tests of connections with our functions in the place of
# psutil's. Runs in a network namespace of its own.
set -euo pipefail
source tools/install/files.sh
if [[ ${1-} != inside ]]; then
  exec unshare --net -- "$BASH" "$0" inside
fi
readonly prefix=$TEST_TMPDIR/usr
# As `ip link set lo up`.
/usr/bin/python3 - <<'END'
import fcntl, socket, struct
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x41))
END
install_files . . '' "$prefix" 0
PYTHONPATH=$prefix/$(install_python_directory "$prefix")
export PYTHONPATH
cp tests/install/*.py "$TEST_TMPDIR"
# The example of the document.
awk '/^```python/ { code = 1; next } /^```/ { code = 0 } code' docs/embedding.md >"$TEST_TMPDIR/example.py"
cd "$TEST_TMPDIR" # so that nothing comes from the tree
/usr/bin/python3 -W error netdiag_test.py
/usr/bin/python3 psutil_test.py
[[ -s example.py ]] && /usr/bin/python3 example.py
uninstall_files '' "$prefix"
[[ ! -e $prefix ]] || { echo "FAILED: $(find "$prefix") was left" >&2; exit 1; }
