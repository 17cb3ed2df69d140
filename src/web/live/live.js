// SPDX-License-Identifier: MIT
//
// The live page: takes the server's events and draws them. Everything that comes is put in as text, never as markup.
'use strict';

const KEPT = 600;           // samples, one a second
const SILENCE_MS = 5000;    // after which a connection counts as lost
const AGAIN_MS = 2000;
const SVG = 'http://www.w3.org/2000/svg';

const byId = (id) => document.getElementById(id);
const past = {};         // series by name, oldest first
let state = null, paused = false, range = 300, source = null, heard = 0, problems = null;

// --- words ---------------------------------------------------------------------------------------------------------

function bytes(n) {
    const units = ['B', 'KB', 'MB', 'GB', 'TB', 'PB'];
    let unit = 0;
    while (n >= 1024 && unit < units.length - 1) {
        n /= 1024;
        unit++;
    }
    return (unit > 0 && n < 10 ? n.toFixed(1) : Math.round(n)) + '\u00a0' + units[unit];
}

const rate = (n) => bytes(n) + '/s';
const whole = (n) => n.toLocaleString('en').replace(/,/g, '\u202f');

function micros(us) {
    if (us < 1000) return us + '\u00a0µs';
    if (us < 1e6) return (us < 1e4 ? (us / 1e3).toFixed(1) : Math.round(us / 1e3)) + '\u00a0ms';
    return (us / 1e6).toFixed(1) + '\u00a0s';
}

function duration(ms) {
    const s = Math.floor(ms / 1000), min = Math.floor(s / 60), h = Math.floor(min / 60), d = Math.floor(h / 24);
    if (d > 0) return d + ' d ' + h % 24 + ' h';
    if (h > 0) return h + ' h ' + min % 60 + ' min';
    return min > 0 ? min + ' min ' + s % 60 + ' s' : s + ' s';
}

// --- the tree ------------------------------------------------------------------------------------------------------

