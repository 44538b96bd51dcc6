"""psutil's own tests of connections, with netdiag in the place of its two functions.

These are all of test_connections.py and the two of test_unicode.py. Those of test_linux.py replace open() or
readlink() inside psutil, which netdiag does not call, so they cannot run here.
"""

import os
import sys
import unittest

import netdiag

# psutil's tests then wait longer for their own processes, and look for Python under this name.
os.environ["CIBUILDWHEEL"] = "1"
os.symlink(os.path.realpath(sys.executable), "python")
os.environ["PATH"] = os.getcwd() + ":" + os.environ["PATH"]

try:
    import psutil
    import psutil.tests.test_connections as theirs
    import psutil.tests.test_unicode as unicode_names
except ImportError as error:  # Debian ships the tests with python3-psutil
    sys.exit("psutil or its tests are missing: %s" % error)

calls = {"net_connections": 0, "process": 0}


def counted(name, function):
    def count(*arguments, **options):
        calls[name] += 1
        return function(*arguments, **options)
    return count


netdiag.replace_psutil()
psutil.net_connections = counted("net_connections", psutil.net_connections)
psutil._pslinux.Process.connections = counted("process", psutil._pslinux.Process.connections)

suite = unittest.TestSuite()
suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(theirs))
for name in ("test_proc_connections", "test_net_connections"):
    suite.addTest(unicode_names.TestFSAPIs(name))
result = unittest.TextTestRunner(verbosity=2).run(suite)
for test, reason in result.skipped:
    print("skipped by psutil:", test, reason)
print("calls:", calls)
if not result.wasSuccessful() or not all(calls.values()) or result.testsRun < 15:
    sys.exit(1)
