// A WebSocket server for `listen_mode = "worker"`, without packages: it sends back what it gets. The master has the socket,
// and each worker is given it as descriptor 3. At TERM it accepts nothing more, says goodbye (1001) on each connection, and
// ends when all are closed.
"use strict";

const { createHash } = require("node:crypto");
const http = require("node:http");

const MOST_BYTES = 1 << 20;
const [CLOSE, PING, PONG] = [8, 9, 10];
const GOING_AWAY = 1001;
const TOO_BIG = 1009;
const WRONG = 1002;
const sockets = new Set();

const server = http.createServer((_, response) => {
  response.writeHead(426, { Upgrade: "websocket", "Content-Type": "text/plain" }).end("speak WebSocket here\n");
});

server.on("upgrade", (request, socket, head) => {
  const key = request.headers["sec-websocket-key"];
  if ((request.headers.upgrade || "").toLowerCase() !== "websocket" || !key) {
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    return;
  }
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  socket.write(`${lines.join("\r\n")}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  sockets.add(socket);
  let bytes = head;
  const read = (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (let frame; (frame = take(bytes)); bytes = frame.rest) {
      if (!answer(socket, frame)) {
        socket.removeAllListeners("data");
        return;
      }
    }
  };
  socket.on("data", read);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => sockets.delete(socket));
  read(Buffer.alloc(0));
});

// The first frame, and the bytes behind it; nothing as long as it is not whole.
function take(bytes) {
  if (bytes.length < 2) return undefined;
  let [at, length] = [2, bytes[1] & 127];
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    [at, length] = [4, bytes.readUInt16BE(2)];
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    [at, length] = [10, Number(bytes.readBigUInt64BE(2))];
  }
  const frame = { first: bytes[0], opcode: bytes[0] & 15 };
  // A client masks what it sends.
  if (!(bytes[1] & 128)) return { ...frame, wrong: WRONG };
  if (length > MOST_BYTES) return { ...frame, wrong: TOO_BIG };
  if (bytes.length < at + 4 + length) return undefined;
  const [mask, payload] = [bytes.subarray(at, at + 4), Buffer.from(bytes.subarray(at + 4, at + 4 + length))];
  for (let i = 0; i < length; i++) payload[i] ^= mask[i & 3];
  return { ...frame, payload, rest: bytes.subarray(at + 4 + length) };
}

// Whether the connection goes on.
function answer(socket, { first, opcode, payload, wrong }) {
  if (wrong) {
    goodbye(socket, wrong);
  } else if (opcode === CLOSE) {
    send(socket, first, payload);
  } else {
    if (opcode !== PONG) send(socket, opcode === PING ? 128 | PONG : first, payload);
    return true;
  }
  socket.end();
  return false;
}

function goodbye(socket, code) {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  send(socket, 128 | CLOSE, payload);
}

function send(socket, first, payload) {
  const head = Buffer.alloc(10);
  head[0] = first;
  let bytes = 2;
  if (payload.length < 126) {
    head[1] = payload.length;
  } else if (payload.length < 65536) {
    head[1] = 126;
    head.writeUInt16BE(payload.length, 2);
    bytes = 4;
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
    bytes = 10;
  }
  socket.write(Buffer.concat([head.subarray(0, bytes), payload]));
}

process.on("SIGTERM", () => {
  server.close();
  for (const socket of sockets) goodbye(socket, GOING_AWAY);
});

if (process.env.LISTEN_PID !== String(process.pid)) {
  throw new Error('there is no socket for this process; run it by `listen_mode = "worker"`');
}
server.listen({ fd: 3 }, () => console.log(JSON.stringify({ method: "ready" })));
