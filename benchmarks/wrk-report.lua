-- Makes wrk end with one line of JSON, in the units of load.ts.
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('RESULT {"requests":%d,"errors":%d,"seconds":%f,"p50Us":%d,"p99Us":%d}\n',
    summary.requests, failed, summary.duration / 1e6, latency:percentile(50), latency:percentile(99)))
end