function make(name, attributes, ...children) {
    const node = document.createElement(name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.append(...children);
    return node;
}

function draw(name, attributes, ...children) {
    const node = document.createElementNS(SVG, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.append(...children);
    return node;
}

// What did not change is left alone: a selection in it stays, and nothing is read out again.
function put(node, text) {
    text = String(text);
    if (node.textContent !== text) node.textContent = text;
}

function mark(node, name, value) {
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// As many children as there are items, each made once and then filled anew.
function fill(parent, items, begin, update) {
    while (parent.children.length > items.length) parent.lastElementChild.remove();
    items.forEach((item, i) => {
        if (i >= parent.children.length) parent.append(begin());
        update(parent.children[i], item);
    });
}

// --- the cards -----------------------------------------------------------------------------------------------------

const CARDS = [
    {series: 'received_per_s', title: 'Traffic in', say: rate, more: (s) => bytes(s.traffic.received_bytes) + ' in all'},
    {series: 'sent_per_s', title: 'Traffic out', say: rate, more: (s) => bytes(s.traffic.sent_bytes) + ' in all'},
    {series: 'connections', title: 'Connections', say: whole, more: (s) => whole(s.connections.accepted) + ' accepted'},
    {series: 'requests_per_s', title: 'HTTP requests', say: (n) => whole(n) + '/s',
        more: (s) => whole(s.http.requests) + ' in all'},
    {series: 'lag_worst_us', title: 'Loop lag, worst', say: (n) => n > 0 ? '< ' + micros(n) : '0',
        more: (s) => micros(s.loop.lag_mean_us) + ' on average'},
    {series: 'memory_bytes', title: 'Memory', say: bytes, more: (s) => 'of ' + bytes(s.memory.max_bytes) + ' allowed'},
];

function makeCard(card) {
    card.value = make('p', {class: 'value'}, '–');
    card.note = make('p', {class: 'more'}, '\u00a0');
    card.area = draw('path', {class: 'area'});
    card.edge = draw('path', {class: 'edge'});
    card.graph = draw('svg', {viewBox: '0 0 100 40', preserveAspectRatio: 'none', role: 'img', 'aria-label': card.title},
        card.area, card.edge);
    return make('div', {class: 'card tile'}, make('h3', {}, card.title), card.value, card.note, card.graph);
}

// The newest stands at the right; the highest of what is shown nearly reaches the top.
function drawGraph(card, values) {
    const shown = values.slice(-range), most = Math.max(1, ...shown), step = 100 / (range - 1);
    const points = shown.map((value, i) => {
        const x = 100 - (shown.length - 1 - i) * step, y = 39 - value / most * 35;
        return x.toFixed(2) + ' ' + y.toFixed(2);
    });
    const line = points.length > 1 ? 'M' + points.join('L') : '';
    const left = (100 - (shown.length - 1) * step).toFixed(2);
    card.edge.setAttribute('d', line);
    card.area.setAttribute('d', line && line + 'L100 40L' + left + ' 40Z');
    return shown.length ? Math.max(...shown) : 0;
}

function showCard(card) {
    const values = past[card.series] || [];
    const most = drawGraph(card, values), last = values.length ? values[values.length - 1] : 0;
    put(card.value, card.say(last));
    put(card.note, card.more(state) + ' · peak ' + card.say(most));
    mark(card.graph, 'aria-label', card.title + ': now ' + card.say(last) + ', at most ' + card.say(most) +
        ' in the last ' + (range / 60) + ' minutes');
}

// --- the tables ----------------------------------------------------------------------------------------------------

const STATES = {open: ['accepts', 'good'], closed: ['closed', 'off']};

function serviceRow() {
    const row = make('tr', {}, make('th', {scope: 'row'}, make('span'), make('small')),
        make('td', {}, make('span', {class: 'is'})), make('td', {class: 'n'}), make('td', {class: 'n wide'}));
    return row;
}

function showService(row, service) {
    const [name, is, open, memory] = row.children, words = STATES[service.state] || [service.state, 'warn'];
    put(name.firstElementChild, service.name);
    put(name.lastElementChild, service.address + (service.tls ? ' TLS' : ''));
    put(is.firstElementChild, words[0]);
    mark(is.firstElementChild, 'data-is', words[1]);
    put(open, whole(service.connections));
    put(memory, bytes(service.memory_bytes));
}

// HTTP tells its versions and WebSockets apart; any other service is a protocol of its own, and shown from its first
// connection on.
const seen = new Set();

function protocols() {
    const c = state.connections, all = new Map();
    if (c.http1 + c.http2 + c.websocket > 0 || state.services.some((s) => s.name === 'http')) {
        all.set('HTTP/1', c.http1).set('HTTP/2', c.http2).set('WebSocket', c.websocket);
    }
    for (const s of state.services) {
        if (s.connections > 0) seen.add(s.name);
        if (s.name !== 'http' && seen.has(s.name)) all.set(s.name, (all.get(s.name) || 0) + s.connections);
    }
    return [...all];
}

function protocolRow() {
    const bar = draw('svg', {viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
        draw('rect', {class: 'all', width: 100, height: 10, rx: 1}), draw('rect', {class: 'part', width: 0, height: 10, rx: 1}));
    return make('tr', {}, make('th', {scope: 'row'}), make('td', {class: 'n'}), make('td', {class: 'share', 'aria-hidden': 'true'}, bar));
}

function showProtocols() {
    const list = protocols(), most = Math.max(1, ...list.map((item) => item[1]));
    fill(byId('protocol-rows'), list, protocolRow, (row, [name, open]) => {
        put(row.children[0], name);
        put(row.children[1], whole(open));
        mark(row.querySelector('.part'), 'width', (open / most * 100).toFixed(1));
    });
}

function showCounts() {
    const c = state.connections, list = [
        ['Connections accepted', c.accepted], ['Refused at a limit', c.refused], ['Accepting failed', c.accept_errors],
        ['HTTP requests refused for their form', state.http.refused], ['Callbacks that held the loop', state.loop.slow_callbacks],
        ['Turns of the loop', state.loop.turns],
    ];
    fill(byId('count-rows'), list, () => make('div', {}, make('dt'), make('dd')), (row, [name, n]) => {
        put(row.firstElementChild, name);
        put(row.lastElementChild, whole(n));
    });
}

function lineItem() {
    return make('li', {}, make('time'), make('b'), make('p', {}, make('span'), make('small')));
}

function showLine(item, line) {
    const [time, level, text] = item.children, {time: when, level: how, room, event, text: what, ...fields} = line;
    const date = new Date(when);
    mark(time, 'datetime', when);
    put(time, date.toDateString() === new Date().toDateString() ? date.toTimeString().slice(0, 8) :
        date.toISOString().slice(5, 16).replace('T', ' '));
    put(level, how === 'warn' ? 'warning' : how);
    mark(level, 'data-is', how);
    put(text.firstElementChild, room + ': ' + what);
    put(text.lastElementChild, Object.entries(fields).map(([key, value]) => key + '=' + value).join('  '));
}

function showProblems() {
    if (!problems) return;
    fill(byId('lines'), problems.lines, lineItem, showLine);
    byId('no-lines').hidden = problems.lines.length > 0;
    byId('trouble').hidden = problems.total === 0;
    put(byId('trouble'), whole(problems.total) + (problems.total === 1 ? ' warning' : ' warnings'));
    put(byId('problem-count'), problems.total > problems.lines.length ?
        'the last ' + problems.lines.length + ' of ' + whole(problems.total) : '');
}

function show() {
    if (!state || paused || document.hidden) return;
    put(byId('version'), 'Version ' + state.version + ' · ');
    put(byId('uptime'), 'up ' + duration(state.uptime_ms));
    CARDS.forEach(showCard);
    fill(byId('service-rows'), state.services, serviceRow, showService);
    showProtocols();
    showCounts();
    showProblems();
}

// --- the connection ------------------------------------------------------------------------------------------------

const SAID = {wait: 'connecting', live: 'live', lost: 'connection lost, trying again', stopping: 'stopping', paused: 'paused'};
let is = 'wait';

function say(what) {
    is = what;
    const shown = paused && what === 'live' ? 'paused' : what;
    mark(byId('status'), 'data-is', shown);
    put(byId('status'), SAID[shown]);
    document.documentElement.classList.toggle('stale', what === 'lost');
}

function add(series, value) {
    const list = past[series] = past[series] || [];
    list.push(value);
    if (list.length > KEPT) list.shift();
}

function take(data) {
    state = data;
    say(data.draining ? 'stopping' : 'live');
}

function sample(s) {
    add('received_per_s', s.traffic.received_per_s);
    add('sent_per_s', s.traffic.sent_per_s);
    add('connections', s.connections.open);
    add('requests_per_s', s.http.requests_per_s);
    add('lag_worst_us', s.loop.lag_worst_us);
    add('memory_bytes', s.memory.used_bytes);
}

function lost() {
    say('lost');
    if (source) source.close();
    source = null;
    setTimeout(connect, AGAIN_MS);
}

function connect() {
    const own = source = new EventSource('events');
    const on = (name, fn) => own.addEventListener(name, (event) => {
        heard = Date.now();
        fn(JSON.parse(event.data));
        show();
    });
    heard = Date.now();
    on('history', (all) => { for (const key in all) if (Array.isArray(all[key])) past[key] = all[key]; });
    on('log', (log) => { problems = log; });
    on('first', take);
    on('state', (data) => { take(data); sample(data); });
    own.onerror = () => { if (source === own) lost(); };
}

// A connection may die without a word.
setInterval(() => { if (source && Date.now() - heard > SILENCE_MS) lost(); }, 1000);

byId('host').textContent = location.host;
document.title = 'Plait, live: ' + location.host;
byId('cards').append(...CARDS.map(makeCard));
byId('pause').addEventListener('click', () => {
    paused = !paused;
    put(byId('pause'), paused ? 'Go on' : 'Pause');
    say(is);
    show();
});
for (const input of document.getElementsByName('range')) {
    input.addEventListener('change', () => {
        const was = paused;
        range = Number(input.value);
        paused = false; // a graph of what is there is drawn also while nothing moves
        show();
        paused = was;
    });
}
document.addEventListener('visibilitychange', show);
connect();
