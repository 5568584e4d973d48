"""`python -m eigentrail`."""

from eigentrail.cli import main

main()
