-- What a watch knows, shared by replicas of which one leads; each step is one run of this.
--
-- The idea: the newest row of each case, what is known of when cases were created, and the events
-- that nobody acknowledged. The invariants: only the holder of the lease reads or changes any of
-- it, since each step names its token, and Redis runs a script alone; what comes of a look is one
-- step, so all of it is kept or nothing; looks have numbers, so one that is sent twice, because its
-- answer was lost, or that comes late, because its caller was cancelled, does nothing more; and none
-- is kept where an earlier one is missing that the caller knows to be kept. What it can't see: what
-- else Redis itself forgets.
--
-- ARGV: the step, the caller's token, then the step's own arguments.
-- KEYS, all in one slot of a cluster, as they hold a hash tag:
--   state     a hash: layout, meta; holder, until when it leads, its last look; the last event
--   cases     a hash: a case, packed, by its id
--   created   a sorted set: ids by the second of their creation
--   missing   a sorted set: the same, of those that a reading was without
--   events    a sorted set: <number>:<event>, by number
-- Times are microseconds of this server's clock.
local LAYOUT = '1'
local STATE, CASES, CREATED, MISSING, EVENTS = unpack(KEYS)
local SETS = {created = CREATED, missing = MISSING}
local step, token = ARGV[1], ARGV[2]
local taken = 2
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Lua would write a large number as 1.7e+15.
local function to_text(number)
    return string.format('%.0f', number)
end

-- Return the next argument. There may be more of them than Lua unpacks; and no argument holds
-- several, as this Lua's MessagePack reads no bytes.
local function take()
    taken = taken + 1
    return ARGV[taken]
end

local function get(name)
    return redis.call('HGET', STATE, name)
end

local function is_holder()
    return get('holder') == token
end

-- A full server refuses a script's first write, unless that needs no memory, and none after it
-- (see journal.lua). So events can be acknowledged there. The key is never there.
local function write_though_full()
    redis.call('DEL', STATE .. ':none')
end

local steps = {}

-- Returns what shows whether this server keeps what it has.
function steps.info()
    return redis.call('INFO', 'memory') .. redis.call('INFO', 'persistence')
end

function steps.claim(length)
    local holder = get('holder')
    if holder and holder ~= token and tonumber(get('held_until')) > now then
        return 0
    end
    write_though_full()
    if holder ~= token then
        redis.call('HSET', STATE, 'layout', LAYOUT, 'holder', token, 'look', 0)
    end
    redis.call('HSET', STATE, 'held_until', to_text(now + length))
    return 1
end

-- Nobody took a lease that has ended and is still the caller's.
function steps.renew(length)
    if not is_holder() then
        return 0
    end
    write_though_full()
    redis.call('HSET', STATE, 'held_until', to_text(now + length))
    return 1
end

function steps.release()
    if not is_holder() then
        return 0
    end
    redis.call('HDEL', STATE, 'holder', 'held_until', 'look')
    return 1
end

function steps.meta()
    return get('meta')
end

function steps.count(begin, stop)
    return redis.call('ZCOUNT', CREATED, begin, '(' .. stop)
end

-- Returns what `ZRANGE` needs to read a piece of those created from one second on and before
-- another: as many as are skipped were read before.
local function find_piece(set, begin, stop, skipped, limit)
    local first = redis.call('ZCOUNT', set, '-inf', '(' .. begin) + skipped
    local left = redis.call('ZCOUNT', set, begin, '(' .. stop) - skipped
    return first, first + math.min(left, limit) - 1
end

-- Returns ids, each followed by its case.
function steps.cases(name, begin, stop, skipped, limit)
    local first, last = find_piece(SETS[name], begin, stop, skipped, tonumber(limit))
    local found = {}
    -- A range that ends before 0 would be counted from the end.
    for _, id in ipairs(last < first and {} or redis.call('ZRANGE', SETS[name], first, last)) do
        found[#found + 1] = id
        found[#found + 1] = redis.call('HGET', CASES, id)
    end
    return found
end

function steps.seconds(begin, stop, skipped, limit)
    local first, last = find_piece(CREATED, begin, stop, skipped, tonumber(limit))
    local found, seconds = {}, {}
    if first <= last then
        found = redis.call('ZRANGE', CREATED, first, last, 'WITHSCORES')
    end
    for i = 2, #found, 2 do
        seconds[#seconds + 1] = tonumber(found[i])
    end
    return seconds
end

-- The arguments: ids.
function steps.find()
    local found = {}
    for i = 1, #ARGV - taken do
        found[i] = redis.call('HGET', CASES, take())
    end
    return found
end

local function keep(id, created, is_missing, row)
    redis.call('HSET', CASES, id, row)
    redis.call('ZADD', CREATED, created, id)
    if is_missing == '1' then
        redis.call('ZADD', MISSING, created, id)
    else
        redis.call('ZREM', MISSING, id)
    end
end

local function forget(id)
    redis.call('HDEL', CASES, id)
    redis.call('ZREM', CREATED, id)
    redis.call('ZREM', MISSING, id)
end

-- The arguments: the look's number, and that of the last one that its caller knows to be kept; how
-- many names and values of the state, cases that are known, that are forgotten, and events there
-- are; then these.
function steps.commit()
    local number, kept = take(), take()
    local fields, known, forgotten, events = take(), take(), take(), take()
    local look = tonumber(get('look'))
    if tonumber(number) <= look then
        return
    end
    -- A replica that takes over may lack the last looks. The caller's notes count on them: without
    -- them, what was there before the watch began would be told as created.
    if look < tonumber(kept) then
        return redis.error_reply('FORGOT a look')
    end
    -- A number is never used again, also where a replica takes over that lacks the last looks: an
    -- acknowledgement that comes late would be of another event.
    local last = math.max(tonumber(get('event') or 0), now)
    -- The first write, for a server that is full.
    redis.call('HSET', STATE, 'look', number, 'event', to_text(last + events))
    for _ = 1, fields do
        redis.call('HSET', STATE, take(), take())
    end
    for _ = 1, known do
        keep(take(), take(), take(), take())
    end
    for _ = 1, forgotten do
        forget(take())
    end
    for i = 1, events do
        local at = to_text(last + i)
        redis.call('ZADD', EVENTS, at, at .. ':' .. take())
    end
end

function steps.pending(after, limit)
    return redis.call('ZRANGEBYSCORE', EVENTS, '(' .. after, '+inf', 'LIMIT', 0, limit)
end

-- The arguments: numbers of events.
function steps.acknowledge()
    for _ = 1, #ARGV - taken do
        local number = take()
        redis.call('ZREMRANGEBYSCORE', EVENTS, number, number)
    end
end

local layout = get('layout')
if layout and layout ~= LAYOUT then
    return redis.error_reply('LAYOUT ' .. LAYOUT .. ' ' .. layout)
end
-- Those that a replica may run which doesn't lead.
local OPEN = {claim = true, renew = true, release = true}
if not OPEN[step] and not is_holder() then
    return redis.error_reply('LOST the lease')
end
-- No step with parameters has more.
return steps[step](unpack(ARGV, 3, 7))
