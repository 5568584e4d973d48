"""Low-rank adapters: taken out of fine-tuned weights, looked into, cut, and compared before a merge."""

from eigentrail.interventions.lora.audit import audit as audit
from eigentrail.interventions.lora.extract import Extraction as Extraction
from eigentrail.interventions.lora.extract import extract as extract
from eigentrail.interventions.lora.intruders import intruders as intruders
from eigentrail.interventions.lora.merge_check import merge_check as merge_check
from eigentrail.interventions.lora.repair import Repair as Repair
from eigentrail.interventions.lora.repair import repair as repair
from eigentrail.interventions.lora.shrink import shrink as shrink
