-- The journal of creates that replicas share; each step is one run of this.
--
-- The idea: an entry under each key, held by a lease that its owner renews; whoever finds a key
-- whose lease has ended takes it over, and what was sent under it is then in doubt. The invariants:
-- a key has one owner at a time, and a case belongs to one key at most; what only an owner may do
-- names its token, which no other owner ever has. Redis runs a script alone, so nothing comes
-- between the check of a token and the change
-- (https://redis.io/docs/latest/develop/programmability/eval-intro/); a step that is sent twice,
-- because its answer was lost, does no more than once. What it can't see: whether an owner whose
-- lease has ended still sends (see leases.py), and what Redis itself forgets.
--
-- KEYS: the first of those below. Which others a step needs shows only on the way: in a cluster all
-- are in its slot, as the prefix holds a hash tag
-- (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
-- ARGV: the step, the prefix of all keys, the caller's wall clock, then the step's own arguments.
--   <prefix>layout               the number of this layout, from the first entry on
--   <prefix>entry:<key>          a hash: the entry, its owner, and until when it is leased
--   <prefix>open:<match digest>  a set: the keys sent or in doubt, by what a list shows of them
--   <prefix>cases                a hash: the key that has a case
--   <prefix>created, settled     sorted sets: all keys by created_at, the settled ones by since when
-- Times are microseconds of this server's clock, which decides everything here. What the wall clock
-- of the caller showed is noted beside them: the two together show whether either was set.
local LAYOUT = '2'
local step, prefix, wall = ARGV[1], ARGV[2], ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Lua would write a large number as 1.7e+15.
local function to_text(number)
    return string.format('%.0f', number)
end

-- Keys of a layout without a number have `began` or `created`, and nothing that says which.
local function get_layout()
    local layout = redis.call('GET', prefix .. 'layout')
    if not layout and redis.call('EXISTS', prefix .. 'began', prefix .. 'created') > 0 then
        return 'none'
    end
    return layout or LAYOUT
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

local function is_owner(key, token)
    return is_open(key) and get(key, 'owner') == token
end

local function is_leased(key)
    return is_open(key) and get(key, 'owner') ~= '' and tonumber(get(key, 'leased_until')) > now
end

local function is_taken(case_id)
    return redis.call('HEXISTS', prefix .. 'cases', case_id) == 1
end

local function set_state(key, state, case_id)
    local open_keys = prefix .. 'open:' .. get(key, 'match_digest')
    set(key, 'state', state, 'updated_at', to_text(now), 'updated_wall', wall, 'case_id', case_id)
    if is_open(key) then
        redis.call('SADD', open_keys, key)
        redis.call('ZREM', prefix .. 'settled', key)
    else
        redis.call('SREM', open_keys, key)
        redis.call('ZADD', prefix .. 'settled', to_text(now), key)
    end
end

local function settle(key, state, case_id)
    set_state(key, state, case_id)
    set(key, 'note', '', 'candidates', '[]')
    if case_id ~= '' then
        redis.call('HSET', prefix .. 'cases', case_id, key)
    end
end

-- What was on its way is in doubt, from this moment on.
local function mark_unknown_if_sent(key)
    if get(key, 'state') == 'sent' then
        set_state(key, 'unknown', '')
    end
end

-- A full server refuses a script's first write, unless that needs no memory, and none after it
-- (https://redis.io/docs/latest/develop/programmability/eval-intro/, "partially executed"). So what
-- was sent can be noted when nothing new may be sent. The key is never there.
local function write_though_full()
    redis.call('DEL', prefix .. 'none')
end

local function create_entry(key, digest, match_digest, skew)
    redis.call('SETNX', prefix .. 'layout', LAYOUT)
    redis.call('DEL', prefix .. 'entry:' .. key)
    set(key, 'digest', digest, 'match_digest', match_digest, 'created_at', to_text(now))
    set(key, 'note', '', 'candidates', '[]', 'created_wall', wall, 'skew', skew)
    set_state(key, 'sent', '')
    redis.call('ZADD', prefix .. 'created', to_text(now), key)
end

local function lease(key, token, length)
    set(key, 'owner', token, 'leased_until', to_text(now + length))
end

local function read(key)
    if get(key, 'state') == '' then
        return {}
    end
    return redis.call('HMGET', prefix .. 'entry:' .. key, 'digest', 'match_digest', 'state',
        'created_at', 'updated_at', 'case_id', 'note', 'candidates', 'created_wall',
        'updated_wall', 'skew')
end

local function select_untaken(ids)
    local untaken = {}
    for _, id in ipairs(cjson.decode(ids)) do
        if not is_taken(id) then
            table.insert(untaken, id)
        end
    end
    return untaken
end

-- Count the open creates that look the same, for `decide` in entry.py: those equal to it, others,
-- and rivals on their way. What a dead process had sent is in doubt, though nobody has noted it yet.
local function count_open(key, listed_at)
    local equals, others, rivals = 0, 0, 0
    for _, each in ipairs(redis.call('SMEMBERS', prefix .. 'open:' .. get(key, 'match_digest'))) do
        if each ~= key and get(each, 'state') == 'sent' and is_leased(each) then
            rivals = rivals + (tonumber(get(each, 'updated_at')) <= listed_at and 1 or 0)
        elseif get(each, 'digest') == get(key, 'digest') then
            equals = equals + 1
        else
            others = others + 1
        end
    end
    return {equals, others, rivals}
end

-- Those that only note what was sent, or end it; `claim` and `resend` come before a sending.
local NOTES = {
    renew = true, confirm = true, reject = true, doubt = true, take = true, release = true,
    withdraw = true, resolve = true, prune = true,
}
local steps = {}

-- Returns what shows whether this server keeps what it has.
function steps.info()
    return redis.call('INFO', 'memory') .. redis.call('INFO', 'persistence')
end

function steps.claim(key, token, length, digest, match_digest, skew)
    local state = get(key, 'state')
    if is_owner(key, token) then
        -- The step came before, and its answer was lost.
        return {1, to_text(now), read(key)}
    elseif state == '' or state == 'rejected' then
        create_entry(key, digest, match_digest, skew)
    elseif not is_open(key) or get(key, 'digest') ~= digest or is_leased(key) then
        return {0, to_text(now), read(key)}
    else
        -- It may have been on its way until its owner died.
        mark_unknown_if_sent(key)
    end
    lease(key, token, length)
    return {1, to_text(now), read(key)}
end

-- The arguments: the length of the leases, then keys, each followed by its token. Returns the keys
-- whose leases are lost.
function steps.renew(length, ...)
    local claims, lost = {...}, {}
    for i = 1, #claims, 2 do
        if is_owner(claims[i], claims[i + 1]) then
            lease(claims[i], claims[i + 1], length)
        else
            table.insert(lost, claims[i])
        end
    end
    return lost
end

function steps.resend(key, token, length, skew)
    if not is_owner(key, token) then
        return 0
    end
    set_state(key, 'sent', '')
    set(key, 'skew', skew)
    lease(key, token, length)
    return 1
end

-- The service says that the case was made, so it is noted even when the lease has ended; only what
-- was settled otherwise meanwhile stays. Returns the id of the case that the key has then.
function steps.confirm(key, digest, case_id)
    if get(key, 'digest') ~= digest then
        return ''
    elseif get(key, 'case_id') ~= '' then
        return get(key, 'case_id')
    end
    local other = redis.call('HGET', prefix .. 'cases', case_id)
    if other and other ~= key then
        set(other, 'note', case_id .. ' was made by another key', 'owner', '')
        local updated_at, updated_wall = get(other, 'updated_at'), get(other, 'updated_wall')
        set_state(other, 'unknown', '')
        set(other, 'updated_at', updated_at, 'updated_wall', updated_wall)
    end
    settle(key, 'confirmed', case_id)
    return case_id
end

function steps.reject(key, token, note)
    if get(key, 'owner') ~= token or not (is_open(key) or get(key, 'state') == 'rejected') then
        return 0
    end
    set_state(key, 'rejected', '')
    set(key, 'note', note)
    return 1
end

function steps.doubt(key, token, note, candidates)
    if not is_owner(key, token) then
        return 0
    end
    mark_unknown_if_sent(key)
    set(key, 'note', note, 'candidates', candidates)
    return 1
end

-- Returns what a decision needs; when that is still what the caller has decided upon, settles with
-- the first case. The decision itself is in Python, where both journals share it.
function steps.take(key, token, age, decided, same, alike)
    if get(key, 'owner') == token and get(key, 'state') == 'reconciled' then
        -- The step came before, and its answer was lost.
        return {2, get(key, 'case_id')}
    elseif not is_owner(key, token) then
        return {0, ''}
    end
    same, alike = select_untaken(same), select_untaken(alike)
    local basis = cjson.encode({same, alike, count_open(key, now - age)})
    if basis ~= decided then
        return {1, basis}
    end
    settle(key, 'reconciled', same[1])
    return {2, same[1]}
end

function steps.release(key, token)
    if is_owner(key, token) then
        mark_unknown_if_sent(key)
        set(key, 'owner', '')
    end
end

-- Undo a claim whose caller never had the answer: nothing was sent.
function steps.withdraw(key, token)
    if is_owner(key, token) and get(key, 'state') == 'sent' then
        set_state(key, 'rejected', '')
    end
    steps.release(key, token)
end

-- Returns why it is refused, or nothing and the entry.
function steps.resolve(key, case_id)
    local state = get(key, 'state')
    if state == '' then
        return {'it is not in the journal', {}}
    elseif not is_open(key) then
        return {'its state is ' .. state, {}}
    elseif is_leased(key) then
        return {'a process is at work on it', {}}
    elseif case_id ~= '' and is_taken(case_id) then
        return {case_id .. " is another key's case", {}}
    end
    settle(key, case_id == '' and 'rejected' or 'reconciled', case_id)
    set(key, 'owner', '')
    return {'', read(key)}
end

function steps.untaken(ids)
    return select_untaken(ids)
end

function steps.open_digests(digests)
    local open = {}
    for _, each in ipairs(cjson.decode(digests)) do
        if redis.call('EXISTS', prefix .. 'open:' .. each) == 1 then
            table.insert(open, each)
        end
    end
    return open
end

function steps.keys()
    return redis.call('ZRANGE', prefix .. 'created', 0, -1)
end

function steps.read(...)
    local entries = {}
    for _, key in ipairs({...}) do
        table.insert(entries, read(key))
    end
    return entries
end

local function forget(key)
    redis.call('HDEL', prefix .. 'cases', get(key, 'case_id'))
    redis.call('ZREM', prefix .. 'settled', key)
    redis.call('ZREM', prefix .. 'created', key)
    redis.call('DEL', prefix .. 'entry:' .. key)
end

-- Forget some of the old; those that look like one in doubt stay, or their cases could be taken for
-- its own. Returns how many are forgotten, and how many stay.
function steps.prune(age, skipped, limit)
    local before, forgotten = '(' .. to_text(now - age), 0
    local old = redis.call(
        'ZRANGEBYSCORE', prefix .. 'settled', '-inf', before, 'LIMIT', skipped, limit)
    for _, key in ipairs(old) do
        if redis.call('EXISTS', prefix .. 'open:' .. get(key, 'match_digest')) == 0 then
            forget(key)
            forgotten = forgotten + 1
        end
    end
    return {forgotten, #old - forgotten}
end

if get_layout() ~= LAYOUT then
    return redis.error_reply('LAYOUT ' .. LAYOUT .. ' ' .. get_layout())
end
if NOTES[step] then
    write_though_full()
end
return steps[step](unpack(ARGV, 4))
