// The gateway's live server beside Node's official one, taking turns in one run; `scripts/bench live`
// starts it. Each case of each round has a fresh server and a fresh load program.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const usage = `bench live: the gateway's live server beside Node's Socket.IO server

  --rounds N     how often each case is measured on each server (3)
  --seconds N    of each measurement (3)
  --clients N    of the cases with rooms of two and one room (500)
  --program P    realtime-conformance
`;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    clients: { type: "string", default: "500" },
    program: { type: "string", default: "" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const number = (name, least, most) => {
  const value = Number(values[name]);
  if (!(value >= least && value <= most)) {
    console.error(`bench live: --${name} is ${values[name]}; give a number from ${least} to ${most}`);
    process.exit(2);
  }
  return value;
};
const rounds = Math.round(number("rounds", 1, 100));
const seconds = number("seconds", 0.5, 600);
const clients = 2 * Math.round(number("clients", 2, 800) / 2);

const script = (name) => fileURLToPath(new URL(name, import.meta.url));
const version = createRequire(import.meta.url)("socket.io/package.json").version;
const servers = [
  { name: "gateway", words: [values.program, "0", "--bench"] },
  { name: `Node ${version}`, words: [process.execPath, script("reference_server.mjs")] },
];
const common = { settle: 0.5, warmup: 0.5, bytes: 64, stalled: 0 };
const cases = [
  {
    name: `${clients} clients, ${clients / 2} rooms, 1000 messages/s`,
    load: { ...common, clients, rooms: clients / 2, rate: 1000, seconds },
  },
  {
    name: `${clients} clients, one room, 20 messages/s`,
    load: { ...common, clients, rooms: 1, rate: 20, seconds },
  },
  {
    name: "20 of 40 clients stop reading; one room, 250 messages/s of 16 KiB",
    load: { ...common, clients: 40, rooms: 1, rate: 250, seconds: seconds / 2, bytes: 16_384, stalled: 20 },
  },
];

// A server's first line, and the way to end it.
async function start(words) {
  const child = spawn(words[0], words.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", resolve);
  });
  const first = await Promise.race([
    new Promise((resolve) => createInterface(child.stdout).once("line", resolve)),
    ended.then(() => Promise.reject(new Error(`${words[0]} ended before it served`))),
  ]);
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
  };
  return { ...JSON.parse(first), stop };
}

function run(load) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script("load.mjs"), JSON.stringify(load)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (data) => (text += data));
    child.on("error", reject);
    child.on("close", (code) => {
      if (text === "") return reject(new Error(`the load program ended with ${code}`));
      const figures = JSON.parse(text);
      if (figures.lost !== 0) return reject(new Error(`${figures.lost} deliveries were lost`));
      resolve(figures);
    });
  });
}

async function measure(server, load) {
  const serving = await start(server.words);
  try {
    return await run({ ...load, port: serving.port, pid: serving.pid });
  } finally {
    await serving.stop();
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function range(all, name, digits) {
  const values = all.map((figures) => figures[name]);
  const text = (value) => value.toFixed(digits);
  return `${text(median(values))} [${text(Math.min(...values))}-${text(Math.max(...values))}]`;
}

function row(cells) {
  console.log(cells.map((cell, i) => cell.padEnd(i === 0 ? 14 : 22)).join("").trimEnd());
}

const figures = cases.map(() => servers.map(() => []));
for (let round = 0; round < rounds; ++round) {
  process.stdout.write(`round ${round + 1} of ${rounds}:`);
  for (const [i, { load }] of cases.entries()) {
    const turns = [...servers.keys()];
    if (round % 2 === 1) turns.reverse();
    for (const turn of turns) {
      figures[i][turn].push(await measure(servers[turn], load));
      process.stdout.write(".");
    }
  }
  process.stdout.write("\n");
}

console.log("\nmedian [min-max]");
for (const [i, { name, load }] of cases.entries()) {
  console.log(`\n${name}`);
  const last = load.stalled > 0 ? ["grew KiB/stalled", "cut off"] : ["KiB/connection"];
  row(["", "p50 ms", "p99 ms", "CPU us/delivery", ...last]);
  for (const [turn, server] of servers.entries()) {
    const all = figures[i][turn];
    const memory =
      load.stalled > 0
        ? [range(all, "growth", 0), `${Math.min(...all.map((one) => one.cut))} of ${load.stalled}`]
        : [range(all, "memory", 1)];
    row([server.name, range(all, "p50", 2), range(all, "p99", 2), range(all, "processor", 1), ...memory]);
  }
  const share = (key) => median(figures[i][0].map((one) => one[key])) / median(figures[i][1].map((one) => one[key]));
  console.log(
    `gateway / Node: p99 ${(100 * share("p99")).toFixed(0)} %, CPU ${(100 * share("processor")).toFixed(0)} %`,
  );
}
console.log(`
${rounds} round${rounds === 1 ? "" : "s"} of ${seconds} s (half where clients stop reading), alternating, a fresh server for each; nothing was lost
gateway: its live server with the same rooms and events, and without a database
load, in one process, and server share ${cpus().length} processors, ${cpus()[0].model}; Node ${process.version}`);
