-- A budget of requests that processes on several machines share; each step is one run of this.
--
-- The idea: a sorted set logs all slots by the time at which they begin, those of the last T and
-- those reserved for the near future. The invariant: no span of T (and its slack) holds more than n
-- of them; a slot is added only at a time at which that stays true, and a report moves a slot
-- later, never earlier. Redis runs a script alone, so no two processes decide upon the same state
-- (https://redis.io/docs/latest/develop/programmability/eval-intro/), and its clock is the only one.
-- What it can't see: slots that a restart or a failover has forgotten, a clock that was put back,
-- and what others send while they are cut off. The first two show in what is left, and hold all
-- processes up until every one has noticed; who comes back says what it sent meanwhile.
--
-- KEYS, all of one hash tag, that is: of one slot of a Redis Cluster
-- (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/):
--   slots   all slots of the last T and the near future, by their time
--   bulk    those of them that have the lowest priority
--   state   a hash: the server that ran last, and when; the terms of those who use it, and until
--           when they hold; the hold, the pause and the even spacing; the latest slot of each
--           priority; the pace: that of an adaptive limit, or of one that was refused
--   shares  a hash: how many slots each process had in a hold
--   asking  one for each priority: who wanted more than a batch lately, and until when that counts
-- ARGV: the step, then n, T, T with its slack, the horizon, the hold, the most that n may be raised
-- to, 1 for an adaptive limit, the round trip of the process, and the step's own arguments.
-- Times are microseconds of this server's clock.
local SLOTS, BULK, STATE, SHARES = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local step, start = ARGV[1], tonumber(ARGV[2])
local per, span = tonumber(ARGV[3]), tonumber(ARGV[4])
local horizon, hold = tonumber(ARGV[5]), tonumber(ARGV[6])
local ceiling, is_adaptive = tonumber(ARGV[7]), ARGV[8] == '1'
local round_trip = tonumber(ARGV[9])
-- A reservation gets no more slots than the rate allows in this time (microseconds), or than all
-- who want more can use until their next ones arrive.
local BATCH_TIME = 30000
-- Of a round trip: what a batch lasts for, so that the next one may be a little late.
local BATCH_ROUND_TRIPS = 1.0
-- One process that was far away makes all batches larger, and that less and less.
local DECAY = 0.98
-- Slots lie farther ahead for who is farther away, but no farther than this (microseconds).
local MAX_ROUND_TRIP = 400000
-- What a process needs to notice that the server is back: to connect, to sign in, to load a script.
local NOTICE_ROUND_TRIPS = 7
local RANKS = {interactive = 1, worker = 2, bulk = 3}
-- Of an even distance between slots: closer than that, so that lost time is made up for; but not so
-- close that a second without a gap holds as many as T may, which would leave nothing of the slack
-- to a process that is farther from the service than the others.
local MIN_SPACING_SHARE = 0.985
-- What bulk has of the limit while others use all that they get.
local BULK_SHARE = 0.22
-- Of the limit, what workers and bulk leave free while there are interactive calls: the line of the
-- others is as long as their round trips, and who comes now must not wait behind it.
local INTERACTIVE_SHARE = 0.02
-- So long after a slot of a higher rank more of them are expected (microseconds).
local OTHERS_TIME = 60000000
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

-- While it holds, no slot is given, but to who has sent nothing for a T: its share.
local function start_hold(since, length)
    local hold_until = since + length + NOTICE_ROUND_TRIPS * round_trip
    if hold_until > get_time('hold_until') then
        redis.call('HSET', STATE, 'hold_since', to_text(since), 'hold_for', to_text(length),
            'hold_until', to_text(hold_until))
    end
end

-- A server that was not the last one may have forgotten slots, and other processes may not know yet
-- that there is one again. When the clock was put back, slots lie farther ahead than any can. When
-- nobody was here for so long that all may have begun to use their own share, that is noted: they
-- come back one by one.
local function refresh()
    local id, seen_at = server_id(), get_time('seen_at')
    local farthest = now + horizon + 1.5 * MAX_ROUND_TRIP
    local impossible = redis.call(
        'ZREMRANGEBYSCORE', SLOTS, '(' .. to_text(farthest + span), '+inf')
    if impossible > 0 or get('server') ~= id
            or get_time('hold_until') > now + hold + NOTICE_ROUND_TRIPS * 1000000 then
        redis.call('HDEL', STATE, 'paused_until', 'hold_until', 'latest_1', 'latest_2', 'latest_3')
        redis.call('HSET', STATE, 'server', id)
        start_hold(now, hold)
    elseif now - seen_at > span then
        redis.call('HSET', STATE, 'gap_from', to_text(seen_at), 'gap_to', to_text(now))
    end
    redis.call('HSET', STATE, 'seen_at', to_text(now))
    redis.call('ZREMRANGEBYSCORE', SLOTS, '-inf', to_text(now - span))
    redis.call('ZREMRANGEBYSCORE', BULK, '-inf', to_text(now - span))
end

-- All who use a name must have one limit; another one may follow when the slots of the first are
-- over. What an adaptive limit found is nothing to a fixed one.
local function check_terms()
    local kind = is_adaptive and 'adaptive' or 'fixed'
    local terms = to_text(start) .. ' ' .. to_text(per) .. ' ' .. kind
    local known = get('terms')
    if known ~= terms then
        if known ~= '' and get_time('terms_until') > now then
            return 'TERMS ' .. known
        end
        if known ~= '' and string.match(known, '%a+$') ~= kind then
            redis.call('HDEL', STATE, 'adaptive_pace')
        end
        redis.call('HSET', STATE, 'terms', terms)
    end
    redis.call('HSET', STATE, 'terms_until', to_text(now + span + horizon))
end

local function get_pace()
    return get('adaptive_pace')
end

-- What is stored may have been found under a higher limit than that of whoever asks; what can't be
-- read says nothing.
local function get_limit()
    local is_read, pace = pcall(cjson.decode, get_pace())
    local limit = is_read and type(pace) == 'table' and tonumber(pace.limit)
    return limit and math.max(math.min(limit, ceiling), 1) or start
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
-- that lie within a span keep others away from all spans that hold them. (Those that lie farther
-- apart keep nobody away: there is room between them.)
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
        local is_within = last[i] < first[i] + span
        if is_within and s > last[i] - span and s < first[i] + span then
            s = first[i] + span
        end
    end
    return s
end

-- While there are others, bulk leaves a reserve of a tenth (at least 1) alone; but when they use up
-- all the rest, it may have as many slots as that reserve, in turn with them, so that it does not
-- starve. While others want more than they get, it has about a fifth, however many its processes are.
local function find_earliest_bulk(n, s)
    local is_alone = now > math.max(get_time('latest_1'), get_time('latest_2')) + OTHERS_TIME
    local reserve = n > 1 and not is_alone and math.max(1, math.floor(n / 10)) or 0
    local below_reserve = find_earliest(SLOTS, n - reserve, s)
    if reserve == 0 then
        return below_reserve
    end
    local is_pressed = redis.call('ZCOUNT', KEYS[5], to_text(now), '+inf')
        + redis.call('ZCOUNT', KEYS[6], to_text(now), '+inf') > 0
    local most = is_pressed and math.max(reserve, math.floor(n * BULK_SHARE)) or reserve
    local before
    repeat
        before = s
        s = find_earliest(BULK, most, find_earliest(SLOTS, n, s))
    until s == before
    return is_pressed and s or math.min(s, below_reserve)
end

-- Once half of the limit is used, the rest is given one by one, a little faster than the limit: in
-- a burst the quick processes would get all of it. Interactive calls don't wait for that, and nobody
-- for what comes after it in rank: else workers would queue behind bulk. For a while after a refusal
-- nobody gets a burst: the service may count as a leaky bucket does. Nor do all at once after a hold.
local function space_out(rank, n, s, is_ahead)
    local is_even, latest = now < get_time('even_until'), 0
    local is_rushed = now < get_time('hold_until') + span
    local is_free = rank == 1 or not is_rushed and redis.call('ZCARD', SLOTS) < n / 2
    if is_free and not is_even and not is_ahead then
        return s
    end
    for other = 1, is_even and 3 or rank do
        latest = math.max(latest, get_time('latest_' .. other))
    end
    return math.max(s, math.ceil(latest + (is_even and 1 or MIN_SPACING_SHARE) * span / n))
end

-- Who wants more than a batch takes turns with all others that do, and that are not below it in
-- rank: so each gets as much, however much it wants, and the line is no longer than it must be.
-- Returns the batch, and how many slots to leave free in T: where one process is farther from the
-- service than others, its requests arrive later, and a large batch of them among those of others.
local function get_batch(rank, n, asker, count)
    local farthest = math.max(round_trip, DECAY * get_time('round_trip'))
    local others = 0
    for other = 1, rank do
        redis.call('ZREMRANGEBYSCORE', KEYS[4 + other], '-inf', to_text(now))
        others = others + redis.call('ZCARD', KEYS[4 + other])
    end
    if not redis.call('ZSCORE', KEYS[4 + rank], asker) then
        others = others + 1
    end
    local near = math.max(1, math.floor(n * BATCH_TIME / per))
    local batch = math.max(near, math.ceil(n * BATCH_ROUND_TRIPS * farthest / per / others))
    if count > batch then
        local turns = span + 3 * farthest
        redis.call('ZADD', KEYS[4 + rank], to_text(now + turns), asker)
        redis.call('PEXPIRE', KEYS[4 + rank], math.ceil(turns / 1000) + 1000)
        redis.call('HSET', STATE, 'round_trip', to_text(farthest))
    end
    return math.min(count, batch), others > 1 and math.min(batch - near, math.floor(n / 10)) or 0
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
    local latest = unused > 0 and tonumber(redis.call('ZREVRANGE', SLOTS, 0, 0, 'WITHSCORES')[2])
    for rank = 1, latest and 3 or 0 do
        local field = 'latest_' .. rank
        redis.call('HSET', STATE, field, to_text(math.min(get_time(field), latest)))
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

local function take(rank, name, s)
    redis.call('ZADD', SLOTS, to_text(s), name)
    if rank == 3 then
        redis.call('ZADD', BULK, to_text(s), name)
    end
    if s > get_time('latest_' .. rank) then
        redis.call('HSET', STATE, 'latest_' .. rank, to_text(s))
    end
end

-- During a hold: how many of its share a process may still have.
local function take_share(asker, count, share)
    count = math.min(count, share - (tonumber(redis.call('HGET', SHARES, asker)) or 0))
    redis.call('HINCRBY', SHARES, asker, count)
    redis.call('PEXPIRE', SHARES, math.ceil((get_time('hold_until') - now) / 1000))
    return count
end

-- Returns the state, when to ask again if there is no slot, and the wait until each slot. Of the
-- slots wanted those beyond ``waiting`` are for whoever comes next, and so evenly spaced. ``lag``
-- is how long the answer takes: no slot begins before. ``share`` is that of one process, for
-- who has been idle for a T when a hold began.
function steps.reserve(priority, count, waiting, lag, share, is_idle, token, ...)
    local contradiction = check_terms()
    if contradiction then
        return redis.error_reply(contradiction)
    end
    store_reports(...)
    local rank, n, waits, retry_after = RANKS[priority], get_limit(), {}, 0
    local asker = string.match(token, '^[^:]+')
    local hold_until = get_time('hold_until')
    local margin
    count, margin = get_batch(rank, n, asker, count)
    n = n - margin
    if rank > 1 and now < get_time('latest_1') + OTHERS_TIME then
        n = n - math.floor(n * INTERACTIVE_SHARE)
    end
    if now < hold_until and (is_idle == 1 or redis.call('HEXISTS', SHARES, asker) == 1) then
        local left = take_share(asker, count, share)
        count, hold_until = left > 0 and left or count, left > 0 and 0 or hold_until
    end
    local farthest = now + horizon + 1.5 * math.min(round_trip, MAX_ROUND_TRIP)
    local s = math.max(now + lag, hold_until, get_time('paused_until'))
    for i = 1, count do
        s = space_out(rank, n, s, i > waiting)
        s = rank == 3 and find_earliest_bulk(n, s) or find_earliest(SLOTS, n, s)
        if s > farthest then
            retry_after = s - farthest
            break
        end
        take(rank, token .. ':' .. i, s)
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

-- Whoever comes back says for how long it was away, and how long ago it sent what in its own share.
-- If nobody was here then, others are still away, and send. What a reservation reads is read here
-- as well: who comes back to what can't be read stays away.
function steps.rejoin(lost_for, name, ages)
    local i, since = 0, get_time('gap_to')
    for age in string.gmatch(ages, '%d+') do
        i = i + 1
        redis.call('ZADD', SLOTS, to_text(now - age), name .. ':' .. i)
    end
    if get_time('gap_from') <= now - lost_for and now - lost_for < since then
        start_hold(since, hold - span)
    end
    if now < get_time('hold_until') then
        start_hold(get_time('hold_since'), get_time('hold_for'))
    end
    redis.call('ZCARD', BULK)
    read_state()
    return math.max(get_time('hold_until') - now, 0)
end

refresh()
local arguments = {}
for i = 10, #ARGV do
    arguments[#arguments + 1] = tonumber(ARGV[i]) or ARGV[i]
end
return steps[step](unpack(arguments))
