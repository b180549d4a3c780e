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

local function row(key, held)
    local columns = {'digest', 'likeness', 'state', 'began', 'touched', 'case_id', 'note', 'candidates'}
    local values = redis.call('HMGET', prefix .. 'entry:' .. key, unpack(columns))
    return {held, text(now), values}
end

local function free(ids)
    local found = {}
    for _, id in ipairs(ids) do
        if not is_taken(id) then
            table.insert(found, id)
        end
    end
    return found
end

-- What a journal knows of those that look the same: see `decide` in entry.py.
local function count(key, asked)
    local equals, others, rivals = 0, 0, 0
    for _, each in ipairs(redis.call('SMEMBERS', prefix .. 'open:' .. get(key, 'likeness'))) do
        local state = get(each, 'state')
        if state == 'unknown' and get(each, 'digest') == get(key, 'digest') then
            equals = equals + 1
        elseif state == 'unknown' then
            others = others + 1
        elseif each ~= key and tonumber(get(each, 'touched')) <= asked and is_held(each) then
            rivals = rivals + 1
        end
    end
    return {equals, others, rivals}
end

local steps = {}

function steps.claim(key, token, lease, digest, likeness)
    local state = get(key, 'state')
    if has(key, token) then
        return row(key, 1)  -- it came before, and its answer was lost
    elseif state == '' or state == 'rejected' then
        begin(key, digest, likeness)
    elseif not is_open(key) or get(key, 'digest') ~= digest or is_held(key) then
        return row(key, 0)
    elseif state == 'sent' then  -- it may have been until its process died
        enter(key, 'unknown', '')
    end
    hold(key, token, lease)
    return row(key, 1)
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
        set(other, 'note', case_id .. ' was made by another key')
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
    enter(key, 'unknown', '')
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
    same, alike = free(cjson.decode(same)), free(cjson.decode(alike))
    local seen = cjson.encode({same, alike, count(key, now - age)})
    if seen ~= decided then
        return {1, seen}
    end
    settle(key, 'reconciled', same[1])
    return {2, same[1]}
end

function steps.release(key, token)
    if has(key, token) then
        set(key, 'owner', '')
    end
end

function steps.resolve(key, case_id)
    local state = get(key, 'state')
    if state == '' then
        return 'it is not in the journal'
    elseif not is_open(key) then
        return 'its state is ' .. state
    elseif is_held(key) then
        return 'a process is at work on it'
    elseif case_id ~= '' and is_taken(case_id) then
        return case_id .. " is another key's case"
    end
    settle(key, case_id == '' and 'rejected' or 'reconciled', case_id)
    set(key, 'owner', '')
    return ''
end

function steps.prune(age, most)
    local before = '(' .. text(now - age)
    local old = redis.call('ZRANGEBYSCORE', prefix .. 'settled', '-inf', before, 'LIMIT', 0, most)
    for _, key in ipairs(old) do
        redis.call('HDEL', prefix .. 'cases', get(key, 'case_id'))
        redis.call('ZREM', prefix .. 'settled', key)
        redis.call('ZREM', prefix .. 'began', key)
        redis.call('DEL', prefix .. 'entry:' .. key)
    end
    return #old
end

return steps[step](unpack(ARGV, 3))
