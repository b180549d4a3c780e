-- The journal's steps, each one atomic. ARGV: the step, the prefix of all keys, what the step wants.
--   <prefix>entry:<key>      a hash: the entry, and who holds it until when
--   <prefix>open:<likeness>  the keys that may be on their way, by what a list shows of them
--   <prefix>cases            a hash: the key that has a case
--   <prefix>began, <prefix>settled   all keys by when they began, those settled by when they were
-- Times are microseconds of this server's clock, the only one.
local step, prefix = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function text(number)
    return string.format('%.0f', number)
end

local function get(key, name)
    return redis.call('HGET', prefix .. 'entry:' .. key, name) or ''
end

local function set(key, ...)
    redis.call('HSET', prefix .. 'entry:' .. key, ...)
end

local function is_open(key)
    local state = get(key, 'state')
    return state == 'sent' or state == 'unknown'
end

local function has(key, token)
    return is_open(key) and get(key, 'owner') == token
end

local function is_held(key)
    return is_open(key) and get(key, 'owner') ~= '' and tonumber(get(key, 'until')) > now
end

local function is_taken(case_id)
    return redis.call('HEXISTS', prefix .. 'cases', case_id) == 1
end

local function enter(key, state, case_id)
    local likeness = prefix .. 'open:' .. get(key, 'likeness')
    set(key, 'state', state, 'touched', text(now), 'case_id', case_id)
    if is_open(key) then
        redis.call('SADD', likeness, key)
        redis.call('ZREM', prefix .. 'settled', key)
    else
        redis.call('SREM', likeness, key)
        redis.call('ZADD', prefix .. 'settled', text(now), key)
    end
end

local function settle(key, state, case_id)
    enter(key, state, case_id)
    set(key, 'note', '', 'candidates', '[]')
    if case_id ~= '' then
        redis.call('HSET', prefix .. 'cases', case_id, key)
    end
end

-- What was on its way is in doubt, from this moment on.
local function leave(key)
    if get(key, 'state') == 'sent' then
        enter(key, 'unknown', '')
    end
end

local function begin(key, digest, likeness)
    redis.call('DEL', prefix .. 'entry:' .. key)
    set(key, 'digest', digest, 'likeness', likeness, 'began', text(now))
    set(key, 'note', '', 'candidates', '[]')
    enter(key, 'sent', '')
    redis.call('ZADD', prefix .. 'began', text(now), key)
end

local function hold(key, token, lease)
    set(key, 'owner', token, 'until', text(now + lease))
end

local function row(key)
    if get(key, 'state') == '' then
        return {}
    end
    return redis.call('HMGET', prefix .. 'entry:' .. key, 'digest', 'likeness', 'state', 'began',
        'touched', 'case_id', 'note', 'candidates')
end

local function free(ids)
    local found = {}
    for _, id in ipairs(cjson.decode(ids)) do
        if not is_taken(id) then
            table.insert(found, id)
        end
    end
    return found
end

-- Count those that look the same, for `decide` in entry.py: equal, others, and rivals on their way.
-- What a dead process had sent is in doubt, though nobody has noted that yet.
local function count(key, asked)
    local equals, others, rivals = 0, 0, 0
    for _, each in ipairs(redis.call('SMEMBERS', prefix .. 'open:' .. get(key, 'likeness'))) do
        if each ~= key and get(each, 'state') == 'sent' and is_held(each) then
            rivals = rivals + (tonumber(get(each, 'touched')) <= asked and 1 or 0)
        elseif get(each, 'digest') == get(key, 'digest') then
            equals = equals + 1
        else
            others = others + 1
        end
    end
    return {equals, others, rivals}
end

local steps = {}

function steps.claim(key, token, lease, digest, likeness)
    local state = get(key, 'state')
    if has(key, token) then
        return {1, text(now), row(key)}  -- it came before, and its answer was lost
    elseif state == '' or state == 'rejected' then
        begin(key, digest, likeness)
    elseif not is_open(key) or get(key, 'digest') ~= digest or is_held(key) then
        return {0, text(now), row(key)}
    else
        leave(key)  -- it may have been on its way until its process died
    end
    hold(key, token, lease)
    return {1, text(now), row(key)}
end

