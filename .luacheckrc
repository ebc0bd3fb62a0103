-- SPDX-License-Identifier: MIT
std = "lua54"
max_line_length = 100
cache = false
exclude_files = { "build" }
files["tests/**/*_spec.lua"] = { std = "+busted" }
-- Declarations for editors: functions without bodies.
files["scripts/meta"] = { ignore = { "211", "212", "241", "631" } }
