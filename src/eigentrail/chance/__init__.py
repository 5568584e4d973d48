"""What chance gives: the null models, and the one place where an observed number is compared with their draws."""

from eigentrail.chance.comparing import LEVEL as LEVEL
from eigentrail.chance.comparing import Compared as Compared
from eigentrail.chance.comparing import Side as Side
from eigentrail.chance.comparing import adjust as adjust
from eigentrail.chance.comparing import compare as compare
from eigentrail.chance.comparing import compare_drawn as compare_drawn
from eigentrail.chance.comparing import p_of as p_of
from eigentrail.chance.comparing import p_text as p_text
from eigentrail.chance.comparing import percentile_of as percentile_of
from eigentrail.chance.comparing import percentile_text as percentile_text
