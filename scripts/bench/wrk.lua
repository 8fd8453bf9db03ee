-- Prints wrk's summary as one line of JSON: whole numbers instead of what it rounds for people.
-- A script without request() or response() costs wrk nothing while it runs; with FILES, it has one.
--
-- With PAUSE_MS in the environment, every connection waits about that long before its next request. Then all servers
-- get the same number of requests a second, and latency is the server's: without a pause, a server that is faster than
-- wrk makes wrk's threads wait for one another.
local pause = tonumber(os.getenv("PAUSE_MS"))
if pause then
    delay = function() return math.random(1, 2 * pause - 1) end
end

-- With FILES in the environment, every request asks for one of so many files in so many FOLDERS (files.py makes them), as
-- DRAW says. The requests are made before the load begins, from one seed: every server is asked for the same.
local files, folders, draw = tonumber(os.getenv("FILES")), tonumber(os.getenv("FOLDERS")), os.getenv("DRAW")
if files then
    local requests, count, last = {}, draw == "all" and files or 200000, 0

    local draws = {
        all = function(turn) return turn - 1 end,
        uniform = function() return math.random(0, files - 1) end,
        -- Few are asked for often: the file of rank r about 1/r as often as the first.
        skewed = function() return math.floor(files ^ math.random()) % files end,
        -- As many names as requests: to remember those that were asked for does not help.
        missing = function(turn) return turn - 1 end,
    }
    local name = draw == "missing" and "/%03d/missing-%06d" or "/%03d/%05d"

    init = function()
        math.randomseed(20000)
        for turn = 1, count do
            local number = draws[draw](turn)
            requests[turn] = wrk.format("GET", name:format(number % folders, number))
        end
    end

    request = function()
        last = last % count + 1
        return requests[last]
    end

    if draw == "missing" then
        -- wrk takes every status above 399 for an error: this one is right, and every other ends the load.
        response = function(status)
            if status ~= 404 then error("status " .. status .. " for a name that does not exist") end
        end
    end
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
