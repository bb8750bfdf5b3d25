// HTTP requests of a client that has gone wrong, as bytes: nothing on their way puts them right.
import { LIMITS } from "../../src/contract/limits.ts";
import type { Frames } from "./mutate.ts";
import { textOf } from "./oracle.ts";
import { createRandom, type Random } from "./random.ts";

const METHODS = [
  "GET",
  "POST",
  "HEAD",
  "OPTIONS",
  "PUT",
  "DELETE",
  "PATCH",
  "TRACE",
  "CONNECT",
  "get",
  "G\u0000T",
  "*",
] as const;

const PATHS = [
  "/",
  "/healthz",
  "/readyz",
  "/ws",
  "/rpc",
  "/schema",
  "/metrics",
  "/ui",
  "/ui/../rpc",
  "/../../../../etc/passwd",
  "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
  "/..%5c..%5cetc",
  "//evil.example/rpc",
  "/rpc/",
  "/RPC",
  "/rpc%00",
  "/%",
  "/%zz%",
  "/%ff%fe",
  "/ünï",
  "/a b",
  "/?token=1",
  "/ws?TOKEN=1&x",
  "/rpc?#",
  "/__proto__/constructor",
  "http://evil.example/rpc",
  "https://127.0.0.1/healthz",
  "*",
  "",
  `/${"a/".repeat(3_000)}`,
  `/?${"a=b&".repeat(2_000)}`,
] as const;

const HOSTS = [
  "localhost",
  "[::1]:1",
  "evil.example",
  "127.0.0.1, evil.example",
  "a@127.0.0.1",
  "127.0.0.1:99999",
  "127.0.0.1:",
  "[::1",
  "",
  " ",
  "<script>",
  "127.0.0.1/..",
  "ünï",
  "127.1",
  "x".repeat(300),
] as const;

const LENGTHS = [
  "0",
  "1",
  "5",
  "99",
  "-1",
  "+5",
  "0x10",
  "1e3",
  "5, 5",
  "5, 6",
  "99999999999999999999",
  " 5",
  "",
] as const;

const CODINGS = [
  "chunked",
  "Chunked",
  "chunked, gzip",
  "gzip, chunked",
  "identity",
  "xchunked",
  " chunked",
  "chunked\t",
] as const;

const TYPES = [
  "application/json",
  "application/json; charset=utf-16",
  "APPLICATION/JSON",
  "text/plain",
  "",
  "application/jsonx",
] as const;

const ORIGINS = ["null", "http://evil.example", "http://127.0.0.1", "", "http://", "javascript:"] as const;

const ODD_LINES = [
  "no colon",
  ": no name",
  "Bad Name: 1",
  " folded: yes",
  "X-Nul: a\u0000b",
  "X-High: \u00ff\u0080",
  "X-Return: a\rb",
  "Expect: 100-continue",
  "Expect: nothing",
  "Connection: close",
  "Connection: keep-alive, Upgrade, Host",
  "Trailer: X",
  "TE: trailers",
  "Range: bytes=0-",
  "Accept-Encoding: gzip;q=nan",
  "X-HTTP-Method-Override: DELETE",
  "X-Forwarded-Host: evil.example",
  "Forwarded: for=_x",
  "__proto__: x",
] as const;

export interface RequestOptions {
  readonly token: string;
  readonly port: number;
  readonly frames: Frames;
}

/** Request `index` of the stream that `seed` stands for, made from these two numbers alone. */
export function createRequests(seed: number, options: RequestOptions): (index: number) => Uint8Array {
  return (index) => {
    const random = createRandom(seed, index);
    const body = bodyOf(random, index, options.frames);
    const text = `${headOf(random, body.length, options)}\r\n`;
    const whole = Buffer.concat([Buffer.from(text, "latin1"), body]);
    return random.chance(0.15) ? broken(random, whole) : whole;
  };
}

/** Mostly what is asked for `/rpc`, which reads it. */
function bodyOf(random: Random, index: number, frames: Frames): Uint8Array {
  if (random.chance(0.4)) return new Uint8Array();
  if (random.chance(0.002)) return new Uint8Array(LIMITS.bodyBytesMax + 1).fill(0x20);
  const data = frames(index, random.pick(["plain", "jsonrpc", "frames"]));
  return typeof data === "string" ? Buffer.from(textOf(data)) : data;
}

