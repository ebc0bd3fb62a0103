-- SPDX-License-Identifier: MIT
return require "atools.native" and require "asocket" -- the former preloads the latter
