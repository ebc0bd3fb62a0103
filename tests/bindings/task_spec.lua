-- SPDX-License-Identifier: MIT
-- Tasks: order, ends, cancelling, and that no failure vanishes.

local atools = require "atools"
local runner = require "tests.support.runner"

-- What on_error hears while fn runs and for a while after.
local function heard_by_on_error(fn, seconds)
  local heard = {}
  atools.on_error(function(object, err, traceback)
    heard[#heard + 1] = { object = object, err = err, traceback = traceback }
  end)
  finally(function()
    atools.on_error(nil)
  end)
  fn()
  atools.sleep(seconds or 1.2)
  return heard
end

describe("tasks", function()
  it("start in the order of spawn, after the caller has gone on", function()
    local order = {}
    for i = 1, 5 do
      atools.spawn(function()
        order[#order + 1] = i
      end)
    end
    order[#order + 1] = 0
    atools.sleep(0)
    assert.same({ 0, 1, 2, 3, 4, 5 }, order)
  end)

  it("take turns in order with sleep(0), defer and coroutine.yield", function()
    local order = {}
    local function note(what)
      order[#order + 1] = what
    end
    atools.spawn(function()
      note "a1"
      atools.sleep(0)
      note "a2"
      coroutine.yield()
      note "a3"
    end)
    atools.defer(note, "deferred")
    atools.spawn(function()
      note "b1"
      coroutine.yield()
      note "b2"
    end)
    for _ = 1, 4 do
      atools.sleep(0)
    end
    assert.same({ "a1", "deferred", "b1", "a2", "b2", "a3" }, order)
  end)

  it("get their arguments and give their results, nil among them", function()
    local task = atools.spawn(function(...)
      return select("#", ...), ...
    end, 1, nil, "x", nil)
    assert.same({ n = 6, true, 4, 1, nil, "x", nil }, table.pack(task:join()))
    assert.same({ n = 6, true, 4, 1, nil, "x", nil }, table.pack(task:join()))
  end)

  it("tell their status", function()
    local gate = atools.channel()
    local seen
    local task
    task = atools.spawn(function()
      seen = task:status()
      gate:receive()
    end)
    assert.equal("ready", task:status())
    atools.sleep(0)
    assert.equal("running", seen)
    assert.equal("waiting", task:status())
    gate:send(1)
    assert.equal("ready", task:status())
    task:join()
    assert.equal("done", task:status())
  end)

  it("know the running one, which takes fields", function()
    local task
    task = atools.spawn(function()
      assert.equal(task, atools.current())
      atools.current().data = 7
      atools.current()[1] = "one"
    end)
    assert.is_true(task:join())
    assert.equal(7, task.data)
    assert.equal("one", task[1])
    assert.is_nil(task.other)
    assert.has_error(function()
      task.join = 1
    end, '"join" is a method and cannot be assigned')
  end)

  it("are joined by many, also with a timeout", function()
    local task = atools.spawn(function()
      atools.sleep(0.05)
      return "end"
    end)
    assert.same({ nil, "timeout", "ETIMEDOUT" }, { task:join(0.01) })
    local others = {}
    for i = 1, 3 do
      others[i] = atools.spawn(function()
        return select(2, task:join())
      end)
    end
    for i = 1, 3 do
      assert.same({ true, "end" }, { others[i]:join() })
    end
    assert.same({ true, "end" }, { task:join(0) })
  end)

  it("cannot join themselves", function()
    local task
    task = atools.spawn(function()
      task:join()
    end)
    local ok, message = task:join()
    assert.is_nil(ok)
    assert.matches("a task cannot join itself", message)
  end)

  it("are many at once", function()
    local woken = 0
    local tasks = {}
    for i = 1, 10000 do
      tasks[i] = atools.spawn(function()
        atools.sleep(0.01 + i % 10 / 1000)
        woken = woken + 1
      end)
    end
    for _, task in ipairs(tasks) do
      assert.is_true(task:join())
    end
    assert.equal(10000, woken)
  end)
end)

describe("a task that fails", function()
  it("tells its joiner the message, ESCRIPT and what was raised", function()
    local task = atools.spawn(function()
      error("no luck", 0)
    end)
    assert.same({ n = 4, nil, "no luck", "ESCRIPT", "no luck" }, table.pack(task:join()))
    assert.equal("failed", task:status())
    assert.matches("no luck\nstack traceback:", task:traceback())
  end)

  it("may raise anything", function()
    local broken = setmetatable({}, { __tostring = function()
      error "worse"
    end })
    local cases = {
      { nil, "(error object is a nil value)" },
      { false, "(error object is a boolean value)" },
      { 42, "42" },
      { {}, "(error object is a table value)" },
      { broken, "(error object is a table value)" },
      { setmetatable({}, { __tostring = function() return "mine" end }), "mine" },
    }
    for _, case in ipairs(cases) do
      local _, message, code, err = atools.spawn(error, case[1]):join()
      assert.equal(case[2], message)
      assert.equal("ESCRIPT", code)
      assert.equal(case[1], err)
    end
  end)

  it("keeps the code of an error object", function()
    local task = atools.spawn(function()
      atools.check(nil, "down", "ECONNREFUSED", { host = "x" })
    end)
    local _, message, code, err = task:join()
    assert.equal("down", message)
    assert.equal("ECONNREFUSED", code)
    assert.equal("x", err.detail.host)
  end)

  it("shows its <close> variables what was raised", function()
    local seen
    local value = {}
    atools.spawn(function()
      local _ <close> = setmetatable({}, { __close = function(_, err)
        seen = err
      end })
      error(value)
    end):join()
    assert.equal(value, seen)
  end)

  it("is reported when nobody joins it", function()
    local heard = heard_by_on_error(function()
      atools.spawn(error, "lost")
    end)
    assert.equal(1, #heard)
    assert.equal("lost", heard[1].err)
    assert.matches("lost\nstack traceback:", heard[1].traceback)
  end)

  it("is not reported when somebody does, early or late", function()
    local heard = heard_by_on_error(function()
      local early = atools.spawn(error, "lost")
      atools.spawn(function()
        early:join()
      end)
      local late = atools.spawn(error, "lost")
      atools.sleep(0.3)
      late:join()
    end)
    assert.same({}, heard)
  end)

  it("is reported at the end of the process, with a traceback", function()
    local code, _, err = runner.run("-latools", "-e", "atools.spawn(function() error 'lost' end)")
    assert.equal(0, code)
    assert.matches("error in task:", err)
    assert.matches("lost", err)
    assert.matches("%(command line%):1: in function", err)
  end)

  it("reports to an on_error that may wait, and may itself fail", function()
    local code, out, err = runner.run("-latools", "-e", [[
      atools.on_error(function(object, e)
        atools.sleep(0.01)
        print(object, e)
        error "again"
      end)
      atools.spawn(error, "lost")
      atools.sleep(1.3)]])
    assert.equal(0, code)
    assert.equal("nil\tlost\n", out)
    assert.matches("error in on_error: .*again", err)
  end)
end)

describe("cancel", function()
  it("raises the error object where the task waits", function()
    local caught
    local task = atools.spawn(function()
      local ok, err = pcall(atools.sleep, 100)
      caught = { ok, err.code, tostring(err) }
      error(err, 0)
    end)
    atools.sleep(0)
    assert.is_true(task:cancel("enough"))
    local joined, message, code = task:join()
    assert.same({ nil, "enough", "ECANCELED" }, { joined, message, code })
    assert.same({ false, "ECANCELED", "enough" }, caught)
    assert.equal("cancelled", task:status())
    assert.is_false(task:cancel())
  end)

  it("holds for every later wait, and no loop of pcall stops the engine", function()
    local rounds = 0
    local stop = false
    local task = atools.spawn(function()
      while not stop do
        pcall(atools.sleep, 1)
        rounds = rounds + 1
      end
    end)
    atools.sleep(0)
    task:cancel()
    local start = atools.now()
    atools.sleep(0.05)
    assert.is_true(atools.now() - start < 2)
    assert.is_true(rounds > 2)
    stop = true
    task:join()
  end)

  it("lets a task that has not begun run to its first wait", function()
    local steps = {}
    local task = atools.spawn(function()
      steps[#steps + 1] = "begun"
      atools.sleep(0)
      steps[#steps + 1] = "never"
    end)
    task:cancel()
    task:join()
    assert.same({ "begun" }, steps)
  end)

  it("closes <close> variables, which wait under a shield only", function()
    local order = {}
    local task = atools.spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        order[#order + 1] = tostring(pcall(atools.sleep, 0.01))
        atools.shield(1, atools.sleep, 0.01)
        order[#order + 1] = "shielded"
      end })
      atools.sleep(100)
    end)
    atools.sleep(0)
    task:cancel()
    task:join()
    assert.same({ "false", "shielded" }, order)
  end)

  it("loses no result that was on its way", function()
    local ch = atools.channel()
    local got, later
    local task = atools.spawn(function()
      got = ch:receive()
      later = pcall(atools.sleep, 0)
    end)
    atools.sleep(0)
    ch:send("value")
    task:cancel()
    task:join()
    assert.equal("value", got)
    assert.is_false(later)
  end)

  it("is not a failure to report", function()
    local heard = heard_by_on_error(function()
      local task = atools.spawn(atools.sleep, 100)
      atools.sleep(0)
      task:cancel()
    end)
    assert.same({}, heard)
  end)

  it("can be called by the task on itself", function()
    local task
    task = atools.spawn(function()
      task:cancel("myself")
      return pcall(atools.sleep, 0)
    end)
    local _, ok, err = task:join()
    assert.is_false(ok)
    assert.equal("myself", err.message)
  end)
end)

describe("tasks()", function()
  it("shows each with what it waits for and where", function()
    local function innermost()
      atools.channel():receive()
    end
    local task = atools.spawn(function()
      coroutine.wrap(function()
        innermost()
      end)()
    end)
    atools.sleep(0)
    local mine
    for _, entry in ipairs(atools.tasks()) do
      if entry.task == task then
        mine = entry
      end
    end
    assert.equal("waiting", mine.status)
    assert.equal("receive", mine.waits)
    assert.equal("task", mine.kind)
    assert.matches("in upvalue 'innermost'.*\nresumed in:\n.*task_spec", mine.traceback)
    assert.equal(mine.traceback, task:traceback())
    task:cancel()
    task:join()
  end)
end)

describe("os.exit", function()
  it("ends the process from a task, closing the state or not", function()
    for _, how in ipairs { "os.exit(3)", "os.exit(3, true)" } do
      local code, _, err = runner.run("-latools", "-e", [[
        atools.after(10, print)
        atools.spawn(atools.sleep, 100)
        atools.spawn(function() ]] .. how .. " end)")
      assert.equal(3, code, err)
      assert.equal("", err)
    end
  end)
end)

describe("outside of tasks", function()
  it("what waits raises, telling what to do", function()
    local _, out = runner.stock [[
      local atools = require "atools"
      print(select(2, pcall(atools.sleep, 1)))
      print(select(2, pcall(atools.deadline, 1, print)))
      print(atools.current())]]
    local advice = "outside a task: start it with atools%.run or atools%.spawn\n"
    assert.matches("^cannot wait here: " .. advice .. advice .. "nil\n$", out)
  end)
end)
