# A worker in Ruby: queue-work --queue default -- ruby examples/worker.rb
# Every member of JOBS is a job type; its args are a list (positional) or one value.
require "json"

$stdout.sync = true # every answer at once

def send_line(message)
  puts JSON.generate(message)
end

JOBS = {
  "add" => ->(_, a, b) { a + b },
  "echo" => ->(_, *args) { args.size == 1 ? args[0] : args },
  "sleep" => ->(_, seconds) { sleep(seconds); nil },
  "fail" => ->(_, message = "it was asked to fail") { raise message },
  "progress" => lambda do |id, steps = 4|
    1.upto(steps) do |step|
      send_line(jsonrpc: "2.0", method: "progress", params: { id: id, percent: 100 * step / steps })
    end
    steps
  end
}.freeze

def run(id, job)
  work = JOBS[job["type"]]
  return { error: { code: -32_601, message: "no such job type `#{job['type']}`" } } unless work

  args = job["args"]
  args = args.nil? ? [] : [args] unless args.is_a?(Array)
  { result: work.call(id, *args) }
rescue StandardError => e # a failed job must not end the worker
  { error: { code: 1, message: e.message, data: { type: e.class.name, backtrace: e.backtrace } } }
end

while (line = $stdin.gets) # ends by itself when the master closes it
  message = JSON.parse(line)
  next unless message["method"] == "job"

  send_line({ id: message["id"] }.merge(run(message["id"], message["params"])))
end
