-- SPDX-License-Identifier: MIT
-- The prompt, fed by a file.

local process = require "tests.support.process"
local runner = require "tests.support.runner"

describe("the prompt", function()
  local function prompt(input)
    local code, out, err = process.run(runner.quoted("-i"), { input = input })
    return out:gsub("^atools[^\n]*\n", ""), err, code
  end

  it("shows the values of expressions", function()
    local out, err, code = prompt("1 + 1, 'two'\n=3\n")
    assert.equal("> 2\ttwo\n> 3\n> \n", out)
    assert.equal("", err)
    assert.equal(0, code)
  end)

  it("asks for more lines", function()
    local out = prompt("for i = 1, 2 do\nprint(i)\nend\n")
    assert.equal("> >> >> 1\n2\n> \n", out)
  end)

  it("shows errors and goes on", function()
    local out, err = prompt("error 'broken'\nx = = 1\nprint 'on'\n")
    assert.matches("on\n", out)
    assert.matches("stdin:1: broken\nstack traceback:", err)
    assert.matches("unexpected symbol near '='", err)
  end)

  it("runs each line in a task that may wait, while the loop goes on", function()
    local out = prompt("atools = require 'atools'\nn = 0\n"
      .. "t = atools.every(0.001, function() n = n + 1 end)\natools.sleep(0.05)\nn > 3\n")
    assert.matches("> true\n", out)
  end)

  it("ends with the input although something is still open", function()
    local _, _, code = prompt("l = require('asocket').listen('127.0.0.1:0', {})\n")
    assert.equal(0, code)
  end)

  -- script(1) gives it a terminal, whose input and output are one open file
  it("loses no output on a terminal that is read slowly", function()
    local code, out = process.run(
      "script -qec " .. process.quote(runner.quoted("-i")) .. " /dev/null | (sleep 0.5; cat)",
      { input = "for i = 1, 20000 do print('line ' .. i) end\n\4" })
    local _, count = out:gsub("line %d+\r?\n", "")
    assert.equal(0, code)
    assert.equal(20000, count)
  end)
end)