-- Renew the leases of many: what follows are keys, each with its token. Names those that are lost.
function steps.renew(lease, ...)
    local given, lost = {...}, {}
    for i = 1, #given, 2 do
        if has(given[i], given[i + 1]) then
            hold(given[i], given[i + 1], lease)
        else
            table.insert(lost, given[i])
        end
    end
    return lost
end

function steps.resend(key, token, lease)
    if not has(key, token) then
        return 0
    end
    enter(key, 'sent', '')
    hold(key, token, lease)
    return 1
end

-- The service says that it was made, so it is noted even when the lease has run out; only what was
-- settled otherwise meanwhile stays. The case's id then comes back.
function steps.confirm(key, digest, case_id)
    if get(key, 'digest') ~= digest then
        return ''
    elseif get(key, 'case_id') ~= '' then
        return get(key, 'case_id')
    end
    local other = redis.call('HGET', prefix .. 'cases', case_id)
    if other and other ~= key then
        set(other, 'note', case_id .. ' was made by another key', 'owner', '')
        local touched = get(other, 'touched')
        enter(other, 'unknown', '')
        set(other, 'touched', touched)
    end
    settle(key, 'confirmed', case_id)
    return case_id
end

function steps.reject(key, token, note)
    if get(key, 'owner') ~= token or not (is_open(key) or get(key, 'state') == 'rejected') then
        return 0
    end
    enter(key, 'rejected', '')
    set(key, 'note', note)
    return 1
end

function steps.doubt(key, token, note, candidates)
    if not has(key, token) then
        return 0
    end
    leave(key)
    set(key, 'note', note, 'candidates', candidates)
    return 1
end

-- Count; and when that is still what the caller has decided upon, settle with the first.
function steps.take(key, token, age, decided, same, alike)
    if get(key, 'owner') == token and get(key, 'state') == 'reconciled' then
        return {2, get(key, 'case_id')}  -- it came before, and its answer was lost
    elseif not has(key, token) then
        return {0, ''}
    end
    same, alike = free(same), free(alike)
    local seen = cjson.encode({same, alike, count(key, now - age)})
    if seen ~= decided then
        return {1, seen}
    end
    settle(key, 'reconciled', same[1])
    return {2, same[1]}
end

function steps.release(key, token)
    if has(key, token) then
        leave(key)
        set(key, 'owner', '')
    end
end

-- Undo a claim that nobody was told of: nothing was sent.
function steps.withdraw(key, token)
    if has(key, token) and get(key, 'state') == 'sent' then
        enter(key, 'rejected', '')
    end
    steps.release(key, token)
end

function steps.resolve(key, case_id)
    local state = get(key, 'state')
    if state == '' then
        return {'it is not in the journal', {}}
    elseif not is_open(key) then
        return {'its state is ' .. state, {}}
    elseif is_held(key) then
        return {'a process is at work on it', {}}
    elseif case_id ~= '' and is_taken(case_id) then
        return {case_id .. " is another key's case", {}}
    end
    settle(key, case_id == '' and 'rejected' or 'reconciled', case_id)
    set(key, 'owner', '')
    return {'', row(key)}
end

function steps.free(ids)
    return free(ids)
end

function steps.keys()
    return redis.call('ZRANGE', prefix .. 'began', 0, -1)
end

function steps.rows(...)
    local found = {}
    for _, key in ipairs({...}) do
        table.insert(found, row(key))
    end
    return found
end

local function forget(key)
    redis.call('HDEL', prefix .. 'cases', get(key, 'case_id'))
    redis.call('ZREM', prefix .. 'settled', key)
    redis.call('ZREM', prefix .. 'began', key)
    redis.call('DEL', prefix .. 'entry:' .. key)
end

-- Forget some of the old; those that look like one in doubt stay, lest their cases be taken for its
-- own. Tells how many are forgotten, and how many stay.
function steps.prune(age, skipped, most)
    local before, gone = '(' .. text(now - age), 0
    local old = redis.call(
        'ZRANGEBYSCORE', prefix .. 'settled', '-inf', before, 'LIMIT', skipped, most)
    for _, key in ipairs(old) do
        if redis.call('EXISTS', prefix .. 'open:' .. get(key, 'likeness')) == 0 then
            forget(key)
            gone = gone + 1
        end
    end
    return {gone, #old - gone}
end

return steps[step](unpack(ARGV, 3))
