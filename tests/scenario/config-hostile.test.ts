/** Keys that reach for the prototypes of objects, on every way into the configuration. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { breaksOf, type Configured, rejectedAs, startConfigured } from "../support/configured.ts";
import { socketWire } from "../support/wires.ts";

setDefaultTimeout(60_000);

const FILE = `{
  "gateway": { "port": 0, "reload": { "debounceMs": 10 } },
  "agents": { "defaults": { "model": "echo/echo" }, "list": [{ "id": "main" }] },
}
`;

const HOSTILE = ["__proto__", "constructor", "prototype"] as const;

/** What `Object.prototype` and its like have; nothing may be added. */
const prototypes = (): string[][] =>
  [Object.prototype, Array.prototype, Function.prototype].map((one) => Object.getOwnPropertyNames(one));

const BEFORE = prototypes();

function expectUntouched({ path, stateDir }: Configured): void {
  expect(prototypes()).toEqual(BEFORE);
  expect(({} as Record<string, unknown>)["isAdmin"]).toBeUndefined();
  expect(readFileSync(path, "utf8")).toBe(FILE);
  expect(readdirSync(stateDir)).not.toContain("config-backups");
}

/** The code of the refusal; what is not refused is shown. */
async function codeOf(work: Promise<unknown>): Promise<unknown> {
  const outcome: unknown = await work.catch((error: unknown) => error);
  return outcome instanceof Error && "code" in outcome ? outcome.code : outcome;
}

test.each(HOSTILE)("%s: refused on every way in, and nothing is changed", async (name) => {
  await using live = await startConfigured(FILE);
  const { person, path } = live;
  const { client } = person;
  const { hash: baseHash, config: before } = await client.call("config.get");
  const raw = `{ "${name}": { "isAdmin": true } }`;
  const deep = `{ "gateway": { "reload": ${raw} } }`;
  const inList = `{ "agents": { "list": [{ "id": "main", "${name}": { "isAdmin": true } }] } }`;
  for (const [what, work] of [
    ["patch", () => client.call("config.patch", { raw, baseHash })],
    ["patch inside", () => client.call("config.patch", { raw: deep, baseHash })],
    ["patch in a list", () => client.call("config.patch", { raw: inList, baseHash })],
    ["apply", () => client.call("config.apply", { raw: deep, baseHash, drop: ["agents", "gateway.port"] })],
    ["set raw", () => client.call("config.set", { raw, baseHash, drop: ["agents", "gateway"] })],
    ["set below", () => client.call("config.set", { key: `${name}.isAdmin`, value: true })],
    ["set below a section", () => client.call("config.set", { key: `gateway.${name}.isAdmin`, value: true })],
    [
      "set a provider's",
      () => client.call("config.set", { key: `models.providers.${name}.baseUrl`, value: "http://a" }),
    ],
  ] as const) {
    expect([what, await codeOf(work())]).toEqual([what, "invalid_params"]);
    expectUntouched(live);
  }
  // Inside a request itself it gets no further than the reading of the frame.
  const socket = await socketWire(live.gateway.urls[0], live.token).open({
    headers: { authorization: `Bearer ${live.token}` },
  });
  await socket.next();
  for (const method of ["config.set", "config.override.set"]) {
    socket.send(`{"id":"1","method":"${method}","params":{"key":"models.providers","value":${raw}}}`);
    const answer = await socket.next();
    expect("frame" in answer && JSON.parse(answer.frame)).toMatchObject({
      error: { code: "invalid_request", message: `Cannot read message: key "${name}" is reserved` },
    });
    expectUntouched(live);
  }
  for (const [what, work] of [
    ["override key", () => client.call("config.override.set", { key: `gateway.${name}`, value: true })],
    ["unset", () => client.call("config.unset", { key: `gateway.${name}` })],
    ["get", () => client.call("config.get", { key: `gateway.${name}` })],
    ["explain", () => client.call("config.explain", { key: `gateway.${name}.isAdmin` })],
  ] as const) {
    expect([what, await codeOf(work())]).toEqual([
      what,
      expect.stringMatching(/^(not_found|invalid_params)$/),
    ]);
    expectUntouched(live);
  }
  for (const params of [{ raw }, { raw: deep }, { patch: deep }]) {
    const outcome = await client.call("config.validate", params).catch((error: unknown) => ({ error }));
    expect("error" in outcome ? outcome.error : outcome).toMatchObject(
      "error" in outcome ? { code: "invalid_params" } : { valid: false, changed: [] },
    );
  }
  expectUntouched(live);

  const text = FILE.replace("{\n", `{\n  "${name}": { "isAdmin": true },\n`);
  const rejected = rejectedAs(person, text);
  writeFileSync(path, text);
  expect((await rejected).payload).toMatchObject({ errors: [{ file: path, line: 2, column: 3 }] });
  const get = await client.call("config.get");
  expect([get.valid, get.config]).toEqual([false, before]);
  writeFileSync(path, FILE);
  expect(breaksOf(person)).toEqual([]);
});

test("patches that somebody made up: what is written is what was asked for, or nothing", async () => {
  await using live = await startConfigured(FILE);
  const { client } = live.person;
  const key = fc.oneof(
    fc.constantFrom(...HOSTILE, "gateway", "agents", "list", "reload", "hasOwnProperty", "toString", "id"),
    fc.string({ maxLength: 5 }),
  );
  const { patch } = fc.letrec((tie) => ({
    patch: fc.array(fc.tuple(key, tie("value")), { maxLength: 4 }),
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom("null", "true", '"isAdmin"', "1", "[]"),
      fc.array(tie("patch").map(textOf), { maxLength: 2 }).map((items) => `[${items.join()}]`),
      tie("patch").map(textOf),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(patch.map(textOf), async (raw) => {
      const { hash: baseHash } = await client.call("config.get");
      const isHostile = HOSTILE.some((name) => raw.includes(`"${name}":`));
      const outcome = await codeOf(client.call("config.patch", { raw, baseHash }));
      if (isHostile) expect([raw, outcome]).toEqual([raw, "invalid_params"]);
      expect(prototypes()).toEqual(BEFORE);
      const text = readFileSync(live.path, "utf8");
      expect(HOSTILE.some((name) => text.includes(name))).toBe(false);
    }),
    { numRuns: process.env["CONFIG_FULL"] === undefined ? 200 : 5_000, seed: 24 },
  );
  expect((await client.call("config.get")).valid).toBe(true);
});

function textOf(entries: unknown): string {
  const members = (entries as readonly (readonly [string, string])[]).map(
    ([name, value]) => `${JSON.stringify(name)}:${value}`,
  );
  return `{${members.join()}}`;
}

test("an included file and a `.env` reach no prototype either", async () => {
  await using live = await startConfigured(FILE);
  const { person, path, stateDir } = live;
  for (const name of HOSTILE) {
    writeFileSync(join(stateDir, "more.json"), `{ "reload": { "${name}": { "isAdmin": true } } }`);
    const text = FILE.replace('"port": 0,', `"port": 0, "$include": "more.json", // ${name}\n   `);
    const rejected = person.until(
      `config.rejected for ${name}`,
      ({ event, payload }) => event === "config.rejected" && JSON.stringify(payload).includes(name),
    );
    writeFileSync(path, text);
    expect((await rejected).payload).toMatchObject({ errors: [{ file: join(stateDir, "more.json") }] });
  }
  writeFileSync(join(stateDir, ".env"), "__proto__=1\nconstructor=2\nCLAWDBOT___PROTO__=3\n");
  const { config } = await person.client.call("status");
  expect(config.valid).toBe(false);
  expect(prototypes()).toEqual(BEFORE);
});
