// Load on a Socket.IO server, by WebSocket: `clients` in `rooms`, `rate` messages a second in turns
// over the rooms, each delivered to all of its room. The argument is the case as JSON (bench.mjs has
// them); prints the figures as JSON. A delivery that does not come in time is an error.
//
// The mark in a message is the time it was sent at, and its receivers are in this process: one clock.
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import WebSocket from "ws";

const asked = JSON.parse(process.argv[2]);
const { port, pid, clients, rooms, rate, seconds, warmup, bytes, stalled } = asked;
const kPatienceMs = 5_000;
const kOpenAtOnce = 50;

const now = () => performance.now();

async function until(holds, patience = kPatienceMs) {
  const deadline = now() + patience;
  while (!holds() && now() < deadline) await pause(5);
  return holds();
}

// The kernel's nanoseconds of all threads; its ticks of 10 ms are too coarse for a few seconds.
function processorMs() {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  }
  return nanoseconds / 1e6;
}

function memoryKib() {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const read = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)[1]);
  return { resident: read("VmRSS"), peak: read("VmHWM") };
}

// What is measured, while it is.
const measured = { begun: Infinity, delays: [] };

class Client {
  constructor(room) {
    this.room = room;
    this.closed = false;
  }

  // Resolves when the client is in its room.
  open() {
    return new Promise((resolve, reject) => {
      this.socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`, {
        perMessageDeflate: false,
      });
      this.socket.on("error", reject);
      this.socket.on("close", (code) => {
        this.closed = true;
        reject(new Error(`closed with ${code}`));
      });
      this.socket.on("message", (data) => this.hear(data.toString("latin1"), resolve));
    });
  }

  hear(text, isIn) {
    if (text.startsWith("42")) {
      const mark = /"content":"([\d.]+) /.exec(text);
      if (mark && Number(mark[1]) >= measured.begun) measured.delays.push(now() - Number(mark[1]));
    } else if (text === "2") {
      this.socket.send("3");
    } else if (text.startsWith("0")) {
      this.socket.send("40");
    } else if (text.startsWith("40")) {
      this.emit("join_conversation", { conversation_id: this.room });
      isIn();
    } else if (text.startsWith("44")) {
      this.socket.close();
    }
  }

  emit(event, message) {
    this.socket.send(`42${JSON.stringify([event, message])}`);
  }

  say(filler) {
    this.emit("client_message", { conversation_id: this.room, content: `${now()} ${filler}` });
  }
}

async function openAll() {
  const all = Array.from({ length: clients }, (_, i) => new Client(1 + (i % rooms)));
  for (let i = 0; i < clients; i += kOpenAtOnce) {
    await Promise.all(all.slice(i, i + kOpenAtOnce).map((client) => client.open()));
  }
  return all;
}

// Returns how many deliveries that makes.
async function send(speakers, listeners, time) {
  const filler = "x".repeat(bytes);
  const total = Math.round(rate * time);
  const begun = now();
  let deliveries = 0;
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((now() - begun) * rate) / 1000) + 1);
    for (; sent < due; ++sent) {
      const speaker = speakers[sent % speakers.length];
      speaker.say(filler);
      deliveries += listeners.get(speaker.room);
    }
    await pause(1);
  }
  return deliveries;
}

const percentile = (sorted, share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];

const empty = memoryKib();
const all = await openAll();
await pause(asked.settle * 1000);
const idle = memoryKib();

const silent = all.splice(clients - stalled, stalled);
for (const client of silent) client.socket.pause();
const listeners = new Map();
for (const client of all) listeners.set(client.room, 1 + (listeners.get(client.room) ?? 0));
const speakers = all.slice(0, rooms);

await send(speakers, listeners, warmup);
await pause(200);
const before = processorMs();
measured.begun = now();
const expected = await send(speakers, listeners, seconds);
await until(() => measured.delays.length >= expected);
const processor = processorMs() - before;
const after = memoryKib();
measured.begun = Infinity;

// Those who did not read learn of their end when they read again.
for (const client of silent) client.socket.resume();
await until(() => silent.every((client) => client.closed), 1_000);

const delays = measured.delays.sort((a, b) => a - b);
console.log(
  JSON.stringify({
    deliveries: delays.length,
    lost: expected - delays.length,
    p50: percentile(delays, 0.5),
    p99: percentile(delays, 0.99),
    processor: (processor * 1000) / delays.length,
    memory: (idle.resident - empty.resident) / clients,
    growth: stalled > 0 ? (after.peak - idle.resident) / stalled : 0,
    cut: silent.filter((client) => client.closed).length,
  }),
);
for (const client of [...all, ...silent]) client.socket.terminate();
process.exit(delays.length === expected ? 0 : 1);
