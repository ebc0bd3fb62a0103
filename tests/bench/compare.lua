-- SPDX-License-Identifier: MIT
-- Paired comparison. The machine's speed drifts by a fifth over minutes, so a
-- server is only ever compared with the slice of raw C measured right before
-- its own; the result is the median over many such pairs, and a second raw
-- server among the candidates shows what difference means nothing.

local M = {}

local STRANGERS = 0.15 -- of a CPU; a slice with more is measured again
local RETRIES = 3

-- The value that `share` of the (sorted) list do not exceed.
local function at(sorted, share)
  return sorted[math.max(1, math.ceil(share * #sorted))]
end

-- median, first and third quartile
function M.quartiles(list)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local n = #sorted
  local middle = n % 2 == 1 and sorted[n // 2 + 1] or (sorted[n // 2] + sorted[n // 2 + 1]) / 2
  return middle, at(sorted, 0.25), at(sorted, 0.75)
end

-- One slice by fn() -> answer of the load generator; adds us per message.
function M.slice(fn)
  local answer
  for _ = 1, RETRIES do
    answer = fn()
    local strangers = (answer.machine - answer.server - answer.load) / answer.took
    answer.dirty = strangers > STRANGERS
    if not answer.dirty then
      break
    end
  end
  answer.us = answer.server / math.max(answer.messages, 1) / 1000
  return answer
end

local function collect(row, raw, own)
  row.effs[#row.effs + 1] = raw.us / own.us
  row.us[#row.us + 1] = own.us
  row.p50[#row.p50 + 1] = own.p50
  row.p99[#row.p99 + 1] = own.p99
  row.rates[#row.rates + 1] = (own.messages / own.took) / (raw.messages / raw.took)
  row.dirty = row.dirty + (own.dirty and 1 or 0) + (raw.dirty and 1 or 0)
end

-- raw() and each candidate's measure() are slices. Candidates: name, rounds,
-- target (optional), measure. -> rows in their order
function M.run(title, raw, candidates, progress)
  local rounds, rows = 0, {}
  for i, c in ipairs(candidates) do
    rounds = math.max(rounds, c.rounds)
    rows[i] = { title = title, name = c.name, target = c.target, dirty = 0, effs = {}, us = {},
      p50 = {}, p99 = {}, rates = {} }
  end
  for round = 1, rounds do
    progress(("%s: %d of %d"):format(title, round, rounds))
    for i, c in ipairs(candidates) do
      if round <= c.rounds then
        local before = M.slice(raw)
        collect(rows[i], before, M.slice(c.measure))
      end
    end
  end
  for _, row in ipairs(rows) do
    row.pairs = #row.effs
    row.eff, row.low, row.high = M.quartiles(row.effs)
    for _, name in ipairs { "us", "p50", "p99", "rates" } do
      row[name] = (M.quartiles(row[name]))
    end
  end
  return rows
end

-- Echo of `size`-byte messages, `depth` at once, over `connections` to each.
-- servers: raw first; each: process, name, rounds, target.
function M.echo(load, shape, servers, seconds, progress)
  local function work(group)
    return load:ask("work", group, shape.connections, shape.size, shape.depth or 1, seconds)
  end
  local function connects(group)
    return load:ask("connects", group, shape.connections, seconds)
  end
  local act = shape.connects and connects or work
  local candidates = {}
  for i, s in ipairs(servers) do
    local group = "g" .. i
    load:ask("open", group, s.process.pid, s.process.address,
      shape.connects and 1 or shape.connections)
    act(group) -- warm
    candidates[i] = {
      name = s.name, rounds = s.rounds, target = s.target,
      measure = function()
        return act(group)
      end,
    }
  end
  local raw = table.remove(candidates, 1)
  local rows = M.run(shape.title, raw.measure, candidates, progress)
  for i = 1, #servers do
    load:ask("close", "g" .. i)
  end
  return rows
end

return M
