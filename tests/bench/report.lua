-- SPDX-License-Identifier: MIT
-- What a run tells: progress on the terminal, tables to the screen and to
-- result.txt, all numbers to result.tsv.

local M = {}

local text, tsv, headlines = nil, nil, {}

function M.init(directory)
  text = assert(io.open(directory .. "/result.txt", "w"))
  tsv = assert(io.open(directory .. "/result.tsv", "w"))
  tsv:write("table\trow\teff\tlow\thigh\tus\trate\tp50_ns\tp99_ns\tpairs\tdirty\n")
end

local shown = false

function M.progress(what)
  shown = true
  io.stderr:write("\r\27[K", what)
end

function M.print(fmt, ...)
  local line = select("#", ...) > 0 and fmt:format(...) or fmt
  if shown then
    io.stderr:write("\r\27[K")
    shown = false
  end
  print(line)
  io.stdout:flush()
  text:write(line, "\n")
  text:flush()
end

local function verdict(row)
  if not row.target then
    return ""
  end
  return (">= %.2f %s"):format(row.target, row.eff >= row.target and "met" or "MISSED")
end

-- Rows of compare.run.
function M.rows(rows, what)
  M.print("")
  M.print("%s", rows[1].title)
  M.print("%-26s %5s %13s %6s %9s %8s %8s  %s", "", "eff", "(quartiles)", "rate", what or "us/msg",
    "p50 us", "p99 us", "target")
  for _, r in ipairs(rows) do
    M.print("%-26s %5.2f (%4.2f - %4.2f) %6.2f %9.2f %8.0f %8.0f  %s%s", r.name, r.eff, r.low,
      r.high, r.rates, r.us, r.p50 / 1000, r.p99 / 1000, verdict(r),
      r.dirty > r.pairs // 2 and "  (disturbed)" or "")
    tsv:write(table.concat({ r.title, r.name, r.eff, r.low, r.high, r.us, r.rates, r.p50, r.p99,
      r.pairs, r.dirty }, "\t"), "\n")
    if r.target then
      headlines[#headlines + 1] = r
    end
  end
  tsv:flush()
end

-- A single number; `limit` optional: at most that is wanted.
function M.value(title, name, value, unit, limit)
  local row = { title = title, name = name, value = value, limit = limit }
  M.print("%-40s %9.0f %-10s %s", name, value, unit,
    limit and ("<= %d %s"):format(limit, value <= limit and "met" or "MISSED") or "")
  tsv:write(table.concat({ title, name, value }, "\t"), "\n")
  if limit then
    headlines[#headlines + 1] = row
  end
end

-- The ratios that are promised, once more and together.
function M.headline()
  M.print("")
  M.print("Against what is promised (eff: raw C's CPU time per message / ours)")
  for _, r in ipairs(headlines) do
    if r.limit then
      M.print("  %-44s %-22s %6.2f of the limit  %s", r.title, r.name, r.value / r.limit,
        r.value <= r.limit and "met" or "MISSED")
    else
      M.print("  %-44s %-22s %6.2f  %s", r.title, r.name, r.eff, verdict(r))
    end
  end
end

return M
