-- Prints wrk's summary as one line of JSON: whole numbers instead of what it rounds for people.
-- A script without request() or response() costs wrk nothing while it runs.
--
-- With PAUSE_MS in the environment, every connection waits about that long before its next request. Then all servers
-- get the same number of requests a second, and latency is the server's: without a pause, a server that is faster than
-- wrk makes wrk's threads wait for one another.
local pause = tonumber(os.getenv("PAUSE_MS"))
if pause then
    delay = function() return math.random(1, 2 * pause - 1) end
end

done = function(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "seconds": %.6f, "bytes": %d, "connect": %d, "read": %d, "write": %d, "status": %d, '
            .. '"timeout": %d, "mean": %.1f, "p50": %.1f, "p75": %.1f, "p90": %.1f, "p99": %.1f}\n',
        summary.requests, summary.duration / 1e6, summary.bytes,
        errors.connect, errors.read, errors.write, errors.status, errors.timeout,
        latency.mean, latency:percentile(50), latency:percentile(75), latency:percentile(90), latency:percentile(99)))
end
