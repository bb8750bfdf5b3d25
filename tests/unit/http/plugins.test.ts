import { expect, test } from "bun:test";
import { LIMITS } from "../../../src/contract/limits.ts";
import { Inflight, type PluginMatch, servePlugin } from "../../../src/http/plugins.ts";
import type { PluginResponse } from "../../../src/plugins/api.ts";
import { createFakeTime } from "../../support/time.ts";

const ALL = { connId: "c", credential: "token", subject: "token", scopes: [] };

/** A route of the plugin `p`, and requests to it. */
function setUp(answer: PluginResponse, more: Partial<PluginMatch> = {}) {
  const match: PluginMatch = {
    plugin: "p",
    route: { method: "GET", path: "/", summary: "", auth: { kind: "own" } },
    path: "/",
    params: {},
    allow: async () => true,
    answer: async () => answer,
    ...more,
  };
  const { timers } = createFakeTime();
  const inflight = new Inflight();
  const ports = { routes: { find: () => match }, timers, inflight, authenticate: () => ALL as never };
  return async () => {
    const response = await servePlugin(new Request("http://gateway/plugins/p/"), "127.0.0.1", ports);
    if (!response) throw new Error("no answer");
    return response;
  };
}

test("who waits to be let in counts: of more than so many the rest is told to come back", async () => {
  let asked = 0;
  const open = Promise.withResolvers<boolean>();
  const ask = setUp({ body: "in" }, { allow: () => (asked++, open.promise) });
  const waiting = Array.from({ length: LIMITS.pluginHttpMax }, ask);
  expect((await ask()).status).toBe(429);
  expect(asked).toBe(LIMITS.pluginHttpMax);
  open.resolve(false);
  expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([401]));
  // And have left: there is room again.
  expect((await ask()).status).toBe(401);
});

test("a page of a plugin has no origin of ours, whatever it says", async () => {
  const plain = await setUp({ body: "<b>" })();
  expect(plain.headers.get("content-security-policy")).toBe("sandbox");
  const headers = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "none",
    "Transfer-Encoding": "chunked",
    "content-type": "text/html",
  };
  const own = await setUp({ body: "<b>", headers })();
  const policy = own.headers.get("content-security-policy");
  expect(policy).toStartWith("default-src 'self', sandbox allow-scripts ");
  expect(policy).not.toContain("allow-same-origin");
  expect(own.headers.get("x-content-type-options")).toBe("nosniff");
  expect(own.headers.get("content-type")).toBe("text/html");
  expect(own.headers.has("transfer-encoding")).toBe(false);
});

test("a fault says whose it is", async () => {
  const breaks = setUp({}, { answer: () => Promise.reject(new TypeError("no such thing")) });
  const told = await breaks().then(String, String);
  expect(told).toStartWith('Error: plugin "p" failed at GET /: TypeError: no such thing');
});

test("a number is no answer, and one that is too long is none, in bytes", async () => {
  // As a body it would be so many zeros.
  const number = setUp({ body: 1_000_000_000 as never })();
  expect(await number.then(String, String)).toContain('plugin "p" answered with a number');
  const fits = "x".repeat(LIMITS.pluginAnswerBytesMax);
  expect((await setUp({ body: fits })()).status).toBe(200);
  expect((await setUp({ body: fits.slice(1) + "é" })()).status).toBe(413);
});
