-- A budget of requests that processes on several machines share; each step is one run of this.
--
-- The idea: a sorted set logs all slots by the time at which they begin, those of the last T and
-- those reserved for the near future. The invariant: no span of T (and its slack) holds more than n
-- of them; a slot is added only at a time at which that stays true, and a report moves a slot
-- later, never earlier. Redis runs a script alone, so no two processes decide upon the same state
-- (https://redis.io/docs/latest/develop/programmability/eval-intro/), and its clock is the only one.
-- What it can't see: slots that a restart or a failover has forgotten, and a clock that was put
-- back. Both show in what is left, and hold all processes up until every one has noticed; a process
-- that has lost the store keeps to its share of n for as long.
--
-- KEYS, all of one hash tag, that is: of one slot of a Redis Cluster
-- (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/):
--   slots   all slots of the last T and the near future, by their time
--   bulk    those of them that have the lowest priority
--   state   a hash: the server that ran last, the ends of the hold, the pause and the even spacing,
--           the pace: that of an adaptive limit, or of one that was refused
-- ARGV: the step, then n, T, T with its slack, the horizon, the hold, the most that n may be raised
-- to, and the step's own arguments.
-- Times are microseconds of this server's clock.
local SLOTS, BULK, STATE = KEYS[1], KEYS[2], KEYS[3]
local step, start = ARGV[1], tonumber(ARGV[2])
local per, span = tonumber(ARGV[3]), tonumber(ARGV[4])
local horizon, hold = tonumber(ARGV[5]), tonumber(ARGV[6])
local ceiling = tonumber(ARGV[7])
-- A reservation gets no more slots than the rate allows in this time (microseconds).
local BATCH_TIME = 30000
-- Of an even distance between slots: closer than that, so that lost time is made up for.
local MIN_SPACING_SHARE = 0.8
-- So long after a refusal all slots are evenly spaced (microseconds).
local EVEN_TIME = 60000000
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Lua would write a large number as 1.7e+15.
local function to_text(number)
    return string.format('%.0f', number)
end

local function get(name)
    return redis.call('HGET', STATE, name) or ''
end

local function get_time(name)
    return tonumber(get(name)) or 0
end

local function server_id()
    local info = redis.pcall('INFO', 'server')
    return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or 'unknown'
end

-- A server that was not the last one may have forgotten slots, and other processes may not know yet
-- that there is one again. When the clock was put back, slots lie farther ahead than any can.
local function refresh()
    local id = server_id()
    local impossible = redis.call(
        'ZREMRANGEBYSCORE', SLOTS, '(' .. to_text(now + horizon + span), '+inf')
    if impossible > 0 or get('server') ~= id or get_time('hold_until') > now + hold then
        redis.call('HSET', STATE, 'server', id, 'hold_until', to_text(now + hold))
        redis.call('HDEL', STATE, 'paused_until')
    end
    redis.call('ZREMRANGEBYSCORE', SLOTS, '-inf', to_text(now - span))
    redis.call('ZREMRANGEBYSCORE', BULK, '-inf', to_text(now - span))
end

local function get_pace()
    return get('adaptive_pace')
end

-- What is stored may have been found under a higher limit than that of whoever asks.
local function get_limit()
    local pace = get_pace()
    return pace ~= '' and math.min(cjson.decode(pace).limit, ceiling) or start
end

local function get_scores(key, from, to)
    local found = redis.call('ZRANGE', key, from, to, 'WITHSCORES')
    local scores = {}
    for i = 2, #found, 2 do
        scores[#scores + 1] = tonumber(found[i])
    end
    return scores
end

-- The earliest time from s on at which one more slot is not more than n in any span: each n slots
-- that lie within a span keep others away from all spans that hold them.
local function find_earliest(key, n, s)
    local total = redis.call('ZCARD', key)
    -- No span that begins at s or later holds these.
    local over = redis.call('ZCOUNT', key, '-inf', to_text(s - span))
    if total - over < n then
        return s
    end
    local first = get_scores(key, over, total - n)
    local last = get_scores(key, over + n - 1, total - 1)
    for i = 1, #first do
        if s > last[i] - span and s < first[i] + span then
            s = first[i] + span
        end
    end
    return s
end

-- Bulk leaves a reserve of a tenth (at least 1) alone; but when others use up all the rest, it may
-- have as many slots as that reserve, in turn with them, so that it does not starve.
local function find_earliest_bulk(n, s)
    local reserve = n > 1 and math.max(1, math.floor(n / 10)) or 0
    local below_reserve = find_earliest(SLOTS, n - reserve, s)
    if reserve == 0 then
        return below_reserve
    end
    local before
    repeat
        before = s
        s = find_earliest(BULK, reserve, find_earliest(SLOTS, n, s))
    until s == before
    return math.min(s, below_reserve)
end

-- Once half of the limit is used, the rest is given one by one, a little faster than the limit: in
-- a burst the quick processes would get all of it. Interactive calls don't wait for that. For a
-- while after a refusal nobody gets a burst: the service may count as a leaky bucket does.
local function space_out(priority, n, s)
    local is_even = now < get_time('even_until')
    if not is_even and (priority == 'interactive' or redis.call('ZCARD', SLOTS) < n / 2) then
        return s
    end
    local share = is_even and 1 or MIN_SPACING_SHARE
    local latest = tonumber(redis.call('ZREVRANGE', SLOTS, 0, 0, 'WITHSCORES')[2]) or 0
    return math.max(s, math.ceil(latest + share * span / n))
end

local function read_state()
    local sent = redis.call('ZCOUNT', SLOTS, to_text(now - per), to_text(now))
    return {to_text(now), sent, get_limit(), get_pace()}
end

local function set_expiry()
    local latest = redis.call('ZREVRANGE', SLOTS, 0, 0, 'WITHSCORES')[2]
    local left = (tonumber(latest) or now) + span - now
    redis.call('PEXPIRE', SLOTS, math.ceil(left / 1000) + 1000)
    redis.call('PEXPIRE', BULK, math.ceil(left / 1000) + 1000)
end

-- The arguments: how many slots were not used, their names, then the late ones, each followed by
-- how long ago its request left. A slot that is not there any more is over, or forgotten.
local function store_reports(unused, ...)
    local reports = {...}
    for i = 1, unused do
        redis.call('ZREM', SLOTS, reports[i])
        redis.call('ZREM', BULK, reports[i])
    end
    for i = unused + 1, #reports, 2 do
        local sent_at = to_text(now - reports[i + 1])
        redis.call('ZADD', SLOTS, 'XX', 'GT', sent_at, reports[i])
        redis.call('ZADD', BULK, 'XX', 'GT', sent_at, reports[i])
    end
end

local steps = {}

function steps.report(...)
    store_reports(...)
    set_expiry()
    return read_state()
end

-- Returns the state, when to ask again if there is no slot, and the wait until each slot.
function steps.reserve(priority, count, token, ...)
    store_reports(...)
    local n, waits, retry_after = get_limit(), {}, 0
    local batch = math.max(1, math.floor(n * BATCH_TIME / per))
    local s = math.max(now, get_time('hold_until'), get_time('paused_until'))
    for i = 1, math.min(count, batch) do
        s = space_out(priority, n, s)
        s = priority == 'bulk' and find_earliest_bulk(n, s) or find_earliest(SLOTS, n, s)
        if s > now + horizon then
            retry_after = s - now - horizon
            break
        end
        redis.call('ZADD', SLOTS, to_text(s), token .. ':' .. i)
        if priority == 'bulk' then
            redis.call('ZADD', BULK, to_text(s), token .. ':' .. i)
        end
        waits[i] = s - now
    end
    set_expiry()
    return {read_state(), retry_after, waits}
end

function steps.pause(length)
    local paused_until = math.max(get_time('paused_until'), now + length)
    redis.call('HSET', STATE, 'paused_until', to_text(paused_until),
        'even_until', to_text(paused_until + EVEN_TIME))
    return read_state()
end

function steps.replace_pace(old, new)
    if get_pace() ~= old then
        return 0
    end
    redis.call('HSET', STATE, 'adaptive_pace', new)
    return 1
end

-- Who has lost this server waits as if all had lost it: others may still have to notice.
function steps.rejoin()
    local left = get_time('hold_until') - now
    return left > 0 and left or hold
end

refresh()
local arguments = {}
for i = 8, #ARGV do
    arguments[#arguments + 1] = tonumber(ARGV[i]) or ARGV[i]
end
return steps[step](unpack(arguments))
