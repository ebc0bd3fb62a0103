-- SPDX-License-Identifier: MIT
return require "atools.native" and require "atools" -- the former preloads the latter
