"""Runs a command and prints what it took: seconds of CPU, megabytes."""
import resource
import subprocess
import sys

status = subprocess.run(sys.argv[2:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
with open(sys.argv[1], "w") as f:
    f.write("%.3f %.1f\n" % (used.ru_utime + used.ru_stime, used.ru_maxrss / 1024))
sys.exit(status)
