"""Code tables of the 271 and 278 mappings (005010X279A1, 005010X217; domain reference 4.2, 4.3, 5.2, 5.3)."""

from __future__ import annotations

# EB01
ACTIVE = frozenset("12345")
INACTIVE = frozenset("678")
PENDING = frozenset("578")
NON_COVERED = "I"
PLAN_SERVICE_TYPE = "30"
PRIMARY_CARE, OTHER_PAYER, CARD_LOST, NETWORK_RESTRICTION, FACILITY_EPISODE = "L", "R", "T", "N", "X"
CONTACTS = frozenset({"U", "MC"})

# EB06
REMAINING = "29"
TOTALS = frozenset({"21", "22", "23", "24", "25", "26", "27", "32", "34", "35", "36"})

# NM101 of 2120: a payer, and which one
PAYER_ORDER = {"PR": "", "PRP": "primary", "SEP": "secondary", "TTP": "tertiary"}
PRIMARY_CARE_PROVIDER = "P3"

# DTP01 of a coverage or benefit period: which end a single date (D8) states; RD8 states both
PERIOD_BEGINS = frozenset({"291", "307", "292", "346", "348", "356"})
PCP_DATE, DEATH_DATE = "295", "442"
PERIOD_ENDS = frozenset({"347", "349", "357"})

# HCR01 -> status of one decision
ACTIONS = {
    "A1": "certified",
    "A2": "partially-certified",
    "A3": "denied",
    "A4": "pended",
    "A6": "modified",
    "C": "cancelled",
    "CT": "contact-payer",
    "NA": "not-required",
}
CERTIFYING = frozenset({"A1", "A2", "A6"})  # HCR02 is then the authorization number
CERTIFIED_STATUSES = frozenset({"certified", "partially-certified", "modified"})
APPEALS, CANCELS, EXTENDS = frozenset({"1", "2", "N"}), frozenset({"3"}), frozenset({"4", "R", "S"})  # UM02
URGENT = frozenset({"03", "U"})  # UM06
ADMISSION_REVIEW = "AR"  # UM01

# BHT02
RESPONSE = "11"
NOT_RESPONSES = frozenset({"13", "01", "36", "28", "CN"})  # request, cancellation, authority to deduct, inquiry, notice
PROVISIONAL = "19"  # BHT06: further updates follow

# NM108 / REF01
SOCIAL_SECURITY_NUMBER = "34"
GROUP_NUMBER, MEMBER_NUMBER, PLAN_NUMBER = "6P", "1W", "18"
TRACKING_NUMBER, PREVIOUS_NUMBER = "NT", "BB"

EVENT_PROVIDERS = frozenset(("1T", "71", "72", "73", "77", "AAJ", "DD", "DK", "DN", "FA", "G3", "P3", "QB", "QV", "SJ"))
"""NM101 of 2010EA and 2010F."""
NOTIFICATION_GUIDE, INQUIRY_GUIDE = "005010X216", "005010X215"
ADMISSION, ISSUED = "435", "102"
EVENT_DATES = ("AAH", "435", "472")  # DTP01, in order of preference
SERVICE_DATES = ("096", "472")
EFFECTIVE, EXPIRATION = "007", "036"
VALIDITY_FALLBACKS = ("AAH", "472")  # a range here is the validity period when 036 is absent (domain reference 5.4)
DEFAULT_VALIDITY_DAYS = 365
