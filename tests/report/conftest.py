"""Fixtures of a diagnosed network, shared with other rooms."""

from diagnosed_network import browser as browser
from diagnosed_network import findings as findings
from diagnosed_network import skipped as skipped
from diagnosed_network import small as small
from diagnosed_network import summary as summary
