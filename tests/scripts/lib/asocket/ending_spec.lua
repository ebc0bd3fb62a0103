-- SPDX-License-Identifier: MIT


describe("stopping with sockets", function()
  it("closes listeners and idle connections at once", function()
    local child = require("tests.support.process").start(([[exec %s -e '
      local atools, asocket = require "atools", require "asocket"
      local listener = asocket.listen("127.0.0.1:0", { on_data = print })
      local _, port = listener:local_address()
      local function gone() print "closed" end
      asocket.connect("127.0.0.1:" .. port, { on_close = gone })
      atools.sleep(0.05)
      atools.stop()
      print(asocket.connect("127.0.0.1:" .. port))']]):format(
      os.getenv("ATOOLS_LUA") or "build/atools-lua"))
    assert.equal(0, child:wait(), child.errors)
    assert.matches("closed", child.output)
    assert.matches("ECONNREFUSED", child.output)
  end)
end)
