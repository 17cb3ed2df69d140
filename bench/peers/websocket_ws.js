// SPDX-License-Identifier: MIT
// The npm package ws as it comes: every message goes back. usage: node websocket_ws.js PORT
'use strict';
const WebSocket = require('ws');
const server = new WebSocket.Server({ host: '127.0.0.1', port: Number(process.argv[2]) });
server.on('connection', (ws) => ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary })));
