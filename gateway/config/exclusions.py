"""Errors for settings that exclude or need each other.

Sections and the check of the whole document use the same words, so that an error that both find is told once.
"""

BOTH_KEYS = "set api_key or api_key_file, not both"
HEADER_WITHOUT_KEY = "api_key_header needs api_key or api_key_file"
KEY_WITHOUT_CERTIFICATE = "key_file needs cert_file"
END_WITHOUT_HASH = "previous_expires_at needs previous_sha256"
BOTH_GOALS = "conflicts with max_regret: set only one of them"
