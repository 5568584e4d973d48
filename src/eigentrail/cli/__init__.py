"""The command line. Results go to standard output, progress and notes to standard error.

Exit codes: 0 done; 1 the work failed or `--fail-on` holds; 2 the call or an input is wrong.
"""

from eigentrail.cli.app import main as main
