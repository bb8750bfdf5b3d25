// Mutated HTTP requests over raw TCP to a gateway in a process of its own.
import { connect } from "node:net";
import { expect, test } from "bun:test";
import { contracts } from "../../src/features/contracts.ts";
import type { Methods } from "../../src/contract/define.ts";
import { createHome, startGateway } from "../support/binary.ts";
import { CONFIG, PROGRAM, TOKEN } from "./core.ts";
import { createFrames } from "./mutate.ts";
import { createRequests } from "./requests.ts";

const SEED = 20_260_303;
const REQUESTS = 10_000;
const AT_ONCE = 12;
/** A connection that neither answers nor ends for so long has been forgotten. */
const PATIENCE_MS = 20_000;

/** What requests must have been answered with, or they do not reach far. */
const STATUS_MET = [101, 200, 204, 400, 401, 403, 404, 413, 426, 431];

/** Where a file lies, or where in the program something went wrong. */
const LEAK = /node_modules|\bsrc\/|\bat [^"]*:\d+:\d+|\.ts:\d+|root:x:|Error:|<html/i;

/** Sends the bytes and no more. @returns all that came back until the connection ended */
function exchange(port: number, bytes: Uint8Array): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  // The end of our side is what lets the server end a request that is cut off.
  const socket = connect(port, "127.0.0.1", () => socket.end(bytes));
  socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
  // Cut off by the server in the middle of what we send: an end like any other.
  socket.on("error", () => {});
  socket.on("close", () => resolve(Buffer.concat(chunks).toString("latin1")));
  socket.setTimeout(PATIENCE_MS, () => {
    socket.destroy();
    reject(new Error("neither an answer nor an end"));
  });
  return promise;
}

/** Status codes of all answers: one connection may carry several. */
function statuses(answer: string): number[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status));
}

test(`${REQUESTS.toLocaleString("en")} mutated requests are refused or served, and tell nothing they should not`, async () => {
  const home = createHome(CONFIG);
  const gateway = await startGateway(home, { command: PROGRAM });
  const all = Object.assign({}, ...contracts.map((contract) => contract.methods)) as Methods;
  // A restart ends connections, and this is about those that go on.
  const methods = Object.fromEntries(Object.entries(all).filter(([name]) => name !== "system.restart"));
  const frames = createFrames(SEED, { methods });
  const request = createRequests(SEED, { token: TOKEN, port: gateway.port, frames });
  const met = new Map<number, number>();
  let next = 0;

  async function send(): Promise<void> {
    for (let index = next++; index < REQUESTS; index = next++) {
      const bytes = request(index);
      const blame = (what: string): Error =>
        new Error(
          `seed ${SEED}, request ${index}: ${what}\n${JSON.stringify(Buffer.from(bytes).toString("latin1").slice(0, 2_000))}`,
        );
      const answer = await exchange(gateway.port, bytes).catch((error: unknown) => {
        throw blame(String(error));
      });
      const all = statuses(answer);
      for (const status of all) met.set(status, (met.get(status) ?? 0) + 1);
      if (answer === "") met.set(0, (met.get(0) ?? 0) + 1);
      else if (all.length === 0) throw blame(`no answer of HTTP: ${answer.slice(0, 500)}`);
      if (all.includes(500)) throw blame(answer.slice(0, 2_000));
      // `status` and the configuration's methods say where things are, to those who may know.
      const secrets =
        answer.includes('"stateDir"') || answer.includes("moltbot.json") ? [TOKEN] : [TOKEN, home.path];
      const leak = LEAK.exec(answer)?.[0] ?? secrets.find((secret) => answer.includes(secret));
      if (leak !== undefined) throw blame(`"${leak}" in ${answer.slice(0, 2_000)}`);
    }
  }

  await Promise.all(Array.from({ length: AT_ONCE }, send));
  console.log(`${REQUESTS} requests, answers ${JSON.stringify(Object.fromEntries(met))}`);
  const health = await fetch(`${gateway.url}/healthz`);
  expect(await health.text()).toBe('{"status":"ok"}');
  expect(STATUS_MET.filter((status) => !met.has(status))).toEqual([]);
  expect(gateway.log.filter(({ level }) => level === "error")).toEqual([]);
  expect(gateway.stderr()).not.toMatch(/uncaught|handler failed|server error|request failed/i);
  expect(await gateway.stop()).toBe(0);
}, 120_000);