function headOf(random: Random, bodyBytes: number, { token, port }: RequestOptions): string {
  const isRpc = bodyBytes > 0 && random.chance(0.7);
  const method = isRpc || random.chance(0.2) ? "POST" : random.chance(0.6) ? "GET" : random.pick(METHODS);
  const path = isRpc ? "/rpc" : random.pick(PATHS);
  const version = random.chance(0.95)
    ? "HTTP/1.1"
    : random.pick(["HTTP/1.0", "HTTP/2.0", "HTTP/9", "http/1.1", ""]);
  const lines = [`${method} ${Buffer.from(path).toString("latin1")} ${version}`];
  lines.push(`Host: ${random.chance(0.85) ? `127.0.0.1:${port}` : random.pick(HOSTS)}`);
  // Each from an address of its own: after ten wrong credentials the rest would not be looked at.
  lines.push(`X-Forwarded-For: 10.${random.below(256)}.${random.below(256)}.${random.below(256)}`);
  if (random.chance(0.8)) lines.push(`Authorization: ${authorization(random, token)}`);
  if (bodyBytes > 0) {
    lines.push(`Content-Type: ${random.chance(0.9) ? "application/json" : random.pick(TYPES)}`);
    lines.push(...framing(random, bodyBytes));
  }
  if (random.chance(0.1)) lines.push(...upgrade(random));
  if (random.chance(0.05)) lines.push(`Origin: ${random.pick(ORIGINS)}`);
  if (random.chance(0.15)) lines.push(random.pick(ODD_LINES));
  if (random.chance(0.02)) lines.push(`Host: ${random.pick(HOSTS)}`);
  if (random.chance(0.03)) lines.push(...many(random));
  return lines.map((line) => `${line}\r\n`).join("");
}

function authorization(random: Random, token: string): string {
  if (random.chance(0.8)) return `Bearer ${token}`;
  return random.pick([
    "Bearer no",
    "Bearer",
    "Basic eDp5",
    `Bearer ${token} ${token}`,
    "Bearer \u0080",
    "x".repeat(5_000),
  ]);
}

/** How long the body is: mostly right, else the two ways to say it disagree with it or with each other. */
function framing(random: Random, bodyBytes: number): string[] {
  if (random.chance(0.8)) return [`Content-Length: ${bodyBytes}`];
  const length = `Content-Length: ${random.chance(0.3) ? bodyBytes : random.pick(LENGTHS)}`;
  const coding = `Transfer-Encoding: ${random.pick(CODINGS)}`;
  return random.pick([
    [length],
    [coding],
    [length, coding],
    [coding, length],
    [length, `Content-Length: ${bodyBytes}`],
    [],
  ]);
}

function upgrade(random: Random): string[] {
  const all = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Version: ${random.pick(["13", "13", "12", "x"])}`,
    `Sec-WebSocket-Key: ${random.pick(["dGhlIHNhbXBsZSBub25jZQ==", "short", ""])}`,
    `Sec-WebSocket-Protocol: ${random.pick(["jsonrpc", "a, b", ",", "x".repeat(500)])}`,
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
  ];
  return all.filter(() => random.chance(0.8));
}

function many(random: Random): string[] {
  if (random.chance(0.5)) return [`Cookie: ${"c".repeat(random.pick([4_000, 20_000, 200_000]))}`];
  return Array.from({ length: random.pick([50, 101, 250]) }, (_, n) => `X-${n}: ${n}`);
}

function broken(random: Random, bytes: Uint8Array): Uint8Array {
  const at = random.below(bytes.length);
  switch (random.below(4)) {
    case 0:
      return bytes.slice(0, at);
    case 1: {
      const flipped = bytes.slice();
      flipped[at] = random.below(256);
      return flipped;
    }
    case 2:
      return Buffer.concat([bytes, bytes.subarray(at)]);
    default:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from([random.below(256)]), bytes.subarray(at)]);
  }
}
