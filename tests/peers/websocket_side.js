// SPDX-License-Identifier: MIT
// The npm package ws as a peer. usage: node websocket_side.js serve|ask PORT [PATH]
'use strict';
const WebSocket = require('ws');
const [way, port, path] = [process.argv[2], Number(process.argv[3]), process.argv[4] || '/'];

function serve() {
    const server = new WebSocket.Server({ host: '127.0.0.1', port, perMessageDeflate: true });
    server.on('connection', (ws) => ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary })));
}

function ask() {
    const messages = ['text, ä', Buffer.alloc(100000, 0xfe), '', 'x'.repeat(300000)];
    const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`);
    let at = 0;
    ws.on('open', () => ws.send(messages[0]));
    ws.on('message', (data, isBinary) => {
        const sent = Buffer.from(messages[at]);
        if (!sent.equals(data) || isBinary !== Buffer.isBuffer(messages[at])) throw new Error(`message ${at} changed`);
        at += 1;
        if (at < messages.length) ws.send(messages[at]);
        else ws.ping('hi');
    });
    ws.on('pong', () => ws.close(1000, 'bye'));
    ws.on('close', (code) => console.log('ok', code, ws.extensions));
}

if (way === 'serve') serve();
else ask();
