-- The budget's steps, each one atomic. KEYS (of one hash tag, that is: of one cluster slot):
--   slots   all slots of the last T and the near future, by their time
--   bulk    those of them that are of low priority
--   state   a hash: the server that ran last, the ends of the hold and the pause, the limit's pace
-- ARGV: the step, then n, T, T with its slack, the reach, the hold, and what the step wants.
-- Times are microseconds of this server's clock, the only one.
local SLOTS, BULK, STATE = KEYS[1], KEYS[2], KEYS[3]
local step, start = ARGV[1], tonumber(ARGV[2])
local per, span, reach, hold = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local BATCH = 30000  -- what a process may have at once: what spans so long at the rate
local HASTE = 0.8  -- of an even distance between slots: what was lost can be made good
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function text(number)
    return string.format('%.0f', number)
end

local function get(name)
    return redis.call('HGET', STATE, name) or ''
end

local function ends(name)
    return tonumber(get(name)) or 0
end

local function server()
    local info = redis.pcall('INFO', 'server')
    return type(info) == 'string' and string.match(info, 'run_id:(%w+)') or 'unknown'
end

-- A server that was not the last one may have forgotten slots, and others may not know yet that
-- there is one again. So it is when the clock was put back: slots lie where none can be.
local function look()
    local id = server()
    local strange = redis.call('ZREMRANGEBYSCORE', SLOTS, '(' .. text(now + reach + span), '+inf')
    if strange > 0 or get('server') ~= id or ends('hold') > now + hold then
        redis.call('HSET', STATE, 'server', id, 'hold', text(now + hold))
        redis.call('HDEL', STATE, 'paused')
    end
    redis.call('ZREMRANGEBYSCORE', SLOTS, '-inf', text(now - span))
    redis.call('ZREMRANGEBYSCORE', BULK, '-inf', text(now - span))
end

local function pace()
    return get('pace')
end

local function limit()
    local found = pace()
    return found ~= '' and cjson.decode(found).limit or start
end

local function scores(key, from, to)
    local found = redis.call('ZRANGE', key, from, to, 'WITHSCORES')
    local numbers = {}
    for i = 2, #found, 2 do
        numbers[#numbers + 1] = tonumber(found[i])
    end
    return numbers
end

-- The earliest time from s on at which one more is not more than n in any span: each n that lie
-- within a span keep others away from all spans that hold them.
local function earliest(key, n, s)
    local many = redis.call('ZCARD', key)
    local over = redis.call('ZCOUNT', key, '-inf', text(s - span))  -- no span from s on holds these
    if many - over < n then
        return s
    end
    local first, last = scores(key, over, many - n), scores(key, over + n - 1, many - 1)
    for i = 1, #first do
        if s > last[i] - span and s < first[i] + span then
            s = first[i] + span
        end
    end
    return s
end

-- Low priority leaves a reserve of a tenth (of 1 at least) alone; but when others use up all, it
-- has as much as that reserve in turn with them, so that it does not starve.
local function earliest_bulk(n, s)
    local reserve = n > 1 and math.max(1, math.floor(n / 10)) or 0
    local beside = earliest(SLOTS, n - reserve, s)
    if reserve == 0 then
        return beside
    end
    local before
    repeat
        before = s
        s = earliest(BULK, reserve, earliest(SLOTS, n, s))
    until s == before
    return math.min(s, beside)
end

-- Once half of the limit is used, the rest comes one by one, a little faster than the limit: in a
-- burst the quick processes would have all. Interactive calls need not mind.
local function spaced(rank, n, s)
    if rank == 'interactive' or redis.call('ZCARD', SLOTS) < n / 2 then
        return s
    end
    local latest = redis.call('ZREVRANGE', SLOTS, 0, 0, 'WITHSCORES')[2]
    return math.max(s, math.ceil(latest + HASTE * span / n))
end

local function seen()
    local sent = redis.call('ZCOUNT', SLOTS, text(now - per), text(now))
    return {text(now), sent, limit(), pace()}
end

local function keep()
    local latest = redis.call('ZREVRANGE', SLOTS, 0, 0, 'WITHSCORES')[2]
    local left = (tonumber(latest) or now) + span - now
    redis.call('PEXPIRE', SLOTS, math.ceil(left / 1000) + 1000)
    redis.call('PEXPIRE', BULK, math.ceil(left / 1000) + 1000)
end

-- What follows: how many were not used, their names; then those that were late, each with how long
-- ago it left. One that is not there any more has ended, or the server has forgotten it.
local function hear(count, ...)
    local given = {...}
    for i = 1, count do
        redis.call('ZREM', SLOTS, given[i])
        redis.call('ZREM', BULK, given[i])
    end
    for i = count + 1, #given, 2 do
        local left = text(now - given[i + 1])
        redis.call('ZADD', SLOTS, 'XX', 'GT', left, given[i])
        redis.call('ZADD', BULK, 'XX', 'GT', left, given[i])
    end
end

local steps = {}

function steps.tell(...)
    hear(...)
    keep()
    return seen()
end

-- Tells how the budget stands, when to ask again if there is no slot, and each slot's wait.
function steps.reserve(rank, count, token, ...)
    hear(...)
    local n, waits, again = limit(), {}, 0
    local most = math.max(1, math.floor(n * BATCH / per))
    local s = math.max(now, ends('hold'), ends('paused'))
    for i = 1, math.min(count, most) do
        s = spaced(rank, n, s)
        s = rank == 'bulk' and earliest_bulk(n, s) or earliest(SLOTS, n, s)
        if s > now + reach then
            again = s - now - reach
            break
        end
        redis.call('ZADD', SLOTS, text(s), token .. ':' .. i)
        if rank == 'bulk' then
            redis.call('ZADD', BULK, text(s), token .. ':' .. i)
        end
        waits[i] = s - now
    end
    keep()
    return {seen(), again, waits}
end

function steps.pause(length)
    redis.call('HSET', STATE, 'paused', text(math.max(ends('paused'), now + length)))
    return seen()
end

function steps.adapt(old, new)
    if pace() ~= old then
        return 0
    end
    redis.call('HSET', STATE, 'pace', new)
    return 1
end

-- Whoever lost this server waits as if it had been lost by all: others may still have to notice.
function steps.rejoin()
    local left = ends('hold') - now
    return left > 0 and left or hold
end

look()
local values = {}
for i = 7, #ARGV do
    values[#values + 1] = tonumber(ARGV[i]) or ARGV[i]
end
return steps[step](unpack(values))
