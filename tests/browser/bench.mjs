// A folder with a database, and the program on it: a master, the page, commands. Nothing of it is left when it ends.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The tests: main.mjs runs some at the same time. */
export const tests = [];
export const test = (name, run) => tests.push([name, run]);

const binary = process.env.QUEUE_WORK_BINARY;
if (!binary || !existsSync(binary)) throw new Error("QUEUE_WORK_BINARY names the program; use `scripts/check browser`");

export const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";
/** The longest that anything is waited for. */
export const DEADLINE = 20_000;

/** Waits until `condition` gives something; fails with `what` if it does not in time. */
export async function waitFor(what, condition) {
  for (const until = Date.now() + DEADLINE; ;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > until) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class Bench {
  #children = [];

  constructor(config = "") {
    this.folder = mkdtempSync(join(tmpdir(), "queue-work-browser-"));
    this.database = join(this.folder, "queue-work.db");
    writeFileSync(join(this.folder, "queue-work.toml"), config);
    const own = Object.entries(process.env).filter(([name]) => !/^(QUEUE_WORK_|XDG_|RUST_LOG)/.test(name));
    this.env = { ...Object.fromEntries(own), HOME: this.folder, QUEUE_WORK_DATABASE: this.database };
  }

  #spawnSync(args, input = "") {
    return spawnSync(binary, args, { cwd: this.folder, env: this.env, input, encoding: "utf8", maxBuffer: 1 << 28 });
  }

  /** Runs a command; its stdout. */
  run(args, input = "") {
    const ran = this.#spawnSync(args, input);
    if (ran.status !== 0) throw new Error(`queue-work ${args.join(" ")}: ${ran.stderr}`);
    return ran.stdout;
  }

  json(args, input) {
    return JSON.parse(this.run([...args, "--json"], input));
  }

  push(...args) {
    return JSON.parse(this.run(["push", "--json", ...args])).id;
  }

  /** Fills the database by these statements while no master runs. */
  async fill(sql) {
    const run = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.stdin.read())";
    const filling = spawn(python, ["-c", run, this.database], { stdio: ["pipe", "ignore", "inherit"] });
    filling.stdin.end(sql);
    const [code] = await once(filling, "exit");
    if (code !== 0) throw new Error("the database could not be filled");
  }

  #spawn(args, stderr) {
    const child = spawn(binary, args, { cwd: this.folder, env: this.env, stdio: ["ignore", "ignore", stderr] });
    this.#children.push(child);
    return child;
  }

  /** Starts a master and waits until it runs. One that was killed keeps the database for a moment. */
  async start() {
    let master = null;
    await waitFor("a master", () => {
      if (!master || master.exitCode !== null) master = this.#spawn([], "ignore");
      const shown = JSON.parse(this.#spawnSync(["status", "--json"]).stdout || "{}").master;
      return shown?.state === "running" && shown.pid === master.pid;
    });
    return master;
  }

  /** Starts the page and waits until it listens. */
  async web(at = 0) {
    const web = this.#spawn(["web", "--listen", `127.0.0.1:${at}`], "pipe");
    const line = await new Promise((resolve) => createInterface(web.stderr).once("line", resolve));
    web.stderr.resume();
    const port = Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1]);
    if (!port) throw new Error(`the page does not say where it listens: ${line}`);
    const tokens = readFileSync(`${this.database}.web-token`, "utf8").trim().split("\n").map((each) => each.split(" "));
    return { child: web, port, origin: `http://127.0.0.1:${port}`, tokens: Object.fromEntries(tokens) };
  }

  /** Kills, and waits for the end. */
  async kill(child) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await ended;
    }
  }

  async end() {
    for (const child of this.#children) await this.kill(child);
    // The guardian of a killed master ends its workers, which write into the folder until then.
    await waitFor("the folder to be left", () => {
      try {
        rmSync(this.folder, { recursive: true, force: true });
        return true;
      } catch {
        return false;
      }
    });
  }
}
